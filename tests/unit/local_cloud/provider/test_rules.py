"""Each rule of AWS that the emulator holds nobody to: the last value that passes, and the first that does not."""

import json
from typing import Any

import pytest

from local_cloud.provider.wire import Archive
from tests.unit.local_cloud.provider.checking import refusals

BUCKET = "aws:s3/bucket:Bucket"
TABLE = "aws:dynamodb/table:Table"
TOPIC = "aws:sns/topic:Topic"
QUEUE = "aws:sqs/queue:Queue"
ROLE = "aws:iam/role:Role"
ISSUER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
FUNCTION = "aws:lambda/function:Function"
ALIAS = "aws:lambda/alias:Alias"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
PERMISSION = "aws:lambda/permission:Permission"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
KEY = "aws:kms/key:Key"
TRAIL = "aws:cloudtrail/trail:Trail"

STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/t/stream/2030"
SOURCE = "arn:aws:sqs:eu-west-1:111122223333:q"


def _statement(padding: int) -> str:
    """A document of exactly so many characters, without white space."""
    empty = len(json.dumps({"Sid": ""}, separators=(",", ":")))
    return json.dumps({"Sid": "x" * (padding - empty)}, separators=(",", ":"))


def _variables(size: int) -> dict[str, Any]:
    empty = len(json.dumps({"NAME": ""}, separators=(",", ":")))
    return {"variables": {"NAME": "x" * (size - empty)}}


