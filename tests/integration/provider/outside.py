"""What somebody does to the resources past the engine, by the cloud's API."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from local_cloud import LocalCloud

__all__ = ["change_everything", "delete_everything", "everything"]

_OTHER = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "*", "Resource": "*", "Sid": "Outsider"}
_OTHER_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [_OTHER]})
_OTHER_RIGHTS = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})


def change_everything(cloud: LocalCloud, named: Mapping[str, Any]) -> None:
    """Change one thing of each resource; what cannot be changed is removed."""
    _change_bucket(cloud.client("s3"), named["bucket"])
    cloud.client("dynamodb").update_table(TableName=named["table"], TableClass="STANDARD_INFREQUENT_ACCESS")
    for name in ("key", "mac-key"):
        cloud.client("kms").update_key_description(KeyId=named[name], Description="outsider")
    sns = cloud.client("sns")
    for attribute, value in (("DisplayName", "Outsider"), ("Policy", _OTHER_POLICY)):
        sns.set_topic_attributes(TopicArn=named["topic"], AttributeName=attribute, AttributeValue=value)
    sns.unsubscribe(SubscriptionArn=named["subscription"])
    changes = {"VisibilityTimeout": "77", "Policy": _OTHER_POLICY}
    cloud.client("sqs").set_queue_attributes(QueueUrl=named["queue"], Attributes=changes)
    iam, role = cloud.client("iam"), named["role"]
    iam.update_role(RoleName=role, Description="outsider")
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=_OTHER_RIGHTS)
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    iam.create_policy_version(PolicyArn=named["boundary"], PolicyDocument=_OTHER_RIGHTS, SetAsDefault=True)
    issuer = {"OpenIDConnectProviderArn": named["issuer"]}
    url = f"https://{iam.get_open_id_connect_provider(**issuer)['Url'].removeprefix('https://')}"
    iam.delete_open_id_connect_provider(**issuer)
    iam.create_open_id_connect_provider(Url=url, ClientIDList=["outsider"])
    _change_function(cloud.client("lambda"), named)
    events, rule = cloud.client("events"), named["rule"]
    known = events.describe_rule(Name=rule)
    events.put_rule(Name=rule, EventPattern=known["EventPattern"], Description="outsider", State=known["State"])
    target = events.list_targets_by_rule(Rule=rule)["Targets"][0]
    events.put_targets(Rule=rule, Targets=[{**target, "RetryPolicy": {"MaximumRetryAttempts": 1}}])
    if "trail" in named:
        cloud.client("cloudtrail").stop_logging(Name=named["trail"])
    cloud.client("logs").put_retention_policy(logGroupName=named["logs"], retentionInDays=1)
    cloudwatch = cloud.client("cloudwatch")
    for name in ("alarm", "expression-alarm"):
        _change_alarm(cloudwatch, named[name])
    cloudwatch.put_dashboard(DashboardName=named["dashboard"], DashboardBody='{"widgets": []}')


def delete_everything(cloud: LocalCloud, named: Mapping[str, Any]) -> None:
    """Delete each resource, and with it what belongs to it."""
    lambda_, iam, events = cloud.client("lambda"), cloud.client("iam"), cloud.client("events")
    for mapping in ("queue-mapping", "stream-mapping"):
        lambda_.delete_event_source_mapping(UUID=named[mapping])
    lambda_.delete_function(FunctionName=named["function"])
    for policy in iam.list_attached_role_policies(RoleName=named["role"])["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=named["role"], PolicyArn=policy["PolicyArn"])
    for name in iam.list_role_policies(RoleName=named["role"])["PolicyNames"]:
        iam.delete_role_policy(RoleName=named["role"], PolicyName=name)
    iam.delete_role(RoleName=named["role"])
    for version in iam.list_policy_versions(PolicyArn=named["boundary"])["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=named["boundary"], VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=named["boundary"])
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=named["issuer"])
    targets = [target["Id"] for target in events.list_targets_by_rule(Rule=named["rule"])["Targets"]]
    events.remove_targets(Rule=named["rule"], Ids=targets)
    events.delete_rule(Name=named["rule"])
    if "trail" in named:
        cloud.client("cloudtrail").delete_trail(Name=named["trail"])
    cloud.client("s3").delete_bucket(Bucket=named["bucket"])
    cloud.client("dynamodb").delete_table(TableName=named["table"])
    for name in ("key", "mac-key"):
        cloud.client("kms").schedule_key_deletion(KeyId=named[name], PendingWindowInDays=7)
    cloud.client("sns").delete_topic(TopicArn=named["topic"])
    cloud.client("sqs").delete_queue(QueueUrl=named["queue"])
    cloud.client("logs").delete_log_group(logGroupName=named["logs"])
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.delete_alarms(AlarmNames=[named["alarm"], named["expression-alarm"]])
    cloudwatch.delete_dashboards(DashboardNames=[named["dashboard"]])


def everything(cloud: LocalCloud, *, trails: bool = True) -> dict[str, list[str]]:
    """What there is, by kind of resource; log groups that functions made for themselves and deleted keys left out."""
    lists: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
        "buckets": ("s3", lambda api: [each["Name"] for each in api.list_buckets()["Buckets"]]),
        "tables": ("dynamodb", lambda api: api.list_tables()["TableNames"]),
        "topics": ("sns", lambda api: [each["TopicArn"] for each in api.list_topics()["Topics"]]),
        "queues": ("sqs", lambda api: api.list_queues().get("QueueUrls", [])),
        "roles": ("iam", lambda api: [each["RoleName"] for each in api.list_roles()["Roles"]]),
        "policies": (
            "iam",
            lambda api: [each["PolicyName"] for each in api.list_policies(Scope="Local")["Policies"]],
        ),
        "issuers": (
            "iam",
            lambda api: [each["Arn"] for each in api.list_open_id_connect_providers()["OpenIDConnectProviderList"]],
        ),
        "functions": ("lambda", lambda api: [each["FunctionName"] for each in api.list_functions()["Functions"]]),
        "mappings": (
            "lambda",
            lambda api: [each["UUID"] for each in api.list_event_source_mappings()["EventSourceMappings"]],
        ),
        "rules": ("events", lambda api: [each["Name"] for each in api.list_rules()["Rules"]]),
        "trails": ("cloudtrail", lambda api: [each["Name"] for each in api.list_trails()["Trails"]]),
        "logs": ("logs", lambda api: [each["logGroupName"] for each in api.describe_log_groups()["logGroups"]]),
        "alarms": ("cloudwatch", lambda api: [each["AlarmName"] for each in api.describe_alarms()["MetricAlarms"]]),
        "dashboards": (
            "cloudwatch",
            lambda api: [each["DashboardName"] for each in api.list_dashboards()["DashboardEntries"]],
        ),
    }
    found = {kind: read(cloud.client(service)) for kind, (service, read) in lists.items() if trails or kind != "trails"}
    found["logs"] = [name for name in found["logs"] if not name.startswith("/aws/lambda/")]
    return found


def _change_bucket(s3: Any, bucket: str) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "Outsider", "Value": "yes"}]})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    rule = {"ID": "outsider", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": False})
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption)
    s3.put_bucket_policy(Bucket=bucket, Policy=_OTHER_POLICY)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})


def _change_function(lambda_: Any, named: Mapping[str, Any]) -> None:
    lambda_.update_function_configuration(FunctionName=named["function"], MemorySize=1024)
    lambda_.update_alias(FunctionName=named["function"], Name="live", Description="outsider")
    lambda_.put_function_recursion_config(FunctionName=named["function"], RecursiveLoop="Terminate")
    lambda_.remove_permission(FunctionName=named["function"], StatementId=named["permission"])
    lambda_.update_event_source_mapping(UUID=named["queue-mapping"], BatchSize=1)
    lambda_.update_event_source_mapping(UUID=named["stream-mapping"], MaximumRetryAttempts=1)


def _change_alarm(cloudwatch: Any, name: str) -> None:
    alarm = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    own = (
        "AlarmArn",
        "StateValue",
        "StateReason",
        "StateReasonData",
        "StateTransitionedTimestamp",
        "StateUpdatedTimestamp",
    )
    kept = {key: value for key, value in alarm.items() if key not in (*own, "AlarmConfigurationUpdatedTimestamp")}
    with suppress(KeyError):
        del kept["Tags"]
    cloudwatch.put_metric_alarm(**{**kept, "Threshold": 99.0})
