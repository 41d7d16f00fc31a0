"""Items of two scans meet whatever their order, and what does not is told alone."""

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication_core.comparing import item_pairs as module
from replication_core.comparing.item_pairs import ItemPair, item_pairs
from replication_core.datasets import ITEMS
from replication_core.items.scans import Page
from replication_core.items.states import Item


def item(number: int, side: str, size: int = 0) -> Item:
    key: dict[str, Any] = {"id": {"S": f"item-{number}"}, "timestamp": {"N": "1"}}
    return {**key, "side": {"S": side}, "raw": {"B": bytes(size)}, "labels": {"SS": ["a", "b"]}}


def pages(numbers: Sequence[int], side: str, of: int = 10, size: int = 0) -> Iterator[Page]:
    for begin in range(0, len(numbers), of):
        yield Page([item(number, side, size) for number in numbers[begin : begin + of]], None)


def paired(originals: Iterator[Page], replicas: Iterator[Page]) -> dict[str, list[ItemPair]]:
    """Return the pairs by what they have, each item of which is as it was scanned."""
    found: dict[str, list[ItemPair]] = {"both": [], "original": [], "replica": []}
    for pair in item_pairs(originals, replicas, ITEMS):
        for one, side in ((pair.original, "source"), (pair.replica, "target")):
            if one is not None:
                size = len(one["raw"]["B"])
                assert one == item(int(pair.key.values[0].removeprefix("item-")), side, size)
        kind = "both" if pair.original and pair.replica else "original" if pair.original else "replica"
        found[kind].append(pair)
    return found


@settings(max_examples=100, deadline=None)
@given(
    source=st.lists(st.integers(0, 60), unique=True),
    target=st.lists(st.integers(0, 60), unique=True),
    of=st.integers(1, 12),
)
def test_whatever_two_tables_orders_are_each_item_is_told_once(source: list[int], target: list[int], of: int) -> None:
    found = paired(pages(source, "source", of), pages(target, "target"))
    assert {kind: sorted(pair.key.values[0] for pair in pairs) for kind, pairs in found.items()} == {
        kind: sorted(f"item-{number}" for number in numbers)
        for kind, numbers in {
            "both": set(source) & set(target),
            "original": set(source) - set(target),
            "replica": set(target) - set(source),
        }.items()
    }


def test_in_one_order_what_both_have_is_met_whatever_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING_BYTES", 60 * 1024)
    source = [number for number in range(3000) if number % 5 and not 1000 < number < 1050]
    target = [number for number in range(3000) if number % 3 and not 2000 < number < 2050]
    found = paired(pages(source, "source", 20), pages(target, "target", 17))
    assert {kind: len(pairs) for kind, pairs in found.items()} == {
        "both": len({*source} & {*target}),
        "original": len({*source} - {*target}),
        "replica": len({*target} - {*source}),
    }


@pytest.mark.parametrize("of_source", [True, False])
def test_of_tables_in_other_orders_no_more_is_held_than_may_wait(of_source: bool) -> None:
    numbers = list(range(2000))
    other = random.Random(1).sample(numbers, len(numbers))
    sides = (numbers, other) if of_source else (other, numbers)
    tracemalloc.start()
    alone = {"original": 0, "replica": 0}
    for pair in item_pairs(pages(sides[0], "source", size=10_000), pages(sides[1], "target", size=10_000), ITEMS):
        if pair.replica is None:
            alone["original"] += 1
        elif pair.original is None:
            alone["replica"] += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert min(alone.values()) > 1000
    assert peak < 2.5 * module._WAITING_BYTES


def test_a_side_that_has_ended_is_not_waited_for() -> None:
    read = 0

    def counted() -> Iterator[Page]:
        nonlocal read
        for page in pages(range(100), "source"):
            read += 1
            yield page

    pairs = item_pairs(counted(), pages([], "target"), ITEMS)
    first = [next(pairs) for _ in range(20)]
    assert all(pair.replica is None for pair in first)
    assert read == 2
