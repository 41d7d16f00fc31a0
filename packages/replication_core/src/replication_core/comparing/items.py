"""Comparison of items: both tables are scanned by segments, and asked for the keys of what has not met its counterpart.

Where a policy masks a table's keys, the target is asked for all that the source's are masked to, and what it has
besides is found by the set of those.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.batching import batches
from replication_core.comparing.differences import item_differences
from replication_core.comparing.findings import (
    OF_ANOTHER_POLICY,
    Finding,
    Looked,
    Verdict,
    absent,
    extra,
    state_digest,
    unknown,
    verdict_of,
)
from replication_core.comparing.item_pairs import ItemPair, item_pairs
from replication_core.comparing.masked_keys import MaskedKeys, place_of
from replication_core.comparing.sides import Sides
from replication_core.datasets import Dataset, RecordKey
from replication_core.desired import desired_item
from replication_core.items.dynamodb import READ_BATCH, read_items
from replication_core.items.scans import Page, Segment, scan
from replication_core.items.states import Item, ItemState, ordered
from replication_core.masking.marks import Doubt
from replication_core.masking.mask import Mask
from replication_core.masking.refusals import Unclassified
from replication_core.parallel import bounded_map, in_parallel
from replication_core.reconcile import Reading
from replication_core.replicas import REPLICATED_FROM, REPLICATED_POLICY
from replication_core.route_spec import RoutedDataset

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["compare_items", "compare_segments", "look_at_items", "look_at_replica_items", "masked_item_keys"]

_SEGMENTS = [Segment(number, 8) for number in range(8)]
_SEGMENTS_AT_ONCE = 4
"""Each holds a page, of which parsing makes several megabytes: these are enough to keep a processor busy."""

_BATCHES_AT_ONCE = 16
_MET_AT_ONCE = 1000
"""Pairs that are told of together."""

Look = Callable[[], Looked]


def compare_items(sides: Sides, routed: RoutedDataset, executor: Executor) -> Iterator[Looked]:
    """Compare all items of a dataset; yield what was found, a batch at a time, holding a few pages of each table.

    Where keys are masked, 8 bytes of each are held as well.
    """
    return compare_segments(sides, routed, executor, _SEGMENTS, masked=MaskedKeys())


def compare_segments(
    sides: Sides,
    routed: RoutedDataset,
    executor: Executor,
    segments: Sequence[Segment],
    *,
    limit: int | None = None,
    masked: MaskedKeys | None = None,
) -> Iterator[Looked]:
    """Compare these segments' items; with a limit, the first so many of each.

    Where keys are masked, what is extra is found by `masked`, which is filled meanwhile; without it the target's items
    are compared with the policy alone.
    """
    dataset, mask = routed.dataset, sides.mask()

    def pages(client: "DynamoDBClient", table: str, only: Sequence[str] = ()) -> list[Iterator[Page]]:
        return [scan(client, table, dataset, segment, only=only, limit=limit) for segment in segments]

    originals = pages(sides.source_dynamodb, routed.source)
    if mask is None or not mask.policy.masks_keys(dataset.name):
        replicas = pages(sides.target_dynamodb, routed.target)
        pairs = (item_pairs(*both, dataset) for both in zip(originals, replicas, strict=True))
        yield from _look_at_all(executor, [_looks_at_pairs(sides, routed, each, mask) for each in pairs])
        return
    yield from _look_at_all(executor, _looks(originals, lambda batch: _compare(sides, routed, batch, mask, masked)))
    if masked is not None:
        masked.sort()
    replicas = pages(sides.target_dynamodb, routed.target, _told(dataset))
    yield from _look_at_all(
        executor, _looks(replicas, lambda batch: _look_at_replicas(sides, dataset, batch, mask, masked))
    )


def _looks_at_pairs(
    sides: Sides, routed: RoutedDataset, pairs: Iterator[ItemPair], mask: Mask | None
) -> Iterator[Look]:
    """Compare those that have met, and yield what is found of them, and the looks at the others."""
    met = 0
    findings: list[Finding] = []
    originals: list[Item] = []
    replicas: list[Item] = []
    for key, original, replica in pairs:
        if original is not None and replica is not None:
            met += 1
            if finding := _of_source(sides, key, original, replica, mask):
                findings.append(finding)
        elif original is not None:
            originals.append(original)
        elif replica is not None:
            replicas.append(replica)
        if met == _MET_AT_ONCE:
            yield partial(Looked, items=met, findings=findings)
            met, findings = 0, []
        if len(originals) == READ_BATCH:
            yield partial(_compare, sides, routed, originals, mask, None)
            originals = []
        if len(replicas) == READ_BATCH:
            yield partial(_look_for_extra, sides, routed, replicas)
            replicas = []
    yield partial(Looked, items=met, findings=findings)
    yield partial(_compare, sides, routed, originals, mask, None)
    yield partial(_look_for_extra, sides, routed, replicas)


def _looks(segments: Sequence[Iterator[Page]], look: Callable[[list[Item]], Looked]) -> list[Iterator[Look]]:
    return [(partial(look, batch) for batch in _batches(pages)) for pages in segments]


def _look_at_all(executor: Executor, looks: Sequence[Iterator[Look]]) -> Iterator[Looked]:
    ready = in_parallel(looks, threads=_SEGMENTS_AT_ONCE)
    return bounded_map(executor, lambda look: look(), ready, window=_BATCHES_AT_ONCE)


def look_at_items(sides: Sides, routed: RoutedDataset, keys: Collection[RecordKey]) -> dict[RecordKey, Finding | None]:
    """Compare these items with their replicas, both read consistently now; None for one that is equal."""
    originals = _read(sides.source_dynamodb, routed.source, routed.dataset, keys)
    return _findings(sides, routed, originals, sides.mask(), None)


def look_at_replica_items(
    sides: Sides, routed: RoutedDataset, keys: Collection[RecordKey], masked: MaskedKeys | None
) -> dict[RecordKey, Finding | None]:
    """Look at the target's items of these masked keys as they are now; None for what nothing is wrong with.

    Without `masked`, the keys that the source's are masked to, nothing is known to be extra.
    """
    mask = sides.mask()
    found: dict[RecordKey, Finding | None] = {}
    replicas = _read(sides.target_dynamodb, routed.target, routed.dataset, keys, only=_told(routed.dataset))
    for key, replica in replicas.items():
        if isinstance(replica, StoreError):
            found[key] = unknown(key, replica)
        else:
            found[key] = absent(key) if replica is None else _of_replica(sides, key, replica.item, mask, masked)
    return found


def masked_item_keys(sides: Sides, routed: RoutedDataset, mask: Mask) -> MaskedKeys:
    """Return the keys that all of the source's are masked to by now. Raises StoreError."""
    masked, dataset = MaskedKeys(), routed.dataset
    segments = [
        scan(sides.source_dynamodb, routed.source, dataset, segment, only=dataset.attribute_names)
        for segment in _SEGMENTS
    ]
    for item in (item for page in in_parallel(segments, threads=len(segments)) for item in page.items):
        place_of(dataset.of_item(item), mask, masked)
    masked.sort()
    return masked


