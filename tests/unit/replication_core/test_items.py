"""Replicas of items in moto: exact values, few calls, and one bad item among good ones."""

import re
import threading
from typing import Any

import pytest

from replication_core.datasets import ITEMS, Dataset
from replication_core.items.states import ItemState
from replication_core.reconcile import Action
from tests.made_datasets import TABLES, numbered
from tests.unit.replication_core.cloud import Cloud, refusal, unprocessed

MOTO_ITEM_BYTES = 405_000
"""moto's own limit; DynamoDB's is 400 KB."""

EXACT: dict[str, Any] = {
    "digits": {"N": "12345678901234567890123456789012345678"},
    "fraction": {"N": "-0.00000000000000000000000000000000000001"},
    "binary": {"B": bytes(range(256))},
    "empty text": {"S": ""},
    "empty binary": {"B": b""},
    "texts": {"SS": ["ä", "b", "日本"]},
    "numbers": {"NS": ["3", "1", "2.5"]},
    "binaries": {"BS": [b"\x00", b"\xff"]},
    "list": {"L": [{"S": "a"}, {"NULL": True}, {"BOOL": False}, {"M": {"deep": {"L": []}}}]},
    "map": {"M": {"k.with.dots": {"S": "v"}, "ä b": {"N": "1"}}},
}


@pytest.fixture(params=TABLES, ids=lambda dataset: dataset.name)
def table(request: pytest.FixtureRequest, cloud: Cloud) -> Dataset:
    """A table of the route, with keys of each shape."""
    dataset: Dataset = request.param
    if dataset != ITEMS:
        cloud.add(dataset)
    return dataset


def test_every_type_is_kept_exactly(cloud: Cloud, table: Dataset) -> None:
    key = numbered(table, 1700)
    cloud.put_record(key, **EXACT)
    (outcome,) = cloud.replicator().reconcile([key]).values()
    assert outcome.action is Action.COPIED
    assert cloud.replica_record(key) == cloud.source_record(key)


