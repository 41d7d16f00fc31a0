"""Items as the reconciler sees them: batches of keys, what was not processed, and the one bad item among good ones.

100 keys cost six calls: a consistent batch read, four batch writes, and the confirming batch read.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from replication_core.aws.errors import StoreError
from replication_core.batching import batches, thoroughly
from replication_core.datasets import RecordKey
from replication_core.items.batch_write import WRITE_BATCH
from replication_core.reconcile import Reading, SourceMoved, Writing

__all__ = ["READ_BATCH", "Get", "Item", "ItemCalls", "ItemState", "ItemStore", "ordered", "read_states"]

READ_BATCH = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html: keys per call."""

UNPROCESSED = StoreError("Unprocessed", "left unprocessed")
"""Of what DynamoDB leaves of a batch: called again at once, since each answer makes room.

Where calls in a row process nothing, the table is throttled, and the keys go back to their queue, whose delay is the
backoff.
"""

Item = Mapping[str, Any]
"""An item in DynamoDB's own JSON, each attribute with its type: nothing is converted on the way."""

Get = Callable[[Sequence[RecordKey]], tuple[Mapping[RecordKey, Item], Collection[RecordKey]]]
"""Reads up to READ_BATCH items; returns them, and the keys left unprocessed."""


@dataclass(frozen=True, slots=True, eq=False)
class ItemState:
    """An item, equal to another whose sets hold the same in whatever order."""

    item: Item

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ItemState):
            return NotImplemented
        return self.item == other.item or ordered(dict(self.item)) == ordered(dict(other.item))

    def __hash__(self) -> int:
        return hash(frozenset(self.item))


def ordered(value: Any) -> Any:
    """Return an attribute, or a map of them, with every set's members sorted."""
    if isinstance(value, dict):
        return {
            name: sorted(inner) if name in {"SS", "NS", "BS"} and isinstance(inner, list) else ordered(inner)
            for name, inner in value.items()
        }
    return [ordered(inner) for inner in value] if isinstance(value, list) else value


class ItemCalls(Protocol):
    """The two calls that replicas of items cost; they raise StoreError where DynamoDB refuses or fails as a whole."""

    def get(self, keys: Sequence[RecordKey]) -> tuple[Mapping[RecordKey, Item], Collection[RecordKey]]:
        """Read up to READ_BATCH items of the source consistently; return them, and the keys left unprocessed."""

    def write(self, items: Mapping[RecordKey, Item | None]) -> Collection[RecordKey]:
        """Write up to WRITE_BATCH replicas, deleting for None; return the keys left unprocessed."""


@dataclass(frozen=True, slots=True)
class ItemStore:
    """The reconciler's store of items, in batches."""

    calls: ItemCalls

    def read(self, keys: Collection[RecordKey]) -> Reading[RecordKey, ItemState]:
        """Read the source's current items, consistently."""
        return read_states(keys, self.calls.get)

    def write(self, states: Mapping[RecordKey, ItemState | None]) -> Writing[RecordKey]:
        """Write and delete replicas; an item that DynamoDB won't take fails alone."""
        answers: dict[RecordKey, int | StoreError | SourceMoved] = dict.fromkeys(states, 0)

        def put(batch: Sequence[RecordKey]) -> Mapping[RecordKey, StoreError]:
            wanted = ((key, states[key]) for key in batch)
            left = self.calls.write({key: None if state is None else state.item for key, state in wanted})
            return dict.fromkeys(left, UNPROCESSED)

        for batch in batches(states, WRITE_BATCH):
            answers.update(thoroughly(batch, put))
        return answers

    def confirm(self, states: Mapping[RecordKey, ItemState | None]) -> Reading[RecordKey, ItemState]:
        """Read the same items again."""
        return self.read(states.keys())


def read_states(keys: Collection[RecordKey], get: Get) -> Reading[RecordKey, ItemState]:
    """Read items in batches, and again what a batch left unprocessed; None for a key that has no item."""
    states: dict[RecordKey, ItemState | StoreError | None] = {}

    def get_some(batch: Sequence[RecordKey]) -> Mapping[RecordKey, StoreError]:
        found, left = get(batch)
        for key in set(batch).difference(left):
            item = found.get(key)
            states[key] = None if item is None else ItemState(item)
        return dict.fromkeys(left, UNPROCESSED)

    for batch in batches(keys, READ_BATCH):
        states.update(thoroughly(batch, get_some))
    return states
