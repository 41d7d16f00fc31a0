"""Replicas compared with their source, repaired and backfilled, by a deployed route's own queue and function.

The emulator has no age of a queue's messages and no IAM: that a busy queue is worked off is tested against
CloudWatch's own data in tests/unit, and the rights of whoever runs these commands are not tested at all.
"""

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from local_cloud import LocalCloud
from pipeline_common.contracts import ReplicationOutputs
from pipeline_ops.routes.backfill import Backfill, Checkpoint
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.dead_letters import DeadLetterQueue
from pipeline_ops.routes.enqueuer import Enqueuer, failed_keys, follow
from pipeline_ops.routes.route import SourceRoutes, open_sides
from pipeline_ops.routes.selection import select
from pipeline_ops.routes.switch import set_enabled
from pipeline_ops.routes.verification import Verification, repair, still_drifting, verify
from pipeline_ops.running_system import RunningSystem
from replication_core.comparing.findings import DRIFT, Verdict
from tests.integration.mirror import Mirror
from tests.polling import eventually

pytestmark = pytest.mark.engine

QUIET_SECONDS = 2.0


def silent(_: str) -> None:
    """Show nothing."""


@pytest.fixture
def replication(system: RunningSystem, mirror: Mirror) -> SourceRoutes:
    return SourceRoutes.of(mirror.storage["prod"], mirror.replication, system.cloud.client, mirror.storage.__getitem__)


@pytest.fixture
def backlog(replication: SourceRoutes) -> Backlog:
    return Backlog(replication=replication, route=replication.route("dev"), quiet_seconds=QUIET_SECONDS)


def verified(
    backlog: Backlog, report: Path, prefix: str, *, within: float = 180
) -> tuple[Verification, dict[str, tuple[str, tuple[str, ...]]]]:
    """Verify, and return the verdict of each object and item whose name begins so; of others the report keeps none.

    The items of other tests are in the same table, and some of them are there to fail.
    """
    sides = open_sides(backlog.replication, backlog.route)
    selection = select(sides.route, prefix=prefix, items=True)
    found = verify(sides, backlog, selection, report, quick=False, within=within, say=silent)
    told = [json.loads(line) for line in report.read_text().splitlines()]
    named = {line.get("key") or f"{line['id']}@{line['timestamp']}": line for line in told}
    own = {name: line for name, line in named.items() if name.startswith(prefix)}
    report.write_text("".join(json.dumps(line) + "\n" for line in own.values()))
    return found, {name: (line["verdict"], tuple(line["what"])) for name, line in own.items()}


