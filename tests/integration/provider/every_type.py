"""A program with every type that the provider implements, in three editions: first, updated in place, replaced."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = [
    "FIRST",
    "NOT_REMOVABLE",
    "NOT_UPDATABLE",
    "REPLACED",
    "TYPES",
    "UPDATED",
    "Edition",
    "every_type",
]

TYPES = {
    "bucket": "aws:s3/bucket:Bucket",
    "versioning": "aws:s3/bucketVersioning:BucketVersioning",
    "lifecycle": "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "public-access": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "ownership": "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "encryption": "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "bucket-policy": "aws:s3/bucketPolicy:BucketPolicy",
    "notification": "aws:s3/bucketNotification:BucketNotification",
    "table": "aws:dynamodb/table:Table",
    "key": "aws:kms/key:Key",
    "mac-key": "aws:kms/key:Key",
    "topic": "aws:sns/topic:Topic",
    "topic-policy": "aws:sns/topicPolicy:TopicPolicy",
    "subscription": "aws:sns/topicSubscription:TopicSubscription",
    "paged": "aws:sns/topicSubscription:TopicSubscription",
    "queue": "aws:sqs/queue:Queue",
    "queue-policy": "aws:sqs/queuePolicy:QueuePolicy",
    "issuer": "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "boundary": "aws:iam/policy:Policy",
    "role": "aws:iam/role:Role",
    "role-policy": "aws:iam/rolePolicy:RolePolicy",
    "attachment": "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "function": "aws:lambda/function:Function",
    "alias": "aws:lambda/alias:Alias",
    "recursion": "aws:lambda/functionRecursionConfig:FunctionRecursionConfig",
    "permission": "aws:lambda/permission:Permission",
    "queue-mapping": "aws:lambda/eventSourceMapping:EventSourceMapping",
    "stream-mapping": "aws:lambda/eventSourceMapping:EventSourceMapping",
    "rule": "aws:cloudwatch/eventRule:EventRule",
    "target": "aws:cloudwatch/eventTarget:EventTarget",
    "trail": "aws:cloudtrail/trail:Trail",
    "logs": "aws:cloudwatch/logGroup:LogGroup",
    "alarm": "aws:cloudwatch/metricAlarm:MetricAlarm",
    "expression-alarm": "aws:cloudwatch/metricAlarm:MetricAlarm",
    "dashboard": "aws:cloudwatch/dashboard:Dashboard",
}
"""The logical name in the program, and the type."""

NOT_UPDATABLE = frozenset({"attachment", "permission", "subscription", "paged"})
"""All inputs of these are their identity."""

NOT_REMOVABLE = frozenset({"paged"})
"""What is recorded and not made can't be removed by others, except with what it belongs to."""


@dataclass(frozen=True)
class Edition:
    """What differs from one deployment of the program to the next."""

    updated: bool = False
    replaced: bool = False

    def pick(self, first: Any, updated: Any) -> Any:
        return updated if self.updated else first

    def name(self, name: str) -> str | None:
        """A name of the program's own in place of the one that the provider makes: that is a replacement."""
        return f"renamed-{name}" if self.replaced else None


FIRST = Edition()
UPDATED = Edition(updated=True)
REPLACED = Edition(updated=True, replaced=True)


def every_type(edition: Edition, code: Path, opts: pulumi.ResourceOptions, *, trails: bool = True) -> None:
    """Register one resource of every type and export what it is called; `code` is the folder of the function's code.

    Without `trails` there is none: where the cloud has no CloudTrail.
    """
    bucket = _bucket(edition, opts)
    table = _table(edition, opts)
    topic, subscription = _topic(edition, opts)
    queue = _queue(edition, opts)
    issuer, boundary = _identities(edition, opts)
    role = _role(edition, queue, boundary, opts)
    function, alias = _function(edition, role, queue, code, opts)
    queue_mapping, stream_mapping = _mappings(edition, queue, table, function, alias, opts)
    rule = _rule(edition, queue, opts)
    permission = _permission(rule, function, opts)
    named = {
        "bucket": bucket,
        "table": table,
        **{name: _key(name, name == "mac-key", edition, opts) for name in ("key", "mac-key")},
        "topic": topic,
        "subscription": subscription,
        "queue": queue,
        "issuer": issuer,
        "boundary": boundary,
        "role": role,
        "function": function,
        "permission": permission,
        "queue-mapping": queue_mapping,
        "stream-mapping": stream_mapping,
        "rule": rule,
        **({"trail": _trail(edition, table, opts)} if trails else {}),
        **_watching(edition, topic, function, opts),
    }
    for name, resource in named.items():
        pulumi.export(name, resource.id)


