"""Ids of resources whose inputs alone are known, as after a creation that was cut off.

The forms are those of each type's "Import" section in https://www.pulumi.com/registry/packages/aws/api-docs/.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from pipeline_ops.clients import ClientMaker

__all__ = ["identifier"]

Inputs = Mapping[str, Any]
Find = Callable[[Callable[[str], Any], Inputs], str | None]


def identifier(kind: str, inputs: Inputs, region: str, clients: ClientMaker) -> str | None:
    """Return the id that a resource with these inputs has, or would have; None where neither AWS nor they tell."""
    if kind in _BY_INPUTS:
        try:
            return _BY_INPUTS[kind](inputs)
        except KeyError:
            return None
    find = _ASKED_FOR.get(kind)
    return find(lambda service: clients(service, region=region), inputs) if find else None


def _named(name: str) -> Callable[[Inputs], str]:
    return lambda inputs: str(inputs[name])


def _bus(inputs: Inputs) -> str:
    bus = inputs.get("eventBusName") or "default"
    return "" if bus == "default" else f"{bus}/"


_OF_A_BUCKET = (
    *("Bucket", "BucketLifecycleConfiguration", "BucketNotification", "BucketOwnershipControls", "BucketPolicy"),
    *("BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration", "BucketVersioning"),
)

_BY_INPUTS: Mapping[str, Callable[[Inputs], str]] = {
    **{f"aws:s3/{name[0].lower()}{name[1:]}:{name}": _named("bucket") for name in _OF_A_BUCKET},
    "aws:dynamodb/table:Table": _named("name"),
    "aws:lambda/function:Function": _named("name"),
    "aws:lambda/functionRecursionConfig:FunctionRecursionConfig": _named("functionName"),
    "aws:lambda/permission:Permission": _named("statementId"),
    "aws:iam/role:Role": _named("name"),
    "aws:iam/rolePolicy:RolePolicy": lambda inputs: f"{inputs['role']}:{inputs['name']}",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": lambda inputs: f"{inputs['role']}/{inputs['policyArn']}",
    "aws:sns/topicPolicy:TopicPolicy": _named("arn"),
    "aws:sqs/queuePolicy:QueuePolicy": _named("queueUrl"),
    "aws:cloudwatch/logGroup:LogGroup": _named("name"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _named("name"),
    "aws:cloudwatch/dashboard:Dashboard": _named("dashboardName"),
    "aws:cloudwatch/eventRule:EventRule": lambda inputs: f"{_bus(inputs)}{inputs['name']}",
    "aws:cloudwatch/eventTarget:EventTarget": lambda inputs: f"{_bus(inputs)}{inputs['rule']}-{inputs['targetId']}",
}


def _topic(client: Callable[[str], Any], inputs: Inputs) -> str | None:
    pages = client("sns").get_paginator("list_topics").paginate()
    arns = (topic["TopicArn"] for page in pages for topic in page["Topics"])
    return next((arn for arn in arns if arn.rpartition(":")[2] == inputs["name"]), None)


def _subscription(client: Callable[[str], Any], inputs: Inputs) -> str | None:
    pages = client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=inputs["topic"])
    wanted = (inputs["protocol"], inputs["endpoint"])
    subscriptions = (each for page in pages for each in page["Subscriptions"])
    arns = (each["SubscriptionArn"] for each in subscriptions if (each["Protocol"], each["Endpoint"]) == wanted)
    # Before it is confirmed a subscription has no ARN, but a word in its place, and nothing can be done to it.
    return next((arn for arn in arns if arn.startswith("arn:")), None)


def _mapping(client: Callable[[str], Any], inputs: Inputs) -> str | None:
    names = {"FunctionName": inputs["functionName"], "EventSourceArn": inputs["eventSourceArn"]}
    # AWS takes one mapping of a source and a function.
    listed = client("lambda").list_event_source_mappings(**names)["EventSourceMappings"]
    return str(listed[0]["UUID"]) if listed else None


def _policy(client: Callable[[str], Any], inputs: Inputs) -> str | None:
    policies = client("iam").get_paginator("list_policies").paginate(Scope="Local").search("Policies[]")
    return next((each["Arn"] for each in policies if each["PolicyName"] == inputs["name"]), None)


def _openid_provider(client: Callable[[str], Any], inputs: Inputs) -> str | None:
    listed = client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    issuer = inputs["url"].removeprefix("https://").rstrip("/")
    return next((each["Arn"] for each in listed if each["Arn"].partition(":oidc-provider/")[2] == issuer), None)


_ASKED_FOR: Mapping[str, Find] = {
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": _openid_provider,
    "aws:iam/policy:Policy": _policy,
    "aws:sqs/queue:Queue": lambda client, inputs: _or_none(
        lambda: client("sqs").get_queue_url(QueueName=inputs["name"])["QueueUrl"]
    ),
    "aws:sns/topic:Topic": _topic,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
    "aws:lambda/alias:Alias": lambda client, inputs: _or_none(
        lambda: client("lambda").get_alias(FunctionName=inputs["functionName"], Name=inputs["name"])["AliasArn"]
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": _mapping,
    "aws:cloudtrail/trail:Trail": lambda client, inputs: _or_none(
        lambda: client("cloudtrail").get_trail(Name=inputs["name"])["Trail"]["TrailARN"]
    ),
}

_ABSENT = ("NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException", "TrailNotFoundException")


def _or_none(ask: Callable[[], Any]) -> str | None:
    try:
        return str(ask())
    except ClientError as error:
        if not error.response.get("Error", {}).get("Code", "").endswith(_ABSENT):
            raise
        return None
