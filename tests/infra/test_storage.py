"""An environment's storage, as its committed configuration makes it."""

from typing import Any

import pytest

from pipeline_common.contracts import StorageOutputs
from pipeline_common.infra.stack_config import StackConfigError
from tests.infra.deployed import ENVIRONMENTS, storage
from tests.infra.iam import allows
from tests.infra.recording import ACCOUNT, REGION, Recording, record

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
STORED = ("aws:s3/bucket:Bucket", "aws:dynamodb/table:Table", "aws:kms/key:Key")


@pytest.fixture(params=ENVIRONMENTS)
def store(request: pytest.FixtureRequest) -> Recording:
    return storage(str(request.param))


def test_the_bucket_is_private_owned_and_announces_its_changes(store: Recording) -> None:
    blocked = store.named("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "objects-public-access").inputs
    assert [name for name, value in blocked.items() if value is True] == [
        name for name in blocked if name not in {"bucket", "region"}
    ]
    assert len([value for value in blocked.values() if value is True]) == 4
    owned = store.named("aws:s3/bucketOwnershipControls:BucketOwnershipControls", "objects-ownership")
    assert owned.inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    announced = store.named("aws:s3/bucketNotification:BucketNotification", "objects-events")
    assert announced.inputs["eventbridge"] is True


def test_objects_earlier_versions_and_unfinished_uploads_all_expire(store: Recording) -> None:
    lifecycle = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    (rule,) = store.named(lifecycle, "objects-lifecycle").inputs["rules"]
    assert rule["status"] == "Enabled"
    assert rule["filter"] == {"prefix": ""}
    assert rule["expiration"]["days"] == 30
    assert rule["noncurrentVersionExpiration"]["noncurrentDays"] >= 1
    assert rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"] >= 1


def test_the_table_has_its_key_its_index_and_a_stream_of_keys_alone(store: Recording) -> None:
    table = store.named("aws:dynamodb/table:Table", "items").inputs
    assert (table["billingMode"], table["hashKey"], table["rangeKey"]) == ("PAY_PER_REQUEST", "id", "timestamp")
    assert {one["name"]: one["type"] for one in table["attributes"]} == {
        "id": "S",
        "timestamp": "N",
        "environment": "S",
    }
    (index,) = table["globalSecondaryIndexes"]
    assert (index["name"], index["projectionType"]) == ("environment-index", "ALL")
    assert [(one["attributeName"], one["keyType"]) for one in index["keySchemas"]] == [
        ("environment", "HASH"),
        ("timestamp", "RANGE"),
    ]
    assert (table["streamEnabled"], table["streamViewType"]) == (True, "KEYS_ONLY")


def test_dead_letters_are_kept_for_fourteen_days_and_taken_from_the_accounts_rules_alone(store: Recording) -> None:
    queue = store.named("aws:sqs/queue:Queue", "dead-letters").inputs
    assert queue["messageRetentionSeconds"] == 14 * 24 * 3600
    policy = store.named("aws:sqs/queuePolicy:QueuePolicy", "dead-letters-policy").document()
    arn = store.outputs["dlq_arn"]

    def taken(principal: str, account: str) -> bool:
        context = {"aws:SourceAccount": account, "aws:SecureTransport": "true"}
        return allows(policy, "sqs:SendMessage", arn, principal=principal, context=context)

    assert taken("events.amazonaws.com", ACCOUNT)
    assert not taken("events.amazonaws.com", "999999999999")
    assert not taken("sns.amazonaws.com", ACCOUNT)


def test_a_dead_letter_alarms(store: Recording) -> None:
    (alarm,) = store.of(ALARM)
    assert (alarm.inputs["metricName"], alarm.inputs["threshold"]) == ("ApproximateNumberOfMessagesVisible", 1)
    assert alarm.inputs["dimensions"] == {"QueueName": store.outputs["dlq_url"].rpartition("/")[2]}
    assert StorageOutputs.parse(store.outputs).dlq_alarm_arn == alarm.arn
    many = record("storage", "dev", {"storage:deadLettersAlarmCount": 8})
    assert [one.inputs["threshold"] for one in many.of(ALARM)] == [8]


def test_alarms_can_publish_to_the_encrypted_failure_topic_and_another_accounts_cannot(store: Recording) -> None:
    topic = store.named("aws:sns/topicPolicy:TopicPolicy", "failure-policy").document()
    key = store.named("aws:kms/key:Key", "topic-key").document()

    def may(policy: dict[str, Any], action: str, account: str) -> bool:
        context = {"aws:SourceAccount": account, "aws:SecureTransport": "true"}
        arn = store.outputs["failure_topic_arn"]
        return allows(policy, action, arn, principal="cloudwatch.amazonaws.com", context=context)

    for policy, action in ((topic, "sns:Publish"), (key, "kms:GenerateDataKey"), (key, "kms:Decrypt")):
        assert may(policy, action, ACCOUNT), action
    assert not may(topic, "sns:Publish", "999999999999")


def test_the_topics_key_is_used_through_sns_by_the_account_and_administered_by_it_alone(store: Recording) -> None:
    key = store.named("aws:kms/key:Key", "topic-key")
    policy = key.document()
    role = f"arn:aws:iam::{ACCOUNT}:role/some"
    through_sns = {"kms:CallerAccount": ACCOUNT, "kms:ViaService": f"sns.{REGION}.amazonaws.com"}
    assert allows(policy, "kms:GenerateDataKey", "the key", principal=role, context=through_sns)
    assert not allows(policy, "kms:GenerateDataKey", "the key", principal=role)
    assert not allows(
        policy, "kms:Decrypt", "the key", principal=role, context={**through_sns, "kms:CallerAccount": "999999999999"}
    )
    assert not allows(policy, "kms:PutKeyPolicy", "the key", principal=role, context=through_sns)
    assert allows(policy, "kms:PutKeyPolicy", "the key", principal=f"arn:aws:iam::{ACCOUNT}:root")
    assert key.inputs["enableKeyRotation"] is True


SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
PAGER = "https://events.example.com/integration/key"


def test_alarms_reach_who_is_named_by_mail_and_by_https() -> None:
    named = {"email": ["a@example.com", "b@example.com"], "https": [PAGER]}
    store = record("storage", "prod", {"storage:alarmSubscribers": named})
    subscriptions = store.of(SUBSCRIPTION)
    assert {one.inputs["topic"] for one in subscriptions} == {store.outputs["failure_topic_arn"]}
    assert [(one.inputs["protocol"], secret_or_text(one.inputs["endpoint"])) for one in subscriptions] == [
        ("email", "a@example.com"),
        ("email", "b@example.com"),
        ("https", f"secret {PAGER}"),
    ]
    assert PAGER not in "".join(one.name for one in subscriptions)


def secret_or_text(value: Any) -> str:
    return f"secret {value['value']}" if isinstance(value, dict) else str(value)


def test_nobody_has_to_confirm_anew_when_another_is_removed() -> None:
    both = record("storage", "dev", {"storage:alarmSubscribers": {"email": ["a@example.com", "b@example.com"]}})
    one = record("storage", "dev", {"storage:alarmSubscribers": {"email": ["b@example.com"]}})
    assert one.of(SUBSCRIPTION)[0].name == both.of(SUBSCRIPTION)[1].name


@pytest.mark.parametrize(
    ("stack", "config", "warned"),
    [
        ("prod", {}, True),
        ("prod", {"storage:alarmSubscribers": {"email": []}}, True),
        ("prod", {"storage:alarmSubscribers": {"email": ["a@example.com"]}}, False),
        ("prod", {"storage:alarmSubscribers": {"https": [PAGER]}}, False),
        ("dev", {}, False),
    ],
)
def test_protected_data_whose_alarms_reach_nobody_is_warned_of(
    stack: str, config: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    record("storage", stack, config)
    said = [one.getMessage() for one in caplog.records if "storage:alarmSubscribers names nobody" in one.getMessage()]
    assert bool(said) is warned
    assert all("projects/storage/Pulumi.prod.yaml" in one for one in said)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"email": ["oncall"]}, "storage:alarmSubscribers.email[0] is 'oncall'"),
        ({"https": ["http://events.example.com"]}, "storage:alarmSubscribers.https[0] is 'http://events.example.com'"),
        ({"https": ["https://"]}, "storage:alarmSubscribers.https[0] is 'https://'"),
        ({"email": "a@example.com"}, "storage:alarmSubscribers.email is 'a@example.com'"),
        ({"mail": ["a@example.com"]}, "storage:alarmSubscribers.mail is not a setting; did you mean email?"),
        ({"email": ["a@example.com"] * 2}, "1 of them stand there more than once: keep one of each"),
        (["a@example.com"], "storage:alarmSubscribers is ['a@example.com']"),
    ],
)
def test_subscribers_that_sns_can_not_have_are_refused(named: Any, said: str) -> None:
    with pytest.raises(StackConfigError) as caught:
        record("storage", "prod", {"storage:alarmSubscribers": named})
    (line,) = str(caught.value).splitlines()
    assert line.startswith("projects/storage/Pulumi.prod.yaml: ")
    assert said in line