RULES: list[tuple[str, str, Any, Any]] = [
    # the type, the path, what passes, what is refused
    (BUCKET, "bucket", "abc", "ab"),
    (BUCKET, "bucket", "a" * 63, "a" * 64),
    (BUCKET, "bucket", "a.b-c", "a..b"),
    (BUCKET, "bucket", "lower", "Upper"),
    (BUCKET, "bucket", "1.2.3.4a", "1.2.3.4"),
    (BUCKET, "bucket", "xn-a", "xn--a"),
    (BUCKET, "bucket", "a-s3", "a--x-s3"),
    (BUCKET, "bucket", "a-b", "a_b"),
    (BUCKET, "tags", {str(n): "" for n in range(50)}, {str(n): "" for n in range(51)}),
    (BUCKET, "tags", {"k" * 128: ""}, {"k" * 129: ""}),
    (BUCKET, "tags", {"k": "v" * 256}, {"k": "v" * 257}),
    (BUCKET, "tags", {"my:tag": "x"}, {"aws:tag": "x"}),
    (BUCKET, "tags", {"k": "ü é_.:/=+-@"}, {"k": "a*b"}),
    ("aws:s3/bucketPolicy:BucketPolicy", "policy", _statement(20480), _statement(20481)),
    ("aws:s3/bucketPolicy:BucketPolicy", "policy", "{}", "{"),
    ("aws:s3/bucketPolicy:BucketPolicy", "policy", {"Statement": []}, "[]"),
    (TRAIL, "name", "a-1", "a1"),
    (TRAIL, "name", "a" * 128, "a" * 129),
    (TRAIL, "name", "a.b_c-d", "a-_b"),
    (TRAIL, "name", "a-b", "-ab"),
    (TRAIL, "s3KeyPrefix", "p" * 200, "p" * 201),
    (TABLE, "name", "a.b", "ab"),
    (TABLE, "name", "a" * 255, "a" * 256),
    (TABLE, "name", "a_b-c.d", "a b c"),
    (TOPIC, "name", "a" * 256, "a" * 257),
    (TOPIC, "name", "a_b-c", "a.b"),
    (TOPIC, "displayName", "d" * 100, "d" * 101),
    ("aws:sns/topicPolicy:TopicPolicy", "policy", _statement(30720), _statement(30721)),
    (QUEUE, "name", "a" * 80, "a" * 81),
    (QUEUE, "name", "a_b-c", "a.fifo"),
    (QUEUE, "messageRetentionSeconds", 60, 59),
    (QUEUE, "messageRetentionSeconds", 1209600, 1209601),
    (QUEUE, "visibilityTimeoutSeconds", 0, -1),
    (QUEUE, "visibilityTimeoutSeconds", 43200, 43201),
    (QUEUE, "delaySeconds", 900, 901),
    (QUEUE, "receiveWaitTimeSeconds", 20, 21),
    (QUEUE, "maxMessageSize", 1024, 1023),
    (QUEUE, "redrivePolicy", '{"deadLetterTargetArn":"arn:q","maxReceiveCount":1000}', '{"maxReceiveCount":5}'),
    (
        QUEUE,
        "redrivePolicy",
        '{"deadLetterTargetArn":"arn:q","maxReceiveCount":"1"}',
        '{"deadLetterTargetArn":"arn:q","maxReceiveCount":1001}',
    ),
    ("aws:sqs/queuePolicy:QueuePolicy", "policy", _statement(8192), _statement(8193)),
    (ROLE, "name", "a" * 64, "a" * 65),
    (ROLE, "name", "a+=,.@-_", "a/b"),
    (ROLE, "description", "d" * 1000, "d" * 1001),
    (ROLE, "description", "é", "\N{SNOWMAN}"),
    (ROLE, "maxSessionDuration", 3600, 3599),
    (ROLE, "assumeRolePolicy", _statement(2048), _statement(2049)),
    (ROLE, "assumeRolePolicy", '{ "Sid":   "spaces are not counted"}' + " " * 3000, "not JSON"),
    ("aws:iam/rolePolicy:RolePolicy", "policy", _statement(10240), _statement(10241)),
    ("aws:iam/rolePolicy:RolePolicy", "name", "p" * 128, "p" * 129),
    ("aws:iam/policy:Policy", "policy", _statement(6144), _statement(6145)),
    ("aws:iam/policy:Policy", "name", "p" * 128, "p" * 129),
    ("aws:iam/policy:Policy", "path", "/delivery/", "/delivery"),
    (ISSUER, "url", "https://tokens.example.com", "http://tokens.example.com"),
    (ISSUER, "clientIdLists", ["a"] * 100, ["a"] * 101),
    (FUNCTION, "name", "f" * 64, "f" * 65),
    (FUNCTION, "name", "a_b-c", "a.b"),
    (FUNCTION, "memorySize", 128, 127),
    (FUNCTION, "memorySize", 10240, 10241),
    (FUNCTION, "timeout", 1, 0),
    (FUNCTION, "timeout", 900, 901),
    (FUNCTION, "description", "d" * 256, "d" * 257),
    (FUNCTION, "environment", _variables(4096), _variables(4097)),
    (FUNCTION, "environment", {"variables": {"MY_REGION": ""}}, {"variables": {"AWS_REGION": ""}}),
    (FUNCTION, "environment", {"variables": {"A1": ""}}, {"variables": {"1A": ""}}),
    (FUNCTION, "environment", {"variables": {"AB": ""}}, {"variables": {"A": ""}}),
    (FUNCTION, "role", "arn:aws:iam::111122223333:role/r", "r"),
    (FUNCTION, "ephemeralStorage", {"size": 512}, {"size": 511}),
    (FUNCTION, "loggingConfig", {"logFormat": "JSON", "systemLogLevel": "WARN"}, {"logFormat": "XML"}),
    (ALIAS, "name", "v1", "1"),
    (ALIAS, "name", "a" * 128, "a" * 129),
    (ALIAS, "functionVersion", "12", "latest"),
    *(
        (ALIAS, "routingConfig", {"additionalVersionWeights": {"2": 0.1}}, {"additionalVersionWeights": refused})
        for refused in ({"1": 0.1}, {"2": 0.1, "3": 0.1}, {"$LATEST": 0.1}, {"2": 1.1})
    ),
    (PERMISSION, "statementId", "s" * 100, "s" * 101),
    (PERMISSION, "sourceAccount", "111122223333", "1111"),
    (MAPPING, "scalingConfig", {"maximumConcurrency": 2}, {"maximumConcurrency": 1}),
    (MAPPING, "scalingConfig", {"maximumConcurrency": 1000}, {"maximumConcurrency": 1001}),
    (MAPPING, "batchSize", 10, 0),
    (MAPPING, "maximumBatchingWindowInSeconds", 300, 301),
    (MAPPING, "filterCriteria", {"filters": [{"pattern": "{}"}] * 5}, {"filters": [{"pattern": "{}"}] * 6}),
    (RULE, "name", "r" * 64, "r" * 65),
    (RULE, "name", "a._-b", "a b"),
    (RULE, "description", "d" * 512, "d" * 513),
    (RULE, "eventPattern", '{"source":["aws.s3"]}', '{"source":"aws.s3"}'),
    (RULE, "eventPattern", '{"a":[{"prefix":"x"}]}', '{"a":[{"starts":"x"}]}'),
    (RULE, "eventPattern", '{"a":{"b":[null,1]}}', '{"a":{"b":[]}}'),
    (RULE, "eventPattern", '{"$or":[{"a":[1]},{"b":[2]}]}', "{}"),
    (RULE, "eventPattern", json.dumps({"a": ["x" * 2000]}), json.dumps({"a": ["x" * 2048]})),
    (RULE, "eventPattern", '{"a":["x"]}', '{"a"'),
    (TARGET, "targetId", "t" * 64, "t" * 65),
    (TARGET, "retryPolicy", {"maximumRetryAttempts": 185}, {"maximumRetryAttempts": 186}),
    (TARGET, "retryPolicy", {"maximumEventAgeInSeconds": 60}, {"maximumEventAgeInSeconds": 59}),
    (LOGS, "name", "l" * 512, "l" * 513),
    (LOGS, "name", "/aws/lambda/f", "aws/f"),
    (LOGS, "name", "a/b#c", "a:b"),
    (LOGS, "retentionInDays", 30, 31),
    (LOGS, "retentionInDays", 3653, 3654),
    (LOGS, "retentionInDays", 0, 2),
    (ALARM, "name", "a" * 255, "a" * 256),
    (ALARM, "name", "any thing: é", "a\nb"),
    (ALARM, "alarmDescription", "d" * 1024, "d" * 1025),
    (ALARM, "period", 10, 15),
    (ALARM, "period", 120, 90),
    (ALARM, "period", 60, 0),
    (ALARM, "namespace", "AWS/Lambda", ":Lambda"),
    (ALARM, "alarmActions", ["a"] * 5, ["a"] * 6),
    (DASHBOARD, "dashboardName", "d" * 255, "d" * 256),
    (DASHBOARD, "dashboardName", "a_b-c", "a.b"),
    (DASHBOARD, "dashboardBody", '{"widgets":[]}', "widgets"),
    (KEY, "deletionWindowInDays", 7, 6),
    (KEY, "deletionWindowInDays", 30, 31),
]