def _tags(edition: Edition) -> dict[str, str]:
    return {"Kept": "changed", "Added": "now"} if edition.updated else {"Kept": "yes", "Dropped": "soon"}


def _key(name: str, is_for_codes: bool, edition: Edition, opts: pulumi.ResourceOptions) -> aws.kms.Key:
    """A key for codes or for encryption; a replacement is for the other of the two."""
    codes = is_for_codes is not edition.replaced
    return aws.kms.Key(
        name,
        description=edition.pick("for tests", "for better tests"),
        key_usage="GENERATE_VERIFY_MAC" if codes else None,
        customer_master_key_spec="HMAC_256" if codes else None,
        enable_key_rotation=None if codes else edition.pick(False, True),
        deletion_window_in_days=7,
        tags=_tags(edition),
        opts=opts,
    )


def _policy(principal: dict[str, str] | str, action: str, resource: Any) -> pulumi.Output[str]:
    statement = {"Sid": "Only", "Effect": "Allow", "Principal": principal, "Action": [action], "Resource": resource}
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})


def _bucket(edition: Edition, opts: pulumi.ResourceOptions) -> aws.s3.Bucket:
    made = aws.s3.Bucket("bucket", bucket=edition.name("bucket"), force_destroy=True, tags=_tags(edition), opts=opts)
    bucket = made.bucket
    aws.s3.BucketVersioning(
        "versioning",
        bucket=bucket,
        versioning_configuration={"status": edition.pick("Enabled", "Suspended")},
        opts=opts,
    )
    aws.s3.BucketLifecycleConfiguration(
        "lifecycle",
        bucket=bucket,
        rules=[
            {
                "id": "all",
                "status": "Enabled",
                "expiration": {"days": edition.pick(30, 60)},
                "noncurrent_version_expiration": {"noncurrent_days": 7},
                "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
            },
            {
                "id": "some",
                "status": edition.pick("Enabled", "Disabled"),
                "filter": {"and_": {"prefix": "logs/", "tags": {"keep": "no"}}},
                "transitions": [{"days": 10, "storage_class": "GLACIER"}],
            },
        ],
        opts=opts,
    )
    aws.s3.BucketPublicAccessBlock(
        "public-access",
        bucket=bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=edition.pick(False, True),
        opts=opts,
    )
    aws.s3.BucketOwnershipControls(
        "ownership",
        bucket=bucket,
        rule={"object_ownership": edition.pick("BucketOwnerPreferred", "BucketOwnerEnforced")},
        opts=opts,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        "encryption",
        bucket=bucket,
        rules=[
            {
                "apply_server_side_encryption_by_default": {"sse_algorithm": edition.pick("AES256", "aws:kms")},
                "bucket_key_enabled": edition.pick(False, True),
            }
        ],
        opts=opts,
    )
    arn = pulumi.Output.concat("arn:aws:s3:::", bucket, "/*")
    aws.s3.BucketPolicy(
        "bucket-policy",
        bucket=bucket,
        policy=_policy({"AWS": "000000000000"}, edition.pick("s3:GetObject", "s3:PutObject"), arn),
        opts=opts,
    )
    aws.s3.BucketNotification("notification", bucket=bucket, eventbridge=edition.pick(False, True), opts=opts)
    return made


