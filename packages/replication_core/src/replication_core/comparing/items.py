"""Comparison of items: each table is scanned by segments, and the other one asked for the same keys."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from itertools import islice
from typing import TYPE_CHECKING

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.batching import batches
from replication_core.comparing.differences import item_differences
from replication_core.comparing.findings import Finding, Looked, Verdict, absent, unknown
from replication_core.comparing.sides import Sides
from replication_core.datasets import Dataset, RecordKey
from replication_core.items.dynamodb import READ_BATCH, read_items
from replication_core.items.scans import Segment, scan
from replication_core.items.states import Item, ItemState, ordered
from replication_core.parallel import bounded_map, in_parallel
from replication_core.reconcile import Reading
from replication_core.replicas import REPLICATED_FROM
from replication_core.route_spec import RoutedDataset

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["compare_items", "compare_segments", "look_at_items"]

_SEGMENTS = 8
_BATCHES_AT_ONCE = 16


def compare_items(sides: Sides, routed: RoutedDataset, executor: Executor) -> Iterator[Looked]:
    """Compare all items of a dataset; yield what was found, a batch at a time, holding a few pages of each table."""
    return compare_segments(sides, routed, executor, [Segment(number, _SEGMENTS) for number in range(_SEGMENTS)])


def compare_segments(
    sides: Sides, routed: RoutedDataset, executor: Executor, segments: Sequence[Segment], *, limit: int | None = None
) -> Iterator[Looked]:
    """Compare these segments' items; with a limit, the first so many of each.

    The source is scanned for what is missing or different, and the target, for keys alone, for what is extra: two
    tables' segments hold the same keys in no order that is promised.
    """
    dataset, target = routed.dataset, routed.target
    originals = [_batches(sides.source_dynamodb, routed.source, dataset, segment, limit) for segment in segments]
    replicas = [
        _batches(sides.target_dynamodb, target, dataset, segment, limit, only_keys=True) for segment in segments
    ]
    looks: list[Iterator[Callable[[], Looked]]] = [
        *(map(lambda batch: lambda: _compare(sides, routed, batch), each) for each in originals),
        *(map(lambda batch: lambda: _look_for_extra(sides, routed, batch), each) for each in replicas),
    ]
    return bounded_map(executor, lambda look: look(), in_parallel(looks, threads=len(looks)), window=_BATCHES_AT_ONCE)


def look_at_items(sides: Sides, routed: RoutedDataset, keys: Collection[RecordKey]) -> dict[RecordKey, Finding | None]:
    """Compare these items with their replicas, both read consistently now; None for one that is equal."""
    originals = _read(sides.source_dynamodb, routed.source, routed.dataset, keys)
    replicas = _read(sides.target_dynamodb, routed.target, routed.dataset, keys)
    return {key: _finding(sides, key, originals[key], replicas[key]) for key in keys}


def _batches(
    client: "DynamoDBClient",
    table: str,
    dataset: Dataset,
    segment: Segment,
    limit: int | None,
    *,
    only_keys: bool = False,
) -> Iterator[list[Item]]:
    only = dataset.attribute_names if only_keys else ()
    pages = scan(client, table, dataset, segment, only=only, limit=limit)
    yield from batches(islice((item for page in pages for item in page.items), limit), READ_BATCH)


def _compare(sides: Sides, routed: RoutedDataset, batch: Sequence[Item]) -> Looked:
    originals = {routed.dataset.of_item(item): ItemState(item) for item in batch}
    replicas = _read(sides.target_dynamodb, routed.target, routed.dataset, originals)
    found = (_finding(sides, key, original, replicas[key]) for key, original in originals.items())
    return Looked(items=len(originals), findings=[finding for finding in found if finding is not None])


def _look_for_extra(sides: Sides, routed: RoutedDataset, batch: Sequence[Item]) -> Looked:
    keys = [routed.dataset.of_item(item) for item in batch]
    originals = _read(sides.source_dynamodb, routed.source, routed.dataset, keys, only_keys=True)
    findings = [
        Finding(key, Verdict.EXTRA) if original is None else unknown(key, original)
        for key, original in originals.items()
        if not isinstance(original, ItemState)
    ]
    return Looked(findings=findings)


def _read(
    client: "DynamoDBClient", table: str, dataset: Dataset, keys: Collection[RecordKey], *, only_keys: bool = False
) -> Reading[RecordKey, ItemState]:
    try:
        return read_items(client, table, dataset, keys, only_keys=only_keys)
    except Exception as error:  # noqa: BLE001 - whatever is odd about a batch must not end the look at the others
        return dict.fromkeys(keys, unexpected(error))


def _finding(
    sides: Sides,
    key: RecordKey,
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
        original.item, replica.item, key.dataset, source=sides.route.source_environment, target=sides.route.target
    )
    return Finding(key, Verdict.DIFFERENT, what, source=_state(original.item)) if what else None


def _state(item: Item) -> str:
    """Return a digest, so that a finding tells nothing of the item."""
    text = json.dumps(ordered(dict(item)), sort_keys=True, default=lambda value: bytes(value).hex())
    return hashlib.sha256(text.encode()).hexdigest()