REQUIRED: dict[str, dict[str, Any]] = {
    "aws:s3/bucketPolicy:BucketPolicy": {"bucket": "a-bucket"},
    TABLE: {"billingMode": "PAY_PER_REQUEST", "hashKey": "id", "attributes": [{"name": "id", "type": "S"}]},
    "aws:sns/topicPolicy:TopicPolicy": {"arn": "arn"},
    "aws:sqs/queuePolicy:QueuePolicy": {"queueUrl": "url"},
    ROLE: {"assumeRolePolicy": "{}"},
    "aws:iam/rolePolicy:RolePolicy": {"role": "r"},
    "aws:iam/policy:Policy": {"policy": "{}"},
    ISSUER: {"url": "https://tokens.example.com", "clientIdLists": ["a"]},
    FUNCTION: {"handler": "h", "runtime": "python3.12"},
    ALIAS: {"functionName": "f", "functionVersion": "1"},
    PERMISSION: {"action": "lambda:InvokeFunction", "function": "f", "principal": "events.amazonaws.com"},
    MAPPING: {"eventSourceArn": SOURCE, "functionName": "f"},
    RULE: {"eventPattern": '{"a":[1]}'},
    TARGET: {"rule": "r", "arn": "arn"},
    ALARM: {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 1,
        "threshold": 1,
        "metricName": "m",
        "namespace": "n",
        "period": 60,
        "statistic": "Sum",
    },
    DASHBOARD: {"dashboardName": "d"},
}


def _refused(token: str, **inputs: Any) -> list[str]:
    return list(refusals(token, {**REQUIRED.get(token, {}), **inputs}))


@pytest.mark.parametrize(("token", "path", "passes", "fails"), RULES)
def test_a_value_is_refused_exactly_where_aws_refuses_it(token: str, path: str, passes: Any, fails: Any) -> None:
    assert not [each for each in _refused(token, **{path: passes}) if each.startswith(path)]
    assert [each for each in _refused(token, **{path: fails}) if each.startswith(path)]


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"batchSize": 11}, "maximumBatchingWindowInSeconds"),
        ({"startingPosition": "LATEST"}, "startingPosition"),
        ({"bisectBatchOnFunctionError": True}, "bisectBatchOnFunctionError"),
        ({"eventSourceArn": STREAM}, "startingPosition"),
        ({"eventSourceArn": STREAM, "startingPosition": "LATEST", "scalingConfig": {}}, "scalingConfig"),
        ({"eventSourceArn": STREAM, "startingPosition": "LATEST", "batchSize": 10001}, "batchSize"),
        (
            {"eventSourceArn": STREAM, "startingPosition": "LATEST", "maximumRecordAgeInSeconds": 59},
            "maximumRecordAgeInSeconds",
        ),
        ({"eventSourceArn": "arn:aws:kinesis:eu-west-1:111122223333:stream/s"}, "eventSourceArn"),
    ],
)
def test_an_event_source_mapping_asks_what_its_source_has(inputs: dict[str, Any], path: str) -> None:
    assert _refused(MAPPING, **inputs) == [path]


