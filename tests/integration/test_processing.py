"""Files dropped into an environment become items, rejected records and a summary, in every environment by itself.

The emulator sends no version ids with its events, enforces no policy, and runs functions as processes without a memory
limit: what the role may do is judged in tests/infra, what a run's memory is in the benchmarks.
"""

import gzip
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from local_cloud import LocalCloud
from pipeline_ops.deployment import Deployment
from pipeline_ops.process import process_object
from pipeline_ops.routes.dead_letters import DeadLetterQueue, dead_letters
from pipeline_ops.running_system import RunningSystem
from tests.integration.environment_data import EnvironmentData
from tests.integration.mirror import Mirror
from tests.integration.repositories import ROOT
from tests.polling import eventually

pytestmark = pytest.mark.engine

STAMP = 1_700_000_000


@pytest.fixture(scope="module")
def dev(system: RunningSystem) -> EnvironmentData:
    return EnvironmentData(system.cloud, system.outputs, "dev")


@pytest.fixture(scope="module")
def prod(system: RunningSystem) -> EnvironmentData:
    return EnvironmentData(system.cloud, system.outputs, "prod")


def records(name: str, count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{name}-{number}",
            "timestamp": STAMP + number,
            "amount": number + 0.5,
            "customer": f"caf\u00e9 {number}",
        }
        for number in range(count)
    ]


def csv(rows: list[dict[str, Any]]) -> bytes:
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def json_array(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, indent=1).encode()


