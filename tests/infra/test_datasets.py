"""The datasets that an environment's storage declares: those there are by default, more of them, and adopted ones."""

import re
from typing import Any

import pytest
import yaml

from pipeline_common.contracts import StorageOutputs
from pipeline_common.infra.stack_config import StackConfigError
from tests.infra.deployed import replication, stacks_of, storage
from tests.infra.recording import ROOT, Recording, record

BUCKET, TABLE = "aws:s3/bucket:Bucket", "aws:dynamodb/table:Table"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"

DEPLOYED_SO_FAR = {
    (BUCKET, "objects"),
    ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "objects-public-access"),
    ("aws:s3/bucketOwnershipControls:BucketOwnershipControls", "objects-ownership"),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "objects-encryption",
    ),
    ("aws:s3/bucketPolicy:BucketPolicy", "objects-policy"),
    ("aws:s3/bucketNotification:BucketNotification", "objects-events"),
    (VERSIONING, "objects-versioning"),
    (LIFECYCLE, "objects-lifecycle"),
    (TABLE, "items"),
    ("aws:kms/key:Key", "topic-key"),
    ("aws:sns/topic:Topic", "success"),
    ("aws:sns/topic:Topic", "failure"),
    ("aws:sns/topicPolicy:TopicPolicy", "success-policy"),
    ("aws:sns/topicPolicy:TopicPolicy", "failure-policy"),
    ("aws:sqs/queue:Queue", "dead-letters"),
    ("aws:sqs/queuePolicy:QueuePolicy", "dead-letters-policy"),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", "dead-letters"),
}
"""What stacks that are up were made of: under another name or parent, the engine would replace it with its data."""


def test_a_stack_that_is_up_sees_nothing_of_its_own_replaced() -> None:
    made = storage("prod").resources()
    assert {(one.type, one.name) for one in made} == DEPLOYED_SO_FAR
    assert {one.parent for one in made} == {
        "urn:pulumi:prod::storage::pipeline:storage:EnvironmentStore::store",
    }


def key(name: str, type_: str) -> dict[str, str]:
    return {"name": name, "type": type_}


ARCHIVE = {"kind": "bucket"}
ORDERS = {"kind": "table", "partitionKey": key("pk", "S"), "sortKey": key("sk", "S")}
USERS = {"kind": "table", "partitionKey": key("id", "S")}
READINGS = {"kind": "table", "partitionKey": key("sensor", "B"), "sortKey": key("at", "N")}
MORE: dict[str, Any] = {"archive": ARCHIVE, "orders": ORDERS, "users": USERS, "readings": READINGS}


def declare(datasets: Any, stack: str = "dev", others: Any = None, **config: Any) -> Recording:
    settings = {f"storage:{name}": value for name, value in config.items()}
    return record("storage", stack, {"storage:datasets": datasets, **settings}, others=others)


def refusal(datasets: Any, stack: str = "dev", others: Any = None, **config: Any) -> str:
    with pytest.raises(StackConfigError) as caught:
        declare(datasets, stack, others, **config)
    (line,) = str(caught.value).splitlines()
    file, _, said = line.partition(": ")
    assert file == f"projects/storage/Pulumi.{stack.partition('-')[0]}.yaml"
    return said


def test_more_buckets_and_tables_of_every_key_are_made_and_told() -> None:
    store = declare(MORE)
    assert [one.name for one in store.of(BUCKET)] == ["archive"]
    tables = {one.name: one.inputs for one in store.of(TABLE)}
    assert {name: (table["hashKey"], table.get("rangeKey")) for name, table in tables.items()} == {
        "orders": ("pk", "sk"),
        "users": ("id", None),
        "readings": ("sensor", "at"),
    }
    assert tables["readings"]["attributes"] == [key("sensor", "B"), key("at", "N")]
    assert all(table["streamViewType"] == "KEYS_ONLY" for table in tables.values())
    contract = StorageOutputs.parse(store.outputs)
    assert str(contract.datasets["readings"].dataset.record("YQ==", "1.50")) == "readings sensor=YQ== at=1.5"
    assert {name: each.name for name, each in contract.datasets.items()} == {
        one.name: one.physical for one in (*store.of(BUCKET), *store.of(TABLE))
    }
    assert contract.datasets["users"].stream_arn.startswith(f"{contract.datasets['users'].arn}/stream/")


def test_storage_without_the_default_datasets_has_empty_outputs_for_them() -> None:
    outputs = declare(MORE).outputs
    assert {outputs[name] for name in ("bucket_name", "bucket_arn", "table_name", "table_arn")} == {""}


