"""Pairs of items, of two tables that are scanned side by side, in a memory that no table's order makes grow.

DynamoDB assigns an item to a segment by a hash of its partition key, but promises no order within one:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan. Where two tables have the
same order, an item meets its counterpart within a page. The more the orders differ, the more are not met, and have to
be asked for.
"""

import marshal
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from replication_core.datasets import Dataset, RecordKey
from replication_core.items.scans import Page
from replication_core.items.states import Item

__all__ = ["ItemPair", "item_pairs"]

_WAITING_BYTES = 2 * 1024**2
"""Of the items of a side that wait for their counterparts: a thousand of a kilobyte and more, or two pages."""

_BYTES_BESIDE = 512
"""About what an item that waits takes besides its own bytes."""


class ItemPair(NamedTuple):
    """An item of each side, or of one alone that has not met the other's, if there is one."""

    key: RecordKey
    original: Item | None
    replica: Item | None


def item_pairs(originals: Iterator[Page], replicas: Iterator[Page], dataset: Dataset) -> Iterator[ItemPair]:
    """Yield each item of the pages once, with its counterpart where that is met while it waits.

    The pages of either side are read as the other one's come, so that neither is far ahead.
    """
    source, target = _Side(originals), _Side(replicas)

    def pair(side: _Side, key: RecordKey, own: Item, others: Item | None = None) -> ItemPair:
        return ItemPair(key, own, others) if side is source else ItemPair(key, others, own)

    while reading := [side for side in (source, target) if not side.has_ended]:
        side = min(reading, key=_Side.lead)
        other = target if side is source else source
        for item in side.next_page():
            key = dataset.of_item(item)
            if (met := other.take(key)) is not None:
                side.met = side.read
                yield pair(side, key, item, met)
            elif other.has_ended:
                yield pair(side, key, item)
            else:
                side.put(key, item)
        for each, others in ((source, target), (target, source)):
            while each.waiting and (others.has_ended or each.waiting_bytes > _WAITING_BYTES):
                yield pair(each, *each.take_first())


@dataclass(slots=True)
class _Side:
    """One table's pages, and the items of them that wait, as bytes: parsed, they take many times as much."""

    pages: Iterator[Page]
    waiting: OrderedDict[RecordKey, tuple[int, bytes]] = field(default_factory=OrderedDict)
    """By the order that they came in, with how many had been read when they came."""

    waiting_bytes: int = 0
    read: int = 0
    met: int = 0
    """How many had been read when the last of those came that has met its counterpart."""

    has_ended: bool = False

    def lead(self) -> tuple[int, int]:
        """Return by how many items it is ahead of the other side, and how many were read."""
        return self.read - self.met, self.read

    def next_page(self) -> Iterator[Item]:
        """Yield the next items, and hold none that was taken; none at the end."""
        page = next(self.pages, None)
        if page is None:
            self.has_ended = True
            return
        self.read += len(page.items)
        left = list(reversed(page.items))
        del page
        while left:
            yield left.pop()

    def put(self, key: RecordKey, item: Item) -> None:
        """Have an item wait."""
        if key not in self.waiting:
            whole: Any = item
            kept = marshal.dumps(whole)
            self.waiting[key] = self.read, kept
            self.waiting_bytes += len(kept) + _BYTES_BESIDE

    def take(self, key: RecordKey) -> Item | None:
        """Return the item that waits under this key, which has met its counterpart; None where none does."""
        found = self.waiting.pop(key, None)
        if found is None:
            return None
        position, kept = found
        self.met = max(self.met, position)
        return self._parsed(kept)

    def take_first(self) -> tuple[RecordKey, Item]:
        """Return the item that has waited for longest, and waits no longer."""
        key, (_, kept) = self.waiting.popitem(last=False)
        return key, self._parsed(kept)

    def _parsed(self, kept: bytes) -> Item:
        self.waiting_bytes -= len(kept) + _BYTES_BESIDE
        item: Item = marshal.loads(kept)  # noqa: S302 - these bytes were made here
        return item