def test_production_is_versioned_recoverable_and_protected() -> None:
    store = storage("prod")
    assert store.of("aws:s3/bucketVersioning:BucketVersioning")
    table = store.named("aws:dynamodb/table:Table", "items").inputs
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["deletionProtectionEnabled"] is True
    assert all(one.protect for type_ in STORED for one in store.of(type_))
    assert store.named("aws:s3/bucket:Bucket", "objects").inputs["forceDestroy"] is False


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_the_lower_environments_can_be_destroyed_with_what_is_in_them(environment: str) -> None:
    store = storage(environment)
    table = store.named("aws:dynamodb/table:Table", "items").inputs
    assert table["deletionProtectionEnabled"] is False
    assert not any(one.protect for one in store.resources())
    assert store.named("aws:s3/bucket:Bucket", "objects").inputs["forceDestroy"] is True


def test_versions_are_kept_in_staging_as_in_production_and_not_in_dev() -> None:
    versioned = {name: storage(name).of("aws:s3/bucketVersioning:BucketVersioning") for name in ENVIRONMENTS}
    assert {name for name, found in versioned.items() if found} == {"staging", "prod"}
    for (one,) in (found for found in versioned.values() if found):
        assert one.inputs["versioningConfiguration"] == {"status": "Enabled"}