def test_a_dataset_has_the_environments_settings_but_those_that_it_gives_itself() -> None:
    own = {"versioning": False, "retentionDays": 3650, "deletionProtection": False, "forceDestroy": True}
    orders = {**ORDERS, "pointInTimeRecovery": False}
    store = declare({"objects": ARCHIVE, "scratch": {**ARCHIVE, **own}, "orders": orders, "users": USERS}, "prod")
    assert [one.name for one in store.of(VERSIONING)] == ["objects-versioning"]
    days = {one.name: one.inputs["rules"][0]["expiration"]["days"] for one in store.of(LIFECYCLE)}
    assert days == {"objects-lifecycle": 30, "scratch-lifecycle": 3650}
    assert {one.name: (one.protect, one.inputs["forceDestroy"]) for one in store.of(BUCKET)} == {
        "objects": (True, False),
        "scratch": (False, True),
    }
    assert {one.name: one.inputs["pointInTimeRecovery"]["enabled"] for one in store.of(TABLE)} == {
        "orders": False,
        "users": True,
    }


def test_a_table_deletes_items_by_the_attribute_that_it_is_given() -> None:
    store = declare({"orders": {**ORDERS, "timeToLive": "ends"}, "users": USERS}, "dev")
    assert {one.name: one.inputs.get("ttl") for one in store.of(TABLE)} == {
        "orders": {"enabled": True, "attributeName": "ends"},
        "users": None,
    }


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({}, "storage:datasets.new.kind is missing"),
        ({"kind": "queue"}, "storage:datasets.new.kind is 'queue' (what holds the records): it should be 'bucket' or"),
        ({"kind": "table"}, "storage:datasets.new: a table has a partitionKey: add one"),
        ({**ARCHIVE, "sortKey": key("a", "S")}, "storage:datasets.new: a bucket has no sortKey: remove that."),
        ({**ARCHIVE, "timeToLive": "ends"}, "storage:datasets.new: a bucket has no timeToLive: remove that."),
        ({**USERS, "versioning": True}, "storage:datasets.new: a table has no versioning: remove that."),
        ({**USERS, "partitionKey": key("id", "M")}, "storage:datasets.new.partitionKey.type is 'M'"),
        ({**USERS, "partitionKey": key("", "S")}, "storage:datasets.new.partitionKey.name is ''"),
        ({**USERS, "sortKey": key("id", "S")}, "id is both partitionKey and sortKey: remove the sortKey or rename it"),
        (
            {**USERS, "indexes": {"by-id": {"partitionKey": key("id", "N")}}},
            "storage:datasets.new: id has two types: give it the same one everywhere.",
        ),
        ({**USERS, "indexes": {"a": {"partitionKey": key("id", "S")}}}, "storage:datasets.new.indexes.a is 'a'"),
        ({**ARCHIVE, "retentionDays": 0}, "storage:datasets.new.retentionDays is 0: it should be greater than or"),
        ({**ARCHIVE, "retention": 5}, "storage:datasets.new.retention is not a setting; did you mean retentionDays?"),
        (
            {**ARCHIVE, "existing": "some-bucket", "versioning": True, "forceDestroy": False},
            "storage:datasets.new: a bucket that is there is used as it is, without versioning and forceDestroy: "
            "remove that, or remove existing to have a bucket made.",
        ),
        (
            {**ARCHIVE, "deletionProtection": True},
            "storage:datasets.new.deletionProtection and storage:datasets.new.forceDestroy are both true",
        ),
    ],
)
def test_a_dataset_that_can_not_be_is_refused_by_its_key_and_with_the_fix(dataset: Any, said: str) -> None:
    assert said in refusal({"new": dataset})


def test_one_bucket_is_not_adopted_under_two_names() -> None:
    theirs = {**ARCHIVE, "existing": "theirs"}
    said = refusal({"one": theirs, "other": theirs})
    assert said == "storage:datasets adopts the bucket theirs under several names: keep one of them."


@pytest.mark.parametrize("existing", ["a;b", "$(x)", "ab", "arn:aws:s3:::theirs"])
def test_what_is_no_name_in_aws_is_not_looked_up(existing: str) -> None:
    assert refusal({"new": {**ARCHIVE, "existing": existing}}).startswith("storage:datasets.new.existing is ")


def test_what_the_documentation_shows_is_accepted() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text()
    made, replicated, adopted = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    datasets = {**made["storage:datasets"], **adopted}
    # An instance looks nothing up.
    assert set(StorageOutputs.parse(declare(datasets, "dev-pr1").outputs).datasets) == set(datasets)
    stacks = stacks_of(dev=made["storage:datasets"], prod=made["storage:datasets"])
    assert replication(replicated, stacks=stacks).outputs["targets"] == "dev"


@pytest.mark.parametrize("name", ["Orders", "my_orders", "1st", "n" * 25, ""])
def test_a_name_that_can_be_no_datasets_is_refused(name: str) -> None:
    said = refusal({name: ARCHIVE})
    assert said.startswith(f"storage:datasets.{name} is {name!r}")
    assert "up to 24 lower-case letters, digits and hyphens, a letter first" in said