def _table(edition: Edition, opts: pulumi.ResourceOptions) -> aws.dynamodb.Table:
    owner = aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name="owner", key_type="HASH")
    other_index = {"name": "by-owner", "key_schemas": [owner], "projection_type": "KEYS_ONLY"}
    return aws.dynamodb.Table(
        "table",
        name=edition.name("table"),
        billing_mode="PAY_PER_REQUEST",
        hash_key="id",
        range_key="timestamp",
        attributes=[
            {"name": "id", "type": "S"},
            {"name": "timestamp", "type": "N"},
            {"name": "environment", "type": "S"},
            *edition.pick([], [{"name": "owner", "type": "S"}]),
        ],
        global_secondary_indexes=[
            {
                "name": "by-environment",
                "key_schemas": [
                    {"attribute_name": "environment", "key_type": "HASH"},
                    {"attribute_name": "timestamp", "key_type": "RANGE"},
                ],
                "projection_type": "ALL",
            },
            *edition.pick([], [other_index]),
        ],
        stream_enabled=True,
        stream_view_type="KEYS_ONLY",
        point_in_time_recovery={"enabled": edition.pick(False, True)},
        ttl={"enabled": edition.pick(False, True), "attribute_name": "expires"},
        server_side_encryption={"enabled": edition.pick(False, True)},
        table_class=edition.pick("STANDARD", "STANDARD_INFREQUENT_ACCESS"),
        tags=_tags(edition),
        opts=opts,
    )


def _topic(edition: Edition, opts: pulumi.ResourceOptions) -> tuple[aws.sns.Topic, aws.sns.TopicSubscription]:
    topic = aws.sns.Topic(
        "topic",
        name=edition.name("topic"),
        display_name=edition.pick("First", "Second"),
        kms_master_key_id=edition.pick("alias/aws/sns", None),
        tags=_tags(edition),
        opts=opts,
    )
    policy = _policy({"Service": "cloudwatch.amazonaws.com"}, edition.pick("sns:Publish", "sns:Subscribe"), topic.arn)
    aws.sns.TopicPolicy("topic-policy", arn=topic.arn, policy=policy, opts=opts)
    mail = aws.sns.TopicSubscription(
        "subscription", topic=topic.arn, protocol="email", endpoint="oncall@example.com", opts=opts
    )
    aws.sns.TopicSubscription(
        "paged", topic=topic.arn, protocol="https", endpoint="https://events.invalid/key", opts=opts
    )
    return topic, mail


def _queue(edition: Edition, opts: pulumi.ResourceOptions) -> aws.sqs.Queue:
    dead_letters = aws.sqs.Queue("dead-letters", opts=opts)
    queue = aws.sqs.Queue(
        "queue",
        name=edition.name("queue"),
        visibility_timeout_seconds=edition.pick(60, 90),
        message_retention_seconds=edition.pick(86400, 172800),
        delay_seconds=edition.pick(0, 1),
        receive_wait_time_seconds=edition.pick(0, 5),
        redrive_policy=pulumi.Output.json_dumps(
            {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": edition.pick(3, 5)}
        ),
        sqs_managed_sse_enabled=True,
        tags=_tags(edition),
        opts=opts,
    )
    action = edition.pick("sqs:SendMessage", "sqs:ReceiveMessage")
    policy = _policy({"Service": "events.amazonaws.com"}, action, queue.arn)
    aws.sqs.QueuePolicy("queue-policy", queue_url=queue.url, policy=policy, opts=opts)
    return queue


def _identities(edition: Edition, opts: pulumi.ResourceOptions) -> tuple[aws.iam.OpenIdConnectProvider, aws.iam.Policy]:
    issuer = aws.iam.OpenIdConnectProvider(
        "issuer",
        url=f"https://tokens.example.com/{'renamed' if edition.replaced else 'first'}",
        client_id_lists=edition.pick(["first"], ["second", "third"]),
        tags=_tags(edition),
        opts=opts,
    )
    statement = {"Effect": "Allow", "Action": edition.pick("sqs:*", "sns:*"), "Resource": "*"}
    boundary = aws.iam.Policy(
        "boundary",
        name=edition.name("boundary"),
        path="/tests/",
        description="the most that a role may do",
        policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        tags=_tags(edition),
        opts=opts,
    )
    return issuer, boundary


def _role(
    edition: Edition, queue: aws.sqs.Queue, boundary: aws.iam.Policy, opts: pulumi.ResourceOptions
) -> aws.iam.Role:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    other = {**trust, "Sid": "Second"}
    role = aws.iam.Role(
        "role",
        name=edition.name("role"),
        assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": edition.pick([trust], [other])}),
        description=edition.pick("first", "second"),
        max_session_duration=edition.pick(3600, 7200),
        permissions_boundary=edition.pick(boundary.arn, None),
        tags=_tags(edition),
        opts=opts,
    )
    action = edition.pick("sqs:ReceiveMessage", "sqs:DeleteMessage")
    document = pulumi.Output.json_dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": queue.arn}]}
    )
    aws.iam.RolePolicy("role-policy", role=role.name, policy=document, opts=opts)
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws.iam.RolePolicyAttachment("attachment", role=role.name, policy_arn=basic, opts=opts)
    return role