def _batches(pages: Iterator[Page]) -> Iterator[list[Item]]:
    return batches((item for page in pages for item in page.items), READ_BATCH)


def _told(dataset: Dataset) -> tuple[str, ...]:
    """Return the attributes that tell a replica and its policy."""
    return (*dataset.attribute_names, REPLICATED_FROM, REPLICATED_POLICY)


def _compare(
    sides: Sides, routed: RoutedDataset, batch: Sequence[Item], mask: Mask | None, masked: MaskedKeys | None
) -> Looked:
    originals = {routed.dataset.of_item(item): ItemState(item) for item in batch}
    found = _findings(sides, routed, originals, mask, masked).values()
    return Looked(items=len(originals), findings=[finding for finding in found if finding is not None])


def _findings(
    sides: Sides,
    routed: RoutedDataset,
    originals: Reading[RecordKey, ItemState],
    mask: Mask | None,
    masked: MaskedKeys | None,
) -> dict[RecordKey, Finding | None]:
    places = {key: place_of(key, mask, masked) for key in originals}
    replicas = _read(sides.target_dynamodb, routed.target, routed.dataset, places.values())
    return {key: _finding(sides, key, original, replicas[places[key]], mask) for key, original in originals.items()}


def _look_for_extra(sides: Sides, routed: RoutedDataset, batch: Sequence[Item]) -> Looked:
    keys = [routed.dataset.of_item(item) for item in batch]
    originals = _read(sides.source_dynamodb, routed.source, routed.dataset, keys, only=routed.dataset.attribute_names)
    findings = [
        Finding(key, Verdict.EXTRA) if original is None else unknown(key, original)
        for key, original in originals.items()
        if not isinstance(original, ItemState)
    ]
    return Looked(findings=findings)