def test_a_replica_says_where_it_is_and_where_it_came_from(cloud: Cloud) -> None:
    cloud.put_item("one", environment={"S": "prod"}, replicatedFrom={"S": "somewhere"})
    cloud.replicator().reconcile([ITEMS.record("one", "1")])
    item = cloud.item(cloud.settings.target_table, "one")
    assert item["environment"] == {"S": "dev"}
    assert item["replicatedFrom"] == {"S": "prod"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", item["replicationTimestamp"]["S"])


def test_a_removed_item_is_removed_and_its_neighbour_stays(cloud: Cloud, table: Dataset) -> None:
    keys = [numbered(table, number) for number in (1, 2)]
    for key in keys:
        cloud.put_record(key)
    replicator = cloud.replicator()
    replicator.reconcile(keys)
    cloud.remove_record(keys[0])
    outcomes = replicator.reconcile(keys)
    assert [outcomes[key].action for key in keys] == [Action.DELETED, Action.COPIED]
    assert cloud.replica_record(keys[0]) is None
    assert cloud.replica_record(keys[1]) == cloud.source_record(keys[1])


def test_a_hundred_items_cost_six_calls(cloud: Cloud, table: Dataset) -> None:
    keys = [numbered(table, number) for number in range(100)]
    for key in keys[:90]:
        cloud.put_record(key)
    with cloud.recording() as calls:
        outcomes = cloud.replicator().reconcile([*keys, *keys])
    assert calls.count("dynamodb.BatchGetItem") == 2
    assert calls.count("dynamodb.BatchWriteItem") == 4
    assert len(calls) == 6
    assert sum(outcome.action is Action.COPIED for outcome in outcomes.values()) == 90
    assert sum(outcome.action is Action.DELETED for outcome in outcomes.values()) == 10


def test_the_calls_that_write_a_hundred_items_are_made_at_the_same_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [numbered(ITEMS, number) for number in range(100)]
    for key in keys:
        cloud.put_record(key)
    client, together = cloud.clients.target_dynamodb, threading.Barrier(4, timeout=10)
    write = client.batch_write_item

    def wait_for_the_others(**call: Any) -> Any:
        together.wait()
        return write(**call)

    monkeypatch.setattr(client, "batch_write_item", wait_for_the_others)
    outcomes = cloud.replicator().reconcile(keys)
    assert all(outcome.action is Action.COPIED for outcome in outcomes.values())


def test_reads_are_consistent(cloud: Cloud) -> None:
    cloud.replicator().reconcile([ITEMS.record("one", "1")])
    reads = [
        request.body
        for operation, request in zip(cloud.calls, cloud.requests, strict=True)
        if operation == "dynamodb.BatchGetItem"
    ]
    assert len(reads) == 2
    assert all(b'"ConsistentRead": true' in bytes(body) for body in reads)


def test_an_item_that_overflows_with_what_is_added_fails_alone_and_for_good(cloud: Cloud) -> None:
    keys = [ITEMS.record(str(number), "1") for number in range(25)]
    for key in keys:
        cloud.put_item(key.values[0])
    cloud.put_item("7", big={"S": "x" * (MOTO_ITEM_BYTES - 50)})
    outcomes = cloud.replicator().reconcile(keys)
    failed = {key: outcome.error for key, outcome in outcomes.items() if outcome.action is Action.FAILED}
    assert set(failed) == {ITEMS.record("7", "1")}
    (error,) = failed.values()
    assert error is not None
    assert error.permanent
    assert error.kind == "ValidationException"
    assert all(cloud.replica_item(key.values[0]) for key in keys if key.values[0] != "7")
    assert cloud.replica_item("7") is None


@pytest.mark.parametrize("operation", ["dynamodb.BatchGetItem", "dynamodb.BatchWriteItem"])
def test_keys_left_unprocessed_once_are_tried_again_at_once(cloud: Cloud, table: Dataset, operation: str) -> None:
    key = numbered(table, 1)
    cloud.put_record(key)
    left = [unprocessed, unprocessed]
    cloud.fault_for = lambda called: left.pop() if called == operation and left else None
    (outcome,) = cloud.replicator().reconcile([key]).values()
    assert outcome.action is Action.COPIED
    assert not left


@pytest.mark.parametrize("operation", ["dynamodb.BatchGetItem", "dynamodb.BatchWriteItem"])
def test_keys_left_unprocessed_time_after_time_go_back_to_the_queue(cloud: Cloud, operation: str) -> None:
    cloud.put_item("one")
    cloud.fault_for = lambda called: unprocessed if called == operation else None
    (outcome,) = cloud.replicator().reconcile([ITEMS.record("one", "1")]).values()
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == ("Unprocessed", False)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ProvisionedThroughputExceededException", 400),
        ("ThrottlingException", 400),
        ("RequestLimitExceeded", 400),
        ("InternalServerError", 500),
        ("ResourceNotFoundException", 400),
        ("AccessDeniedException", 400),
    ],
)
def test_what_may_pass_is_retryable(cloud: Cloud, code: str, status: int) -> None:
    cloud.put_item("one")
    cloud.fault_for = lambda operation: refusal(code, status) if operation == "dynamodb.BatchWriteItem" else None
    (outcome,) = cloud.replicator().reconcile([ITEMS.record("one", "1")]).values()
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == (code, False)


def test_an_item_changed_after_it_was_read_is_written_again(cloud: Cloud) -> None:
    cloud.put_item("one", n={"N": "1"})
    changed: list[str] = []

    def change(operation: str) -> None:
        if operation == "dynamodb.BatchWriteItem" and not changed:
            changed.append(operation)
            cloud.put_item("one", n={"N": "2"})

    cloud.fault_for = change
    (outcome,) = cloud.replicator().reconcile([ITEMS.record("one", "1")]).values()
    assert (outcome.action, outcome.rereads) == (Action.COPIED, 1)
    assert cloud.replica_item("one") == cloud.source_item("one")


def test_sets_are_equal_in_any_order_and_lists_are_not() -> None:
    nested = {"M": {"s": {"SS": ["a", "b"]}, "l": {"L": [{"NS": ["1", "2"]}]}}}
    turned = {"M": {"s": {"SS": ["b", "a"]}, "l": {"L": [{"NS": ["2", "1"]}]}}}
    assert ItemState({"x": nested}) == ItemState({"x": turned})
    assert ItemState({"x": {"L": [{"S": "a"}, {"S": "b"}]}}) != ItemState({"x": {"L": [{"S": "b"}, {"S": "a"}]}})
    assert ItemState({"x": {"SS": ["a"]}}) != ItemState({"x": {"SS": ["a", "b"]}})
    named_like_a_type = ItemState({"SS": {"L": [{"S": "b"}, {"S": "a"}]}})
    assert named_like_a_type != ItemState({"SS": {"L": [{"S": "a"}, {"S": "b"}]}})


def test_a_map_entry_named_like_a_set_keeps_the_order_of_its_list() -> None:
    assert ItemState({"m": {"M": {"SS": {"L": [{"N": "2"}, {"N": "1"}]}}}}) != ItemState(
        {"m": {"M": {"SS": {"L": [{"N": "1"}, {"N": "2"}]}}}}
    )
