"""The replication deployed with `capture: cloudtrail`: its trail, its rule, and a recorded call on its way.

The emulator records calls, but sends no event of them to EventBridge: whether CloudTrail does, when, and in which form,
is only seen on AWS. The rule's pattern is matched by the emulator's own matcher, against records that were published.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

import local_cloud
from local_cloud import LocalCloud
from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_ops.deployment import Deployment
from pipeline_ops.projects import Projects
from pipeline_ops.running_system import RunningSystem
from tests.integration.mirror import Mirror
from tests.integration.repositories import unmasked_repository
from tests.unit.replication_core.trail_events import recorded, trail_event

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

REPLICATION = ("replication", "prod")
STORAGE = [("storage", environment) for environment in ("dev", "staging", "prod")]


COMMITTED_CONFIG = LocalCloud.stack_config


@contextmanager
def captured(way: str) -> Iterator[None]:
    """Have what is deployed inside configured with this `capture`."""
    with patch.object(
        LocalCloud, "stack_config", lambda cloud: {**COMMITTED_CONFIG(cloud), "replication:capture": way}
    ):
        yield


@pytest.fixture(scope="module")
def system(engine: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    repository = unmasked_repository(tmp_path_factory.mktemp("repository"))
    with (
        local_cloud.start(on_progress=print, region=Projects(repository).region) as cloud,
        Deployment(repository, cloud) as deployment,
    ):
        outputs = {"/".join(stack): deployment.up(*stack).outputs for stack in STORAGE}
        with captured("cloudtrail"):
            outputs["/".join(REPLICATION)] = deployment.up(*REPLICATION).outputs
            yield RunningSystem(cloud, deployment, outputs)


@pytest.fixture
def source(system: RunningSystem) -> StorageOutputs:
    return StorageOutputs.parse(system.outputs["storage/prod"])


def test_a_second_deploy_and_a_refresh_change_nothing(system: RunningSystem) -> None:
    assert system.deployment.up(*REPLICATION).unchanged
    assert system.deployment.refresh(*REPLICATION).unchanged


def test_the_trail_records_the_sources_writes(system: RunningSystem, source: StorageOutputs) -> None:
    cloudtrail = system.cloud.client("cloudtrail")
    assert cloudtrail.get_trail_status(Name="replication-prod")["IsLogging"] is True
    selectors = cloudtrail.get_event_selectors(TrailName="replication-prod")["AdvancedEventSelectors"]
    arns = [
        field.get("Equals", field.get("StartsWith"))
        for selector in selectors
        for field in selector["FieldSelectors"]
        if field["Field"] == "resources.ARN"
    ]
    assert sorted(arns) == sorted([[f"{source.datasets['objects'].arn}/"], [source.datasets["items"].arn]])


def logs_of_trails(system: RunningSystem) -> list[str]:
    buckets = system.cloud.client("s3").list_buckets()["Buckets"]
    return [bucket["Name"] for bucket in buckets if "trail-log" in bucket["Name"]]


# The rule's pattern


def of_the_source(call: dict[str, Any], source: StorageOutputs) -> dict[str, Any]:
    """Return a published record as if it was of the source's bucket or table."""
    text = json.dumps(call).replace("the-source", source.bucket_name)
    text = text.replace("arn:aws:dynamodb:us-west-2:111122223333:table/Music", source.datasets["items"].arn)
    renamed: dict[str, Any] = json.loads(text.replace('"Music"', json.dumps(source.table_name)))
    return renamed