def _look_at_replicas(
    sides: Sides, dataset: Dataset, batch: Sequence[Item], mask: Mask, masked: MaskedKeys | None
) -> Looked:
    found = (_of_replica(sides, dataset.of_item(item), item, mask, masked) for item in batch)
    return Looked(findings=[finding for finding in found if finding is not None])


def _read(
    client: "DynamoDBClient", table: str, dataset: Dataset, keys: Collection[RecordKey], *, only: Sequence[str] = ()
) -> Reading[RecordKey, ItemState]:
    try:
        return read_items(client, table, dataset, keys, only=only)
    except Exception as error:  # noqa: BLE001 - whatever is odd about a batch must not end the look at the others
        return dict.fromkeys(keys, unexpected(error))


def _finding(
    sides: Sides,
    key: RecordKey,
    original: ItemState | StoreError | None,
    replica: ItemState | StoreError | None,
    mask: Mask | None,
) -> Finding | None:
    for side in (original, replica):
        if isinstance(side, StoreError):
            return unknown(key, side)
    if isinstance(original, ItemState):
        return _of_source(sides, key, original.item, replica.item if isinstance(replica, ItemState) else None, mask)
    if not isinstance(replica, ItemState):
        return absent(key)
    return _without_source(sides, key, replica.item, mask)


def _of_source(sides: Sides, key: RecordKey, original: Item, replica: Item | None, mask: Mask | None) -> Finding | None:
    try:
        finding = _of_state(sides, key, original, replica, mask)
    except Exception as error:  # noqa: BLE001 - whatever is odd about one item must not end the look at the others
        return unknown(key, unexpected(error))
    # To tell a state takes longer than to compare it, and most are equal.
    return finding and replace(finding, source=_state(original))


def _of_state(sides: Sides, key: RecordKey, original: Item, replica: Item | None, mask: Mask | None) -> Finding | None:
    doubt = None if replica is None else _doubt(replica, mask, key.dataset)
    names = {"source": sides.route.source_environment, "target": sides.route.target}
    try:
        wanted = desired_item(original, key.dataset, **names, mask=mask)
    except Unclassified as refusal:
        # What has no mark is the target's own, which a refusal leaves there.
        is_left = replica is not None and REPLICATED_FROM in replica
        verdict = verdict_of(doubt) if doubt and is_left else Verdict.REFUSED
        return Finding(key, verdict, (refusal.message,))
    if doubt:
        return Finding(key, verdict_of(doubt), (doubt,))
    if replica is None or wanted is None:
        if replica is None and wanted is None:
            return None
        return Finding(key, Verdict.EXTRA if wanted is None else Verdict.MISSING)
    what = item_differences(wanted, replica, key.dataset)
    return Finding(key, Verdict.DIFFERENT, what) if what else None


def _of_replica(
    sides: Sides, key: RecordKey, item: Item, mask: Mask | None, masked: MaskedKeys | None
) -> Finding | None:
    """Return what is wrong with a target's item of which no key of the source is known."""
    if masked is not None and key in masked:
        return None
    found = _without_source(sides, key, item, mask, orphan=True)
    return found if masked is not None or found.verdict in OF_ANOTHER_POLICY else None


def _without_source(sides: Sides, key: RecordKey, replica: Item, mask: Mask | None, *, orphan: bool = False) -> Finding:
    source = replica.get(REPLICATED_FROM)
    # Where the route masks, another source's is no replica of its.
    own = source is None or (mask is not None and source.get("S") != sides.route.source_environment)
    return extra(key, _doubt(replica, mask, key.dataset), mask, own=own, orphan=orphan)


def _doubt(replica: Item, mask: Mask | None, dataset: Dataset) -> Doubt | None:
    return None if mask is None else mask.item_doubt(replica, dataset)


def _state(item: Item) -> str:
    return state_digest(json.dumps(ordered(dict(item)), sort_keys=True, default=lambda value: bytes(value).hex()))
