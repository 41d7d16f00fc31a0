"""The ids of resources of which only the inputs are known, beside those that the local provider gives."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local_cloud.provider.registry import RESOURCES
from pipeline_ops.identifiers import _ASKED_FOR, _BY_INPUTS, identifier

REGION = "eu-west-1"
NAMELESS = {"aws:kms/key:Key"}


def client(service: str, /, *, region: str, config: Any = None) -> Any:
    return boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload] # known by literals


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield


def test_every_type_that_is_deployed_is_found_again_but_what_has_no_name() -> None:
    assert set(RESOURCES) - _BY_INPUTS.keys() - _ASKED_FOR.keys() == NAMELESS


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("aws:s3/bucket:Bucket", {"bucket": "b-1"}, "b-1"),
        ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "b-1", "policy": "{}"}, "b-1"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "r", "name": "p"}, "r:p"),
        ("aws:cloudwatch/eventRule:EventRule", {"name": "r", "eventBusName": "default"}, "r"),
        ("aws:cloudwatch/eventRule:EventRule", {"name": "r", "eventBusName": "own"}, "own/r"),
        ("aws:cloudwatch/eventTarget:EventTarget", {"rule": "r", "targetId": "t"}, "r-t"),
        ("aws:kms/key:Key", {"description": "d"}, None),
        ("aws:s3/bucket:Bucket", {}, None),
    ],
)
def test_a_name_among_the_inputs_is_the_id(kind: str, inputs: dict[str, Any], expected: str | None) -> None:
    assert identifier(kind, inputs, REGION, client) == expected


def test_a_queue_is_asked_for_by_its_name() -> None:
    url = client("sqs", region=REGION).create_queue(QueueName="q-1")["QueueUrl"]
    assert identifier("aws:sqs/queue:Queue", {"name": "q-1"}, REGION, client) == url
    assert identifier("aws:sqs/queue:Queue", {"name": "q-2"}, REGION, client) is None


def test_a_topic_and_its_subscription_are_asked_for() -> None:
    sns = client("sns", region=REGION)
    sns.create_topic(Name="another-t-1")
    topic = sns.create_topic(Name="t-1")["TopicArn"]
    assert identifier("aws:sns/topic:Topic", {"name": "t-1"}, REGION, client) == topic
    assert identifier("aws:sns/topic:Topic", {"name": "1"}, REGION, client) is None
    wanted = {"topic": topic, "protocol": "sqs", "endpoint": "arn:aws:sqs:eu-west-1:123456789012:q"}
    assert identifier("aws:sns/topicSubscription:TopicSubscription", wanted, REGION, client) is None
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=wanted["endpoint"])["SubscriptionArn"]
    assert identifier("aws:sns/topicSubscription:TopicSubscription", wanted, REGION, client) == arn


def test_a_policy_and_an_identity_provider_are_asked_for() -> None:
    iam = client("iam", region=REGION)
    policy, provider = "aws:iam/policy:Policy", "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    issuer = {"url": "https://token.actions.githubusercontent.com"}
    assert identifier(policy, {"name": "p"}, REGION, client) is None
    assert identifier(provider, issuer, REGION, client) is None
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = iam.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
    known = iam.create_open_id_connect_provider(Url=issuer["url"], ThumbprintList=["0" * 40])
    assert identifier(policy, {"name": "p"}, REGION, client) == made
    assert identifier(provider, issuer, REGION, client) == known["OpenIDConnectProviderArn"]


def test_an_alias_and_a_mapping_are_asked_for() -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = client("iam", region=REGION).create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    function = {"Runtime": "python3.13", "Role": role["Arn"], "Handler": "h.h", "Code": {"ZipFile": b"x"}}
    lambda_ = client("lambda", region=REGION)
    lambda_.create_function(FunctionName="f", Publish=True, **function)
    queue = client("sqs", region=REGION).create_queue(QueueName="q")["QueueUrl"]
    attributes = client("sqs", region=REGION).get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    source = attributes["Attributes"]["QueueArn"]
    alias = {"functionName": "f", "name": "live"}
    mapping = {"functionName": "f", "eventSourceArn": source}
    assert identifier("aws:lambda/alias:Alias", alias, REGION, client) is None
    assert identifier("aws:lambda/eventSourceMapping:EventSourceMapping", mapping, REGION, client) is None
    arn = lambda_.create_alias(FunctionName="f", Name="live", FunctionVersion="1")["AliasArn"]
    uuid = lambda_.create_event_source_mapping(FunctionName="f", EventSourceArn=source)["UUID"]
    assert identifier("aws:lambda/alias:Alias", alias, REGION, client) == arn
    assert identifier("aws:lambda/eventSourceMapping:EventSourceMapping", mapping, REGION, client) == uuid