def is_matched(system: RunningSystem, event: dict[str, Any]) -> bool:
    events = system.cloud.client("events")
    rule = ReplicationOutputs.parse(system.outputs["replication/prod"]).routes["dev"].rule_name
    pattern = events.describe_rule(Name=rule)["EventPattern"]
    return bool(events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"])


OBJECT_CALLS = ["s3-PutObject", "s3-CopyObject", "s3-DeleteObject", "s3-DeleteObjects"]
ITEM_CALLS = [
    "dynamodb-PutItem",
    "dynamodb-TransactWriteItems",
    "dynamodb-ExecuteStatement",
    "dynamodb-BatchExecuteStatement",
]


@pytest.mark.parametrize("name", [*OBJECT_CALLS, *ITEM_CALLS])
def test_a_published_record_of_a_write_is_matched(system: RunningSystem, source: StorageOutputs, name: str) -> None:
    assert is_matched(system, trail_event(of_the_source(recorded(name), source)))


@pytest.mark.parametrize(
    ("like", "name"),
    [
        *(("s3-PutObject", call) for call in ("CompleteMultipartUpload", "PutObjectTagging", "DeleteObjectTagging")),
        *(("s3-PutObject", call) for call in ("PutObjectAcl", "PostObject")),
        *(("dynamodb-PutItem", call) for call in ("UpdateItem", "DeleteItem", "BatchWriteItem", "ExecuteTransaction")),
    ],
)
def test_a_write_of_another_name_is_matched(
    system: RunningSystem, source: StorageOutputs, like: str, name: str
) -> None:
    assert is_matched(system, trail_event({**of_the_source(recorded(like), source), "eventName": name}))


def test_a_transaction_is_matched_whichever_of_its_tables_is_the_sources(
    system: RunningSystem, source: StorageOutputs
) -> None:
    call = of_the_source(recorded("dynamodb-TransactWriteItems"), source)
    other = {"type": "AWS::DynamoDB::Table", "ARN": f"{source.datasets['items'].arn}-other"}
    assert is_matched(system, trail_event({**call, "resources": [other, *call["resources"]]}))
    assert not is_matched(system, trail_event({**call, "resources": [other]}))


def test_nothing_that_is_nearly_a_write_of_the_source_is_matched(system: RunningSystem, source: StorageOutputs) -> None:
    put, item = (of_the_source(recorded(name), source) for name in ("s3-PutObject", "dynamodb-PutItem"))
    (log,) = logs_of_trails(system)

    def of_bucket(name: str, call: str = "PutObject") -> dict[str, Any]:
        return {**put, "eventName": call, "requestParameters": {"bucketName": name, "key": "a"}}

    near_misses = {
        "a detail type of another spelling": trail_event(put, **{"detail-type": "AWS API Call Via CloudTrail"}),
        "S3's own event": trail_event(put, **{"detail-type": "Object Created"}),
        "another bucket": trail_event(of_bucket("another")),
        "a bucket whose name begins alike": trail_event(of_bucket(f"{source.bucket_name}-2")),
        "the trail's own log": trail_event(of_bucket(log)),
        "a deletion in the trail's own log": trail_event(of_bucket(log, "DeleteObject")),
        "another table": trail_event(recorded("dynamodb-PutItem")),
        "a read of an object": trail_event({**put, "eventName": "GetObject"}),
        "a part that is no object yet": trail_event({**put, "eventName": "UploadPart"}),
        "a restore that begins": trail_event({**put, "eventName": "RestoreObject"}),
        "a read of an item": trail_event({**item, "eventName": "GetItem"}),
        "a read of the table's stream": trail_event(of_the_source(recorded("dynamodb-GetRecords"), source)),
        "a call that failed": trail_event(of_the_source(recorded("dynamodb-UpdateItem-failed"), source)),
        "a put that was denied": trail_event({**put, "errorCode": "AccessDenied"}),
        "a call of another table with the bucket's name": trail_event(
            {**recorded("dynamodb-PutItem"), "requestParameters": {"bucketName": source.bucket_name, "key": "a"}}
        ),
        "a put into another bucket with the table's ARN": trail_event(
            {**of_bucket("another"), "resources": item["resources"]}
        ),
        "a call of another service": trail_event({**put, "eventSource": "lambda.amazonaws.com"}),
    }
    assert [what for what, event in near_misses.items() if is_matched(system, event)] == []


# On its way


def test_a_recorded_call_in_a_routes_queue_is_replicated(system: RunningSystem, source: StorageOutputs) -> None:
    mirror = Mirror(system.cloud, system.outputs)
    mirror.put("recorded/a b+c.txt", b"recorded")
    mirror.put_item("recorded", "1700000001", value={"N": "1"})
    put, item = (of_the_source(recorded(name), source) for name in ("s3-PutObject", "dynamodb-PutItem"))
    put["requestParameters"]["key"] = "recorded/a b+c.txt"
    item["requestParameters"]["key"] = {"id": "recorded", "timestamp": "1700000001"}
    for call in (put, item):
        mirror.send_notice("dev", trail_event(call))
    mirror.wait_until_mirrored("recorded/a b+c.txt", targets=("dev",))
    mirror.wait_until_item_mirrored("recorded", "1700000001", targets=("dev",))


def test_the_capture_is_changed_by_a_deploy_and_leaves_nothing_behind(system: RunningSystem) -> None:
    with captured("native"):
        native = ReplicationOutputs.parse(system.deployment.up(*REPLICATION).outputs)
        assert native.notifier_function_name
        assert system.cloud.client("cloudtrail").list_trails()["Trails"] == []
        assert logs_of_trails(system) == []
    recorded_again = ReplicationOutputs.parse(system.deployment.up(*REPLICATION).outputs)
    assert recorded_again.notifier_function_name == ""
    assert recorded_again.routes["dev"].queue_url == native.routes["dev"].queue_url