REGION_OF = {"region": "us-east-1", "bucketRegion": "us-east-1"}
NOTIFICATION = "aws:s3/bucketNotification:BucketNotification"
THEIR_BUCKET: dict[str, Any] = {
    "aws:s3/getBucket:getBucket": {**REGION_OF, "arn": "arn:aws:s3:::theirs", "bucket": "theirs"},
    NOTIFICATION: {"bucket": "theirs", "eventbridge": True, "queues": [], "topics": [], "lambdaFunctions": []},
}
THEIR_TABLE: dict[str, Any] = {
    "aws:dynamodb/getTable:getTable": {
        "region": "us-east-1",
        "name": "their-orders",
        "arn": "arn:aws:dynamodb:us-east-1:111122223333:table/their-orders",
        "hashKey": "pk",
        "rangeKey": "sk",
        "attributes": [key("sk", "S"), key("other", "N"), key("pk", "S")],
        "streamEnabled": True,
        "streamArn": "arn:aws:dynamodb:us-east-1:111122223333:table/their-orders/stream/now",
    }
}
ADOPTED = {"archive": {**ARCHIVE, "existing": "theirs"}, "orders": {**ORDERS, "existing": "their-orders"}}


def but(others: dict[str, Any], token: str, **changed: Any) -> dict[str, Any]:
    return {**others, token: {**others[token], **changed}}


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_what_is_adopted_is_told_like_any_other_and_nothing_of_it_is_declared(stack: str) -> None:
    store = declare(ADOPTED, stack, {**THEIR_BUCKET, **THEIR_TABLE})
    assert not [one for one in store.resources() if "s3/" in one.type or "dynamodb/" in one.type]
    datasets = StorageOutputs.parse(store.outputs).datasets
    archive, orders = datasets["archive"], datasets["orders"]
    assert (archive.name, archive.arn) == ("theirs", "arn:aws:s3:::theirs")
    told = THEIR_TABLE["aws:dynamodb/getTable:getTable"]
    assert (orders.name, orders.arn, orders.stream_arn) == ("their-orders", told["arn"], told["streamArn"])
    assert orders.dataset.attribute_names == ("pk", "sk")


def test_an_instance_of_the_environment_makes_its_own_instead_of_what_is_adopted() -> None:
    store = declare(ADOPTED, "dev-pr1")
    assert [one.name for one in (*store.of(BUCKET), *store.of(TABLE))] == ["archive", "orders"]
    protected = {"archive": {**ARCHIVE, "deletionProtection": True, "forceDestroy": False}}
    (bucket,) = declare(protected, "dev-pr1").of(BUCKET)
    assert (bucket.protect, bucket.inputs["forceDestroy"]) == (False, True)


PUT = (
    "aws s3api put-bucket-notification-configuration --bucket theirs "
    "--notification-configuration '{\"EventBridgeConfiguration\": {}}'`"
)
QUEUE = {"queueArn": "arn:aws:sqs:us-east-1:111122223333:q", "events": ["s3:ObjectCreated:*"]}


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({}, "which can't be looked up: name one that is there and may be read"),
        (but(THEIR_BUCKET, NOTIFICATION, eventbridge=False), f"have it do so by `{PUT}."),
        (
            but(THEIR_BUCKET, NOTIFICATION, eventbridge=False, queues=[QUEUE]),
            f"`{PUT}, with what it notifies today in the same document, since that replaces it.",
        ),
        (
            but(THEIR_BUCKET, "aws:s3/getBucket:getBucket", bucketRegion="eu-west-1"),
            "which is in eu-west-1, whose events us-east-1 never sees: name one in this region.",
        ),
    ],
)
def test_a_bucket_whose_changes_would_not_be_noticed_is_not_adopted(others: dict[str, Any], said: str) -> None:
    refused = refusal({"archive": ADOPTED["archive"]}, others=others)
    assert refused.startswith("storage:datasets.archive.existing names the bucket theirs, which ")
    assert said in refused


GET_TABLE = "aws:dynamodb/getTable:getTable"


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({}, "which can't be looked up: name one that is there and may be read"),
        (
            but(THEIR_TABLE, GET_TABLE, streamEnabled=False),
            "has no stream: turn one on by `aws dynamodb update-table --region us-east-1 --table-name their-orders "
            "--stream-specification StreamEnabled=true,StreamViewType=KEYS_ONLY`.",
        ),
        (
            but(THEIR_TABLE, GET_TABLE, rangeKey=""),
            "has another key than is declared: write `partitionKey: {name: pk, type: S}`, since",
        ),
        (but(THEIR_TABLE, GET_TABLE, hashKey="other"), "write `partitionKey: {name: other, type: N}, sortKey: {name: "),
        (but(THEIR_TABLE, GET_TABLE, attributes=[key("pk", "S"), key("sk", "B")]), "sortKey: {name: sk, type: B}`"),
    ],
)
def test_a_table_that_is_not_as_declared_is_not_adopted(others: dict[str, Any], said: str) -> None:
    refused = refusal({"orders": ADOPTED["orders"]}, others=others)
    assert refused.startswith("storage:datasets.orders.existing names the table their-orders, which ")
    assert said in refused