def _function(
    edition: Edition, role: aws.iam.Role, queue: aws.sqs.Queue, code: Path, opts: pulumi.ResourceOptions
) -> tuple[aws.lambda_.Function, aws.lambda_.Alias]:
    function = aws.lambda_.Function(
        "function",
        name=edition.name("function"),
        code=pulumi.FileArchive(str(code)),
        runtime="python3.12",
        handler=edition.pick("code.handle", "code.handle_better"),
        role=role.arn,
        timeout=edition.pick(10, 20),
        memory_size=edition.pick(128, 256),
        description=edition.pick("first", None),
        environment={"variables": edition.pick({"FIRST": "1"}, {"SECOND": "2"})},
        logging_config=edition.pick({"log_format": "JSON", "application_log_level": "WARN"}, {"log_format": "Text"}),
        tracing_config={"mode": edition.pick("PassThrough", "Active")},
        dead_letter_config=edition.pick({"target_arn": queue.arn}, None),
        reserved_concurrent_executions=edition.pick(2, 3),
        architectures=["arm64"],
        publish=True,
        tags=_tags(edition),
        opts=opts,
    )
    alias = aws.lambda_.Alias(
        "alias",
        name="live",
        function_name=function.name,
        function_version=function.version,
        description=edition.pick("first", "second"),
        opts=opts,
    )
    aws.lambda_.FunctionRecursionConfig(
        "recursion", function_name=function.name, recursive_loop=edition.pick("Allow", "Terminate"), opts=opts
    )
    return function, alias


def _mappings(
    edition: Edition,
    queue: aws.sqs.Queue,
    table: aws.dynamodb.Table,
    function: aws.lambda_.Function,
    alias: aws.lambda_.Alias,
    opts: pulumi.ResourceOptions,
) -> tuple[aws.lambda_.EventSourceMapping, aws.lambda_.EventSourceMapping]:
    of_queue = aws.lambda_.EventSourceMapping(
        "queue-mapping",
        event_source_arn=queue.arn,
        function_name=alias.arn,
        batch_size=edition.pick(5, 50),
        maximum_batching_window_in_seconds=edition.pick(0, 2),
        function_response_types=edition.pick([], ["ReportBatchItemFailures"]),
        scaling_config={"maximum_concurrency": edition.pick(2, 4)},
        filter_criteria={"filters": [{"pattern": edition.pick('{"body":{"a":[1]}}', '{"body":{"a":[2]}}')}]},
        tags=_tags(edition),
        opts=opts,
    )
    of_stream = aws.lambda_.EventSourceMapping(
        "stream-mapping",
        event_source_arn=table.stream_arn,
        function_name=function.name,
        starting_position="LATEST",
        batch_size=edition.pick(100, 1000),
        bisect_batch_on_function_error=edition.pick(False, True),
        maximum_retry_attempts=edition.pick(3, 5),
        maximum_record_age_in_seconds=edition.pick(3600, 7200),
        parallelization_factor=edition.pick(1, 2),
        destination_config={"on_failure": {"destination_arn": queue.arn}},
        opts=opts,
    )
    return of_queue, of_stream