def test_a_batch_above_ten_messages_passes_with_a_window() -> None:
    assert _refused(MAPPING, batchSize=10000, maximumBatchingWindowInSeconds=1) == []


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (
            {"attributes": [{"name": "id", "type": "S"}, {"name": "other", "type": "S"}]},
            "'other' is the key of neither",
        ),
        ({"rangeKey": "at"}, "'at' has no type"),
        ({"streamEnabled": True}, "needs a view type"),
        ({"streamViewType": "KEYS_ONLY"}, "no stream"),
        ({"ttl": {"enabled": True}}, "read from an attribute"),
        ({"globalSecondaryIndexes": [{"name": "index", "projectionType": "ALL"}]}, "has no hash key"),
    ],
)
def test_a_table_is_refused_whose_parts_do_not_fit(inputs: dict[str, Any], reason: str) -> None:
    said = refusals(TABLE, {**REQUIRED[TABLE], **inputs})
    assert any(reason in each for each in said.values()), said


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"statistic": None}, "statistic"),
        ({"extendedStatistic": "p99"}, "statistic"),
        ({"namespace": None}, "namespace"),
        ({"evaluationPeriods": 1441}, "evaluationPeriods"),
        ({"period": 3600, "evaluationPeriods": 169}, "evaluationPeriods"),
        ({"datapointsToAlarm": 2}, "datapointsToAlarm"),
        ({"metricQueries": [{"id": "m", "expression": "1", "returnData": True}]}, "metricName"),
    ],
)
def test_an_alarm_is_refused_whose_parts_do_not_fit(inputs: dict[str, Any], path: str) -> None:
    assert path in _refused(ALARM, **inputs)


def test_an_alarm_may_look_back_a_week_by_the_hour() -> None:
    assert _refused(ALARM, period=3600, evaluationPeriods=168) == []


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"keyUsage": "GENERATE_VERIFY_MAC"}, "keyUsage"),
        ({"customerMasterKeySpec": "HMAC_256"}, "keyUsage"),
        ({"keyUsage": "GENERATE_VERIFY_MAC", "customerMasterKeySpec": "HMAC_512"}, "customerMasterKeySpec"),
        (
            {"keyUsage": "GENERATE_VERIFY_MAC", "customerMasterKeySpec": "HMAC_256", "enableKeyRotation": True},
            "enableKeyRotation",
        ),
    ],
)
def test_an_hmac_key_is_for_codes_alone_and_does_not_rotate(inputs: dict[str, Any], path: str) -> None:
    assert list(refusals(KEY, inputs)) == [path]


def test_an_expression_needs_one_query_that_is_watched() -> None:
    queries = [{"id": "a", "expression": "1", "returnData": True}, {"id": "b", "expression": "2", "returnData": True}]
    alarm = {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "threshold": 1}
    assert "exactly one" in refusals(ALARM, {**alarm, "metricQueries": queries})["metricQueries"]
    assert refusals(ALARM, {**alarm, "metricQueries": queries[:1]}) == {}


def test_a_rule_needs_something_that_triggers_it() -> None:
    assert list(refusals(RULE, {})) == ["eventPattern"]
    assert refusals(RULE, {"scheduleExpression": "rate(5 minutes)"}) == {}
    assert list(refusals(RULE, {"scheduleExpression": "rate(1 day)", "eventBusName": "own"})) == ["scheduleExpression"]


def test_a_selector_of_a_trail_says_which_events_it_is_about() -> None:
    category = {"field": "eventCategory", "equals": ["Data"]}
    kind = {"field": "resources.type", "equals": ["AWS::S3::Object"]}
    for fields, path in (([category, kind], None), ([kind], "advancedEventSelectors[0]")):
        selectors = [{"name": "objects", "fieldSelectors": fields}]
        refused = refusals(TRAIL, {"s3BucketName": "log", "advancedEventSelectors": selectors})
        assert list(refused) == [path] * (path is not None)


def test_log_levels_are_for_the_json_format() -> None:
    function = {
        "code": Archive(hash="h", path="code"),
        "role": "arn:aws:iam::111122223333:role/r",
        "handler": "h",
        "runtime": "python3.12",
    }
    levels = {"applicationLogLevel": "INFO"}
    assert refusals(FUNCTION, {**function, "loggingConfig": {"logFormat": "JSON", **levels}}) == {}
    refused = refusals(FUNCTION, {**function, "loggingConfig": {"logFormat": "Text", **levels}})
    assert list(refused) == ["loggingConfig.applicationLogLevel"]