def test_periods_are_the_configurations() -> None:
    changed = {
        "storage:retentionDays": 11,
        "storage:noncurrentRetentionDays": 12,
        "storage:incompleteUploadDays": 13,
    }
    lifecycle = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    (rule,) = record("storage", "dev", changed).named(lifecycle, "objects-lifecycle").inputs["rules"]
    assert rule["expiration"]["days"] == 11
    assert rule["noncurrentVersionExpiration"]["noncurrentDays"] == 12
    assert rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"] == 13


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"storge:retentionDays": 7}, "storge:retentionDays is not a setting; did you mean storage:retentionDays?"),
        ({"processing:memoryMb": 7}, "processing:memoryMb is not a setting; remove it"),
        ({"aws:regoin": "us-east-1"}, "aws:regoin is not a setting; did you mean region?"),
        ({"tags:owner": "me"}, "tags:owner is not a setting; remove it"),
        ({"storage:retentionDays": 2**31}, "storage:retentionDays is '2147483648'"),
        ({"storage:noncurrentRetentionDays": 2**31}, "storage:noncurrentRetentionDays is"),
        ({"storage:incompleteUploadDays": 2**31}, "storage:incompleteUploadDays is"),
    ],
)
def test_a_setting_that_nobody_reads_or_aws_refuses_is_refused_by_key_and_file(
    config: dict[str, Any], said: str
) -> None:
    with pytest.raises(StackConfigError) as caught:
        record("storage", "dev", config)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("projects/storage/Pulumi.dev.yaml: ")
    assert said in line


def test_the_outputs_are_the_contract_and_nothing_else(store: Recording) -> None:
    contract = StorageOutputs.parse(store.outputs)
    assert contract.exports() == store.outputs
    assert contract.account_id == ACCOUNT
    assert contract.region == REGION
    assert contract.datasets["items"].stream_arn.startswith(f"{contract.datasets['items'].arn}/stream/")


def test_a_preview_of_a_new_stack_registers_the_same_resources(store: Recording) -> None:
    previewed = record("storage", store.outputs["environment"], preview=True)
    assert {(one.type, one.name) for one in previewed.resources()} == {
        (one.type, one.name) for one in store.resources()
    }
