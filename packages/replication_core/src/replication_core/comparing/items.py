"""Items compared: each table scanned by segments, and the other one asked for the same keys."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from itertools import islice
from typing import TYPE_CHECKING, Any

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.batching import batches
from replication_core.changes import ItemKey, Key
from replication_core.comparing.differences import item_differences
from replication_core.comparing.findings import Finding, Looked, Verdict, absent, unknown
from replication_core.comparing.stores import Stores
from replication_core.items.dynamodb import key_of, read_items
from replication_core.items.scans import Page, Segment, scan
from replication_core.items.states import READ_BATCH, Item, ItemState, ordered, read_states
from replication_core.parallel import in_parallel, windowed
from replication_core.reconcile import Reading
from replication_core.replicas import REPLICATED_FROM

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["compare_items", "compare_segments", "look_at_items"]

_SEGMENTS = 8
_BATCHES_AT_ONCE = 16


def compare_items(stores: Stores, executor: Executor) -> Iterator[Looked]:
    """Compare all items; yield what was found, a batch at a time, holding a few pages of each table."""
    return compare_segments(stores, executor, [Segment(number, _SEGMENTS) for number in range(_SEGMENTS)])


def compare_segments(
    stores: Stores, executor: Executor, segments: Sequence[Segment], *, limit: int | None = None
) -> Iterator[Looked]:
    """Compare these segments' items; with a limit, the first so many of each.

    The source is scanned for what is missing or different, and the target, for keys alone, for what is extra: two
    tables' segments hold the same keys in no order that is promised.
    """
    settings = stores.settings
    originals = [_batches(stores.source_dynamodb, settings.source_table, segment, limit) for segment in segments]
    replicas = [
        _batches(stores.target_dynamodb, settings.target_table, segment, limit, only_keys=True) for segment in segments
    ]
    looks: list[Iterator[Callable[[], Looked]]] = [
        *(map(lambda batch: lambda: _compare(stores, batch), each) for each in originals),
        *(map(lambda batch: lambda: _look_for_extra(stores, batch), each) for each in replicas),
    ]
    return windowed(executor, lambda look: look(), in_parallel(looks, threads=len(looks)), window=_BATCHES_AT_ONCE)


def look_at_items(stores: Stores, keys: Collection[ItemKey]) -> dict[Key, Finding | None]:
    """Compare these items with their replicas, both read consistently now; None for one that is equal."""
    originals = _read(stores.source_dynamodb, stores.settings.source_table, keys)
    replicas = _read(stores.target_dynamodb, stores.settings.target_table, keys)
    return {key: _finding(stores, key, originals[key], replicas[key]) for key in keys}


def _batches(
    client: "DynamoDBClient", table: str, segment: Segment, limit: int | None, *, only_keys: bool = False
) -> Iterator[list[Item]]:
    pages: Iterator[Page] = scan(client, table, segment, only_keys=only_keys, limit=limit)
    yield from batches(islice((item for page in pages for item in page.items), limit), READ_BATCH)


def _compare(stores: Stores, batch: Sequence[Item]) -> Looked:
    originals = {key_of(item): ItemState(item) for item in batch}
    replicas = _read(stores.target_dynamodb, stores.settings.target_table, originals)
    found = (_finding(stores, key, original, replicas[key]) for key, original in originals.items())
    return Looked(items=len(originals), findings=[finding for finding in found if finding is not None])


def _look_for_extra(stores: Stores, batch: Sequence[Item]) -> Looked:
    keys = [key_of(item) for item in batch]
    originals = _read(stores.source_dynamodb, stores.settings.source_table, keys, only_keys=True)
    found = (_absence(key, originals[key]) for key in keys)
    return Looked(findings=[finding for finding in found if finding is not None])


def _absence(key: ItemKey, original: ItemState | StoreError | None) -> Finding | None:
    if isinstance(original, StoreError):
        return unknown(key, original)
    return Finding(key, Verdict.EXTRA) if original is None else None


def _read(
    client: "DynamoDBClient", table: str, keys: Collection[ItemKey], *, only_keys: bool = False
) -> Reading[ItemKey, ItemState]:
    try:
        return read_states(keys, lambda batch: read_items(client, table, batch, only_keys=only_keys))
    except Exception as error:  # noqa: BLE001 - whatever is odd about a batch must not end the look at the others
        return dict.fromkeys(keys, unexpected(error))


def _finding(
    stores: Stores,
    key: ItemKey,
    original: ItemState | StoreError | None,
    replica: ItemState | StoreError | None,
) -> Finding | None:
    for side in (original, replica):
        if isinstance(side, StoreError):
            return unknown(key, side)
    if not isinstance(original, ItemState):
        if not isinstance(replica, ItemState):
            return absent(key)
        return Finding(key, Verdict.EXTRA, own=REPLICATED_FROM not in replica.item)
    if not isinstance(replica, ItemState):
        return Finding(key, Verdict.MISSING, source=_state(original.item))
    what = item_differences(
        original.item, replica.item, source=stores.settings.source_environment, target=stores.settings.target
    )
    return Finding(key, Verdict.DIFFERENT, what, source=_state(original.item)) if what else None


def _state(item: Item) -> str:
    """Return a digest, so that a finding tells nothing of the item."""
    text = json.dumps(ordered(dict(item)), sort_keys=True, default=_text)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any) -> str:
    return bytes(value).hex()