FORMATS: Mapping[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "csv": csv,
    "jsonl": json_lines,
    "json": json_array,
    "csv.gz": lambda rows: gzip.compress(csv(rows)),
    "jsonl.gz": lambda rows: gzip.compress(json_lines(rows)),
    "json.gz": lambda rows: gzip.compress(json_array(rows)),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_each_format_becomes_the_same_items_and_a_summary(dev: EnvironmentData, suffix: str) -> None:
    name = suffix.replace(".", "-")
    key = f"incoming/formats/{name} \u00e9+%20.{suffix}"
    rows = records(name, 30)
    dev.put(key, FORMATS[suffix](rows))
    summary = dev.summary(key)
    assert (summary["status"], summary["reason"]) == ("succeeded", None)
    assert {count: summary[count] for count in ("read", "valid", "rejected", "written")} == {
        "read": 30,
        "valid": 30,
        "rejected": 0,
        "written": 30,
    }
    assert (summary["first_timestamp"], summary["last_timestamp"]) == (str(STAMP), str(STAMP + 29))
    assert summary["environment"] == "dev"
    assert summary["version"]
    assert summary["duration_ms"] >= 0
    assert dev.item(f"{name}-29", STAMP + 29) == {
        "id": {"S": f"{name}-29"},
        "timestamp": {"N": str(STAMP + 29)},
        "environment": {"S": "dev"},
        "amount": {"N": "29.5"},
        "customer": {"S": "caf\u00e9 29"},
    }
    assert dev.rejected(key) == []


def test_bad_records_are_kept_with_line_and_reason_and_the_rest_is_processed(dev: EnvironmentData) -> None:
    key = "incoming/bad.jsonl"
    good = json_lines(records("bad", 3)).splitlines()
    lines = [
        good[0],
        b"{not json",
        b'{"timestamp": 1}',
        b'{"id": "bad-x", "timestamp": 1, "amount": "much"}',
        b'{"id": "caf\xe9", "timestamp": 1}',
        good[0],
        good[1],
        good[2],
    ]
    dev.put(key, b"\n".join(lines))
    summary = dev.summary(key)
    assert (summary["status"], summary["read"], summary["valid"], summary["rejected"]) == ("succeeded", 8, 3, 5)
    assert summary["rejected_key"] == f"rejected/{key}.jsonl"
    rejected = dev.rejected(key)
    assert [one["line"] for one in rejected] == [2, 3, 4, 5, 6]
    assert all(one["reason"] for one in rejected)
    assert not [one for one in rejected if "much" in json.dumps(one)], "a reason holds nothing of the record"
    assert dev.item("bad-2", STAMP + 2)


def test_a_truncated_file_is_a_failed_run_with_its_reason_and_what_came_before_is_kept(dev: EnvironmentData) -> None:
    key = "incoming/truncated.jsonl.gz"
    whole = gzip.compress(b"".join(json_lines([{**row, "salt": os.urandom(30).hex()}]) for row in records("cut", 200)))
    dev.put(key, whole[: len(whole) // 2])
    summary = dev.summary(key)
    assert (summary["status"], summary["reason"]) == ("failed", "the gzip stream ends too early")
    assert 0 < summary["valid"] < 200
    assert dev.item("cut-0", STAMP)
    dev.idle()
    letters = eventually(
        lambda: [one for one in dev.dead_letters() if key in json.dumps(one["event"])], what="its dead letter"
    )
    assert letters[0]["error"] == {"type": "FailedRun", "message": "the gzip stream ends too early"}
    assert letters[0]["attempts"] == 1, "what can't succeed is not tried again"


def test_what_a_lower_environments_processor_gave_up_is_listed_sent_back_to_it_and_purged(
    system: RunningSystem, dev: EnvironmentData
) -> None:
    key = "incoming/given-up.jsonl.gz"
    queue = DeadLetterQueue.of(dev.storage, dev.processing, None, system.cloud.client)

    def given_up() -> list[str]:
        with dead_letters(queue) as held:
            return [
                one.id for one in held.letters if (one.target, one.reason, one.keys) == ("dev", "FailedRun", (key,))
            ]

    dev.put(key, gzip.compress(json_lines(records("given-up", 9)))[:40])
    (before,) = eventually(given_up, what="its dead letter")
    with dead_letters(queue) as held:
        assert held.redrive([one for one in held.letters if one.id == before], who="a tester", why="to see") == 1
    (after,) = eventually(given_up, what="the dead letter of the second run")
    assert after != before, "the processor tried it again"
    with dead_letters(queue) as held:
        assert held.purge([one for one in held.letters if one.id == after]) == 1
    assert given_up() == []


def test_an_empty_file_is_a_run_without_records(dev: EnvironmentData) -> None:
    dev.put("incoming/empty.csv", b"")
    summary = dev.summary("incoming/empty.csv")
    assert (summary["status"], summary["read"], summary["first_timestamp"]) == ("succeeded", 0, None)


def test_what_the_processor_writes_and_what_is_elsewhere_never_triggers_it(dev: EnvironmentData) -> None:
    rows = json_lines(records("loop", 1))
    for key in ("elsewhere/a.jsonl", "results/dev/b.jsonl", "rejected/incoming/c.jsonl", "incomings/d.jsonl"):
        dev.put(key, rows)
    dev.put("incoming/after.jsonl", json_lines([{"id": "after", "timestamp": 1}, {"id": 5}]))
    summary = dev.summary("incoming/after.jsonl")
    assert summary["rejected"] == 1
    dev.idle()
    assert dev.item("loop-0", STAMP) is None
    assert not [key for key in ("elsewhere/a.jsonl", "results/dev/b.jsonl", "incomings/d.jsonl") if dev.summaries(key)]


def test_an_invocation_by_hand_processes_what_waits_and_answers_with_counts(dev: EnvironmentData) -> None:
    key = "incoming/by-hand/waits.csv"
    rows = records("by-hand", 20)
    dev.put(key, csv(rows))
    answer, failed = dev.invoke(b"{}")
    assert not failed, answer
    assert answer["looked_at"] >= 1
    assert answer["all_looked_at"]
    assert answer["unreadable"] == []
    # Whether this invocation or the event's processed it: it is done, and there is one summary.
    assert dev.summary(key)["valid"] == 20
    assert dev.json(answer["latest"]) is not None
    assert dev.item("by-hand-19", STAMP + 19) is not None


@pytest.mark.parametrize("payload", [b'{"key": "incoming/a.csv"}', b'{"Records": []}', b"[]", b'"x"'])
def test_an_event_of_no_known_form_is_an_error_that_names_the_forms(dev: EnvironmentData, payload: bytes) -> None:
    answer, failed = dev.invoke(payload)
    assert failed
    assert "{}, by hand" in answer["errorMessage"]  # the emulator gives the error a type of its own


def test_the_same_version_processed_again_leaves_the_same_state_and_one_summary(dev: EnvironmentData) -> None:
    key = "incoming/again.csv"
    dev.put(key, csv(records("again", 5)))
    first = dev.summary(key)
    item = dev.item("again-4", STAMP + 4)
    for _ in range(3):
        dev.tell(kind="object", key=key, reason="event")
    dev.idle()
    assert dev.summaries(key) == [first]
    assert dev.item("again-4", STAMP + 4) == item


def test_the_latest_summary_is_that_of_the_input_that_came_last(dev: EnvironmentData) -> None:
    dev.put("incoming/earlier.csv", csv(records("earlier", 1)))
    dev.summary("incoming/earlier.csv")
    dev.put("incoming/later.csv", csv(records("later", 1)))
    later = dev.summary("incoming/later.csv")

    def latest() -> dict[str, Any] | None:
        return dev.json("results/dev/latest.json")

    eventually(lambda: latest() == later, what="later.csv's summary as the latest")
    process_object(
        dev.processing,
        lambda service, *, region, config=None: getattr(dev, service),
        "incoming/earlier.csv",
        wait_seconds=300,
    )
    assert latest() == later


@pytest.mark.needs("disabled rules")
def test_a_sweep_finds_what_no_event_announced(system: RunningSystem, dev: EnvironmentData) -> None:
    events = system.cloud.client("events")
    events.disable_rule(Name=dev.processing.rule_name)
    try:
        dev.put("incoming/missed.csv", csv(records("missed", 2)))
        dev.put("incoming/missed/", b"")
    finally:
        events.enable_rule(Name=dev.processing.rule_name)
    dev.idle()
    assert dev.item("missed-0", STAMP) is None
    dev.tell(kind="sweep")
    assert dev.summary("incoming/missed.csv")["written"] == 2


def test_productions_items_and_results_reach_dev_and_staging_and_are_not_made_there_again(
    system: RunningSystem, mirror: Mirror, prod: EnvironmentData
) -> None:
    key = "incoming/orders.csv"
    prod.put(key, csv(records("orders", 20)) + b"orders-bad,not a number,1,x\n")
    summary = prod.summary(key)
    assert (summary["written"], summary["rejected"]) == (20, 1)
    for number in (0, 19):
        mirror.wait_until_item_mirrored(f"orders-{number}", str(STAMP + number))
    mirror.wait_until_mirrored(key, f"rejected/{key}.jsonl", f"results/prod/{summary['run']}.json")
    for environment in ("dev", "staging"):
        below = EnvironmentData(system.cloud, system.outputs, environment)
        below.tell(kind="sweep")
        below.idle()
        assert below.summaries(key) == [], "a replica is not processed again"
        item = below.item("orders-0", STAMP)
        assert item is not None
        assert item["replicatedFrom"] == {"S": "prod"}


def test_an_object_is_processed_by_hand_and_its_counts_are_returned(dev: EnvironmentData) -> None:
    key = "incoming/by-hand.csv"
    dev.put(key, csv(records("hand", 4)))
    dev.summary(key)
    dev.dynamodb.delete_item(
        TableName=dev.storage.table_name, Key={"id": {"S": "hand-0"}, "timestamp": {"N": str(STAMP)}}
    )
    said: list[str] = []
    run = process_object(
        dev.processing,
        lambda service, *, region, config=None: getattr(dev, service),
        key,
        on_progress=said.append,
        wait_seconds=300,
    )
    assert run.succeeded
    assert run.summary["written"] == 4
    assert dev.item("hand-0", STAMP), "processed again, since somebody asked for it"
    assert len(dev.summaries(key)) == 1
    assert run.summary["run"] in said[0]


@pytest.mark.own_cloud
def test_what_the_processor_wrote_stays_when_it_is_destroyed(empty_cloud: LocalCloud) -> None:
    with Deployment(ROOT, empty_cloud) as deployment:
        outputs = {f"{project}/dev": deployment.up(project, "dev").outputs for project in ("storage", "processing")}
        dev = EnvironmentData(empty_cloud, outputs, "dev")
        dev.put("incoming/kept.csv", csv(records("kept", 1)))
        summary = dev.summary("incoming/kept.csv")
        deployment.destroy("processing", "dev")
        assert dev.json(f"results/dev/{summary['run']}.json") == summary
        assert dev.item("kept-0", STAMP)
        assert empty_cloud.client("lambda").list_functions()["Functions"] == []
        assert deployment.up("processing", "dev").changes["create"] > 10