def drift_of(own: dict[str, tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: told for name, told in own.items() if told[0] in {*DRIFT, Verdict.UNKNOWN}}


def populate(mirror: Mirror, prefix: str, count: int) -> list[str]:
    keys = [f"{prefix}{number % 3}/a b+%41 {number:03}.txt" for number in range(count)]
    for number, key in enumerate(keys):
        mirror.put(key, key.encode(), ContentType="text/x-mended", Metadata={"n": str(number)}, Tagging="class=a")
        mirror.put_item(f"{prefix}{number}", "1.5", value={"S": key}, raw={"B": bytes([number % 256])})
    return keys


def empty(mirror: Mirror, prefix: str, keys: list[str]) -> None:
    """Take the replicas out of dev, as if the route were new."""
    for number, key in enumerate(keys):
        mirror.s3.delete_object(Bucket=mirror.bucket("dev"), Key=key)
        item: Any = {"id": {"S": f"{prefix}{number}"}, "timestamp": {"N": "1.5"}}
        mirror.dynamodb.delete_item(TableName=mirror.storage["dev"].table_name, Key=item)


@contextmanager
def paused(replication: SourceRoutes) -> Iterator[None]:
    route = replication.route("dev")
    set_enabled(replication, route, enabled=False)
    try:
        yield
    finally:
        set_enabled(replication, route, enabled=True)


def left_in(folder: Path) -> int:
    """Return how many keys a backfill has noted as enqueued in this folder."""
    checkpoints = [Checkpoint.load(path) for path in folder.glob("backfill-dev-*.json")]
    return sum(each.enqueued for each in checkpoints if each is not None)


def test_drift_planted_by_hand_is_found_named_and_repaired(backlog: Backlog, mirror: Mirror, tmp_path: Path) -> None:
    prefix = "drift/"
    keys = populate(mirror, prefix, 12)
    mirror.wait_until_mirrored(*keys, targets=("dev",))
    for number in range(12):
        mirror.wait_until_item_mirrored(f"{prefix}{number}", "1.5", targets=("dev",))
    bucket, table = mirror.bucket("dev"), mirror.storage["dev"].table_name
    mirror.s3.delete_object(Bucket=bucket, Key=keys[1])
    mirror.s3.put_object(Bucket=bucket, Key=keys[2], Body=b"edited by hand")
    mirror.s3.put_object_tagging(Bucket=bucket, Key=keys[3], Tagging={"TagSet": [{"Key": "class", "Value": "b"}]})
    mirror.s3.put_object(Bucket=bucket, Key=f"{prefix}mine", Body=b"extra")
    mirror.dynamodb.delete_item(TableName=table, Key={"id": {"S": f"{prefix}4"}, "timestamp": {"N": "1.5"}})
    mirror.dynamodb.put_item(
        TableName=table, Item={**(mirror.item("dev", f"{prefix}5", "1.5") or {}), "value": {"S": "edited"}}
    )
    mirror.dynamodb.put_item(TableName=table, Item={"id": {"S": f"{prefix}mine"}, "timestamp": {"N": "1"}})
    report = tmp_path / "found.jsonl"
    found, own = verified(backlog, report, prefix)
    assert found.worked_off
    assert {name: verdict for name, (verdict, _) in own.items()} == {
        keys[1]: "missing",
        keys[2]: "different",
        keys[3]: "different",
        f"{prefix}mine": "extra",
        f"{prefix}4@1.5": "missing",
        f"{prefix}5@1.5": "different",
        f"{prefix}mine@1": "extra",
    }
    assert own[keys[3]][1] == ("tag 'class'",)
    assert own[f"{prefix}5@1.5"][1] == ("attribute 'value'",)
    enqueuer = Enqueuer(backlog=backlog, reason="repair of a test", rate=500)
    assert repair(enqueuer, report, silent) == len(own)
    follow(backlog, len(own), silent)
    assert still_drifting(open_sides(backlog.replication, backlog.route), found) == 0
    for key in (*keys, f"{prefix}mine"):
        assert mirror.object("dev", key) == mirror.object("prod", key)
    assert mirror.item_is_mirrored("dev", f"{prefix}5", "1.5")
    assert mirror.item("dev", f"{prefix}mine", "1") is None
    assert drift_of(verified(backlog, report, prefix)[1]) == {}


@pytest.mark.needs("pausing")
def test_what_waits_for_a_paused_route_is_in_flight_and_no_drift(
    replication: SourceRoutes, backlog: Backlog, mirror: Mirror, tmp_path: Path
) -> None:
    report = tmp_path / "found.jsonl"
    with paused(replication):
        keys = populate(mirror, "lag/", 6)
        mirror.wait_until_mirrored(*keys, targets=("staging",))
        eventually(lambda: backlog.depth().waiting >= 12, what="twelve changes that wait for dev")
        found, own = verified(backlog, report, "lag/", within=1)
        assert not found.worked_off
        assert len(own) == 12
        assert {verdict for verdict, _ in own.values()} == {Verdict.IN_FLIGHT.value}
        assert found.tally.drift() == 0
    assert drift_of(verified(backlog, report, "lag/")[1]) == {}


def test_a_backfill_of_what_is_there_goes_together_with_a_writer_of_the_same_keys(
    system: RunningSystem, replication: SourceRoutes, backlog: Backlog, mirror: Mirror, tmp_path: Path
) -> None:
    prefix = "backfill/"
    keys = populate(mirror, prefix, 60)
    assert backlog.worked_off(verified(backlog, tmp_path / "before.jsonl", prefix)[0].ended)
    empty(mirror, prefix, keys)
    over, rounds = threading.Event(), 0

    def write() -> None:
        nonlocal rounds
        while not over.is_set():
            for number in range(0, 60, 7):
                mirror.put(keys[number], f"{rounds} of {number}".encode(), Metadata={"round": str(rounds)})
                mirror.put_item(f"{prefix}{number}", "1.5", value={"N": str(rounds)})
            mirror.s3.delete_object(Bucket=mirror.bucket(), Key=keys[3])
            rounds += 1

    sides = open_sides(replication, backlog.route)
    work = Backfill.open(sides, select(sides.route, prefix=prefix, items=True), None, tmp_path)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        *_, enqueued = work.enqueue(Enqueuer(backlog=backlog, reason=work.reason, rate=100))
    finally:
        over.set()
        writer.join()
    assert enqueued >= 119
    assert rounds > 0
    follow(backlog, enqueued, silent)
    queue = DeadLetterQueue.of(mirror.storage["prod"], None, mirror.replication, system.cloud.client)
    failures = failed_keys(queue, backlog.route, work.reason)
    assert [one for one in failures.keys if one.key.startswith(prefix)] == [], "others are there to fail"
    assert drift_of(verified(backlog, tmp_path / "after.jsonl", prefix)[1]) == {}
    assert mirror.object("dev", keys[3]) is None
    assert mirror.object("dev", keys[7]) == mirror.object("prod", keys[7])


def test_a_killed_backfill_goes_on_where_it_was(
    system: RunningSystem, replication: SourceRoutes, backlog: Backlog, mirror: Mirror, tmp_path: Path
) -> None:
    prefix = "killed/"
    keys = populate(mirror, prefix, 45)
    assert backlog.worked_off(verified(backlog, tmp_path / "before.jsonl", prefix)[0].ended)
    empty(mirror, prefix, keys)
    told = {
        "endpoint": system.cloud.endpoint,
        "key": dataclasses.astuple(system.cloud.credentials),
        "storage": system.outputs["storage/prod"],
        "replication": system.outputs["replication/prod"],
        "prefix": prefix,
        "folder": str(tmp_path),
        "rate": 15,
    }
    command = [sys.executable, "-m", "tests.integration.backfill_process", json.dumps(told)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            eventually(lambda: left_in(tmp_path) > 0, what="keys on the checkpoint")
            assert process.poll() is None, "it has not ended by itself"
        finally:
            process.kill()
    sides = open_sides(replication, backlog.route)
    work = Backfill.open(sides, select(sides.route, prefix=prefix, items=True), None, tmp_path)
    assert work.resumed
    before = work.checkpoint.enqueued
    *_, enqueued = work.enqueue(Enqueuer(backlog=backlog, reason=work.reason, rate=500))
    follow(backlog, enqueued, silent)
    items = mirror.dynamodb.scan(TableName=mirror.storage["prod"].table_name, Select="COUNT")["Count"]
    assert 0 < enqueued - before < len(keys) + items, "what is left, and not all of it"
    assert drift_of(verified(backlog, tmp_path / "after.jsonl", prefix)[1]) == {}
    for key in keys:
        assert mirror.object("dev", key) == mirror.object("prod", key)


@contextmanager
def settling_within(seconds: int, system: RunningSystem) -> Iterator[None]:
    """Have the replication deployed so that a sample waits no longer for what may still arrive, and as it was after."""
    committed = LocalCloud.stack_config
    own = {"replication:lagAlarmSeconds": seconds}
    with patch.object(LocalCloud, "stack_config", lambda cloud: {**committed(cloud), **own}):
        outputs = ReplicationOutputs.parse(system.deployment.up("replication", "prod").outputs)
    try:
        assert outputs.routes["staging"].spec["settle_seconds"] == seconds
        yield
    finally:
        system.deployment.up("replication", "prod")


def test_the_deployed_function_compares_a_sample(system: RunningSystem, mirror: Mirror) -> None:
    name = mirror.replication.routes["staging"].verifier_function_name
    mirror.put("sample/one", b"one")
    mirror.put_item("sample", "1")
    # Other tests leave what never arrives: it is not waited for here.
    with settling_within(1, system):
        answer = system.cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    assert told["compared"] > 0
    assert told.keys() == {"compared", "drifted", "unmasked"}