def _rule(edition: Edition, queue: aws.sqs.Queue, opts: pulumi.ResourceOptions) -> aws.cloudwatch.EventRule:
    kinds = edition.pick(["Object Created"], ["Object Created", "Object Deleted"])
    rule = aws.cloudwatch.EventRule(
        "rule",
        name=edition.name("rule"),
        description=edition.pick("first", "second"),
        event_pattern=json.dumps({"source": ["aws.s3"], "detail-type": kinds}),
        state=edition.pick("ENABLED", "DISABLED"),
        tags=_tags(edition),
        opts=opts,
    )
    aws.cloudwatch.EventTarget(
        "target",
        rule=rule.name,
        target_id="queue",
        arn=queue.arn,
        dead_letter_config={"arn": queue.arn},
        retry_policy={"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": edition.pick(10, 20)},
        opts=opts,
    )
    return rule


def _trail(edition: Edition, table: aws.dynamodb.Table, opts: pulumi.ResourceOptions) -> aws.cloudtrail.Trail:
    log = aws.s3.Bucket("trail-log", opts=opts)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": ["s3:GetBucketAcl", "s3:PutObject"],
        "Resource": [log.arn, pulumi.Output.concat(log.arn, "/*")],
    }
    document = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = aws.s3.BucketPolicy("trail-log-policy", bucket=log.bucket, policy=document, opts=opts)
    of_items = [
        {"field": "eventCategory", "equals": ["Data"]},
        {"field": "resources.type", "equals": ["AWS::DynamoDB::Table"]},
        {"field": "resources.ARN", "starts_withs": [table.arn]},
    ]
    return aws.cloudtrail.Trail(
        "trail",
        name=edition.name("trail"),
        s3_bucket_name=log.bucket,
        s3_key_prefix=edition.pick("first", "second"),
        include_global_service_events=edition.pick(False, True),
        is_multi_region_trail=edition.pick(False, True),
        enable_log_file_validation=edition.pick(False, True),
        enable_logging=edition.pick(True, False),
        advanced_event_selectors=edition.pick([{"name": "items", "field_selectors": of_items}], None),
        tags=_tags(edition),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[policy])),
    )


def _permission(
    rule: aws.cloudwatch.EventRule, function: aws.lambda_.Function, opts: pulumi.ResourceOptions
) -> aws.lambda_.Permission:
    return aws.lambda_.Permission(
        "permission",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=opts,
    )


def _watching(
    edition: Edition, topic: aws.sns.Topic, function: aws.lambda_.Function, opts: pulumi.ResourceOptions
) -> dict[str, pulumi.CustomResource]:
    logs = aws.cloudwatch.LogGroup(
        "logs", name=edition.name("logs"), retention_in_days=edition.pick(7, 30), tags=_tags(edition), opts=opts
    )
    alarm = aws.cloudwatch.MetricAlarm(
        "alarm",
        name=edition.name("alarm"),
        alarm_description=edition.pick("first", "second"),
        comparison_operator=edition.pick("GreaterThanThreshold", "GreaterThanOrEqualToThreshold"),
        evaluation_periods=edition.pick(2, 3),
        datapoints_to_alarm=2,
        metric_name="Errors",
        namespace="AWS/Lambda",
        period=edition.pick(60, 120),
        statistic="Sum",
        threshold=edition.pick(1, 2.5),
        dimensions={"FunctionName": function.name},
        alarm_actions=[topic.arn],
        ok_actions=edition.pick([], [topic.arn]),
        treat_missing_data=edition.pick("missing", "notBreaching"),
        tags=_tags(edition),
        opts=opts,
    )
    errors = aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
        metric_name="Errors", namespace="AWS/Lambda", period=60, stat="Sum"
    )
    expression_alarm = aws.cloudwatch.MetricAlarm(
        "expression-alarm",
        name=edition.name("expression-alarm"),
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        threshold=edition.pick(1, 2),
        metric_queries=[
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id="share", expression="errors * 100", label="Errors", return_data=True
            ),
            aws.cloudwatch.MetricAlarmMetricQueryArgs(id="errors", metric=errors),
        ],
        opts=opts,
    )
    text = {"type": "text", "properties": {"markdown": edition.pick("first", "second")}}
    dashboard = aws.cloudwatch.Dashboard(
        "dashboard",
        dashboard_name="renamed" if edition.replaced else "tests",
        dashboard_body=json.dumps({"widgets": [text]}),
        opts=opts,
    )
    return {"logs": logs, "alarm": alarm, "expression-alarm": expression_alarm, "dashboard": dashboard}
