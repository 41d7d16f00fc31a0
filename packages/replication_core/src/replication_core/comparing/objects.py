"""Comparison of objects: both buckets' listings side by side, then of each pair what a listing does not tell."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.batching import batches
from replication_core.comparing.differences import object_differences
from replication_core.comparing.findings import Finding, Looked, Verdict, absent, unknown
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.objects.heads import ARCHIVE_CLASSES, Absent, is_marked, read_head, read_tags
from replication_core.objects.listings import KeyRange, Listed, key_ranges, list_objects
from replication_core.objects.states import Head, ObjectState
from replication_core.parallel import bounded_map, in_parallel
from replication_core.route_spec import RoutedDataset

__all__ = ["Pair", "compare_objects", "compare_pairs", "list_pairs", "look_at_object", "side_by_side"]

_LISTING_THREADS = 8
_CHUNK = 10
"""Pairs that one thread looks at, one after another: few, so that small buckets keep many threads busy."""

_CHUNKS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Pair:
    """A key as both listings tell of it; one of them may not."""

    key: str
    original: Listed | None
    replica: Listed | None


def side_by_side(originals: Iterator[Listed], replicas: Iterator[Listed]) -> Iterator[Pair]:
    """Merge two listings that are sorted by key, holding one entry of each."""
    original, replica = next(originals, None), next(replicas, None)
    while original is not None or replica is not None:
        key = min(each.key for each in (original, replica) if each is not None)
        own = original if original is not None and original.key == key else None
        its = replica if replica is not None and replica.key == key else None
        yield Pair(key, own, its)
        original = original if own is None else next(originals, None)
        replica = replica if its is None else next(replicas, None)


def compare_objects(
    sides: Sides, routed: RoutedDataset, executor: Executor, *, prefix: str = "", quick: bool = False
) -> Iterator[Looked]:
    """Compare a dataset's objects below a prefix and yield what was found, some keys at a time, holding no more.

    `quick` believes a listing whose size and ETag are the same on both sides: two calls per thousand keys instead of
    four per key, which tell nothing of headers, metadata and tags.
    """
    ranges = key_ranges(sides.source_s3, routed.source, prefix)
    listings = [batches(list_pairs(sides, routed, prefix, key_range), _CHUNK) for key_range in ranges]
    return bounded_map(
        executor,
        lambda pairs: compare_pairs(sides, routed, pairs, quick=quick),
        in_parallel(listings, threads=_LISTING_THREADS),
        window=_CHUNKS_AT_ONCE,
    )


def list_pairs(sides: Sides, routed: RoutedDataset, prefix: str, key_range: KeyRange) -> Iterator[Pair]:
    """List both buckets' keys of a range side by side."""
    return side_by_side(
        list_objects(sides.source_s3, routed.source, prefix, key_range),
        list_objects(sides.target_s3, routed.target, prefix, key_range),
    )


def compare_pairs(sides: Sides, routed: RoutedDataset, pairs: Sequence[Pair], *, quick: bool = False) -> Looked:
    """Compare these pairs, one after another."""
    found = (_compare(sides, routed, pair, quick) for pair in pairs)
    count = sum(pair.original is not None and routed.wants_object(pair.key) for pair in pairs)
    return Looked(objects=count, findings=[finding for finding in found if finding is not None])


def _compare(sides: Sides, routed: RoutedDataset, pair: Pair, quick: bool) -> Finding | None:
    original, replica = pair.original, pair.replica
    wanted = routed.wants_object(pair.key)
    if quick and wanted and original and replica and (original.size, original.etag) == (replica.size, replica.etag):
        return None
    key = RecordKey(routed.dataset, (pair.key,))
    if not wanted:
        return Finding(key, Verdict.OUTSIDE, ("the route's rules leave it out",)) if original else None
    if original is None:
        return Finding(key, Verdict.EXTRA)
    if replica is None and original.storage_class not in ARCHIVE_CLASSES:  # the second look reads its head
        return Finding(key, Verdict.MISSING, (), original.size, _state(original.etag, original.last_modified))
    return look_at_object(sides, routed, key)


def look_at_object(sides: Sides, routed: RoutedDataset, key: RecordKey) -> Finding | None:
    """Compare all of one object with its replica, as both are now; None where they are equal."""
    try:
        return _look(sides, routed, key)
    except StoreError as error:
        return unknown(key, error)
    except Exception as error:  # noqa: BLE001 - whatever is odd about one key must not end the look at the others
        return unknown(key, unexpected(error))


def _look(sides: Sides, routed: RoutedDataset, key: RecordKey) -> Finding | None:
    original = read_head(sides.source_s3, routed.source, key.object_key)
    replica = read_head(sides.target_s3, routed.target, key.object_key)
    if isinstance(original, Absent):
        if isinstance(replica, Absent):
            return absent(key)
        marked = is_marked(sides.target_s3, routed.target, key.object_key, replica, replica.version_id)
        return Finding(key, Verdict.EXTRA, own=not marked)
    state = _state(original.etag, datetime.fromisoformat(original.last_modified))
    if isinstance(replica, Absent):
        why = _why_outside(original)
        return Finding(key, Verdict.OUTSIDE if why else Verdict.MISSING, why, original.size, state)
    return _compare_heads(sides, routed, key, original, replica, state)


def _compare_heads(
    sides: Sides, routed: RoutedDataset, key: RecordKey, original: Head, replica: Head, state: str
) -> Finding | None:
    # Whatever the heads tell: not every S3-compatible store counts the tags there, nor S3 for who may not read them.
    tags = read_tags(sides.source_s3, routed.source, key.object_key, original.version_id)
    replica_tags = read_tags(sides.target_s3, routed.target, key.object_key, replica.version_id)
    if tags is None or replica_tags is None:
        return Finding(key, Verdict.UNKNOWN, ("gone while it was read",))
    what = object_differences(
        ObjectState(original, tags.tags),
        ObjectState(replica, replica_tags.tags),
        bucket=routed.source,
        key=key,
        environment=sides.route.source_environment,
    )
    # With the tags, whose change changes neither the ETag nor the time.
    digest = hashlib.sha256(repr(tags.tags).encode()).hexdigest()
    return Finding(key, Verdict.DIFFERENT, what, original.size, f"{state} {digest}") if what else None


def _why_outside(original: Head) -> tuple[str, ...]:
    if original.archived:
        return ("it is archived, and not restored",)
    # S3 removes it when it likes, which may be a while after it has done so to the replica.
    if original.expires is not None and parsedate_to_datetime(original.expires) <= datetime.now(UTC):
        return ("it has expired, and is to be removed",)
    return ()


def _state(etag: str, last_modified: datetime) -> str:
    # In whole seconds, which is all that a head tells.
    return f"{etag} {last_modified:%Y-%m-%dT%H:%M:%S%z}"
