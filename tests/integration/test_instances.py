"""An instance of an environment beside the environment itself, in one account, by the real engine.

The emulator has one account and no quotas: that AWS lets two of everything into one account is only seen there.
"""

import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from pipeline_common.contracts import ProcessingOutputs, StorageOutputs
from pipeline_ops.errors import OperatorError
from pipeline_ops.instances_command import deployed_instances, destruction_order
from pipeline_ops.projects import StackId
from pipeline_ops.running_system import RunningSystem
from tests.polling import eventually

pytestmark = pytest.mark.engine

INSTANCE = "dev-pr1"
STACKS = (StackId("storage", INSTANCE), StackId("processing", INSTANCE))


class _InAWeek(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_InAWeek":
        later = datetime.now(tz) + timedelta(days=7)
        return cls.fromtimestamp(later.timestamp(), tz)


@pytest.fixture(scope="module")
def storage(system: RunningSystem) -> Iterator[StorageOutputs]:
    """The instance's storage; its processing is deployed too."""
    try:
        outputs = [system.deployment.up(stack.project, stack.environment).outputs for stack in STACKS]
        assert ProcessingOutputs.parse(outputs[1]).instance == StorageOutputs.parse(outputs[0]).instance
        yield StorageOutputs.parse(outputs[0])
    finally:
        for stack in STACKS[::-1]:
            system.deployment.destroy(stack.project, stack.environment)


def test_the_instance_and_its_environment_each_work_on_their_own(
    system: RunningSystem, storage: StorageOutputs
) -> None:
    plain = StorageOutputs.parse(system.outputs["storage/dev"])
    s3, dynamodb = system.cloud.client("s3"), system.cloud.client("dynamodb")

    def has(store: StorageOutputs, key: Any) -> bool:
        return "Item" in dynamodb.get_item(TableName=store.table_name, Key=key)

    for store in (storage, plain):
        record = json.dumps({"id": store.bucket_name, "timestamp": 1})
        s3.put_object(Bucket=store.bucket_name, Key="incoming/instances.jsonl", Body=record.encode())
    for store, other in ((storage, plain), (plain, storage)):
        key = {"id": {"S": store.bucket_name}, "timestamp": {"N": "1"}}
        eventually(functools.partial(has, store, key), what="the record")
        assert not has(other, key)


def test_a_deploy_on_another_day_changes_nothing(
    system: RunningSystem, storage: StorageOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    monkeypatch.setattr("pipeline_ops.deployment.datetime", _InAWeek)
    for stack in STACKS:
        result = system.deployment.up(stack.project, stack.environment)
        assert result.unchanged, result.changes
    tags = system.cloud.client("s3").get_bucket_tagging(Bucket=storage.bucket_name)["TagSet"]
    told = {tag["Key"]: tag["Value"] for tag in tags}
    assert (told["Environment"], told["Suffix"], told["CreatedAt"]) == ("dev", "pr1", today)


def test_the_instance_is_listed_with_its_stacks_and_its_age(system: RunningSystem, storage: StorageOutputs) -> None:
    (found,) = deployed_instances(system.deployment)
    assert (found.environment, set(found.stacks)) == (str(storage.instance), set(STACKS))
    assert found.made_at is not None
    assert timedelta() < datetime.now(UTC) - found.made_at < timedelta(hours=1)


def test_a_destroyed_instance_leaves_nothing_and_its_environment_alone(
    system: RunningSystem, storage: StorageOutputs
) -> None:
    with pytest.raises(OperatorError, match=f"processing/{INSTANCE} still reads from storage/{INSTANCE}"):
        system.deployment.destroy("storage", INSTANCE)
    for stack in destruction_order(STACKS):
        system.deployment.destroy(stack.project, stack.environment)
    assert deployed_instances(system.deployment) == []
    buckets = [bucket["Name"] for bucket in system.cloud.client("s3").list_buckets()["Buckets"]]
    assert not [name for name in buckets if INSTANCE in name]
    assert StorageOutputs.parse(system.outputs["storage/dev"]).bucket_name in buckets
    assert storage.bucket_name not in buckets
    assert system.deployment.preview("storage", "dev").unchanged
