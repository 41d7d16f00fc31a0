"""Comparison of objects: both buckets' listings side by side, then of each pair what a listing does not tell."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.batching import batches
from replication_core.comparing.differences import masked_differences, object_differences
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
from replication_core.comparing.masked_bodies import is_masked_so
from replication_core.comparing.masked_keys import MaskedKeys, place_of
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.desired import DesiredObject, desired_object
from replication_core.masking.mask import Mask
from replication_core.masking.refusals import Unclassified
from replication_core.objects.heads import ARCHIVE_CLASSES, Absent, is_marked, read_head, read_tags
from replication_core.objects.listings import KeyRange, KeyRanges, Listed, ListingPage, list_objects, list_pages
from replication_core.objects.masked_copy import MaskedObject, masked_blocks
from replication_core.objects.pinned import PinnedObject
from replication_core.objects.states import Head, ObjectState, Tags
from replication_core.parallel import bounded_map, in_parallel, read_ahead
from replication_core.reconcile import SourceMoved
from replication_core.route_spec import RoutedDataset

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

__all__ = [
    "Pair",
    "compare_objects",
    "compare_originals",
    "compare_pairs",
    "list_pairs",
    "look_at_object",
    "look_at_replica_object",
    "look_at_replicas",
    "masked_object_keys",
    "side_by_side",
]

_LISTING_THREADS = 8
_CHUNK = 10
"""Pairs that one thread looks at, one after another: few, so that small buckets keep many threads busy."""

_PAGE = 1000

_CHUNKS_AT_ONCE = 128
_LEFT_OUT = ("the route's rules leave it out",)


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
    sides: Sides,
    routed: RoutedDataset,
    executor: Executor,
    *,
    prefix: str = "",
    quick: bool = False,
    deep: bool = False,
) -> Iterator[Looked]:
    """Compare a dataset's objects below a prefix and yield what was found, some keys at a time, holding no more.

    `quick` believes a listing whose size and ETag are the same on both sides: two calls per thousand keys instead of
    four per key, which tell nothing of headers, metadata and tags. Of a masked body it believes that the replica is
    there, and no older than its source. `deep` reads those bodies in the source, and masks them again.

    Where a policy masks keys, 8 bytes of each key are held, on either side; what the target has besides is looked for
    where no prefix is given, since no prefix of its keys is known.
    """
    mask = sides.mask()
    ranges = KeyRanges(sides.source_s3, routed.source, prefix)
    if mask is None or not mask.policy.masks_keys(routed.dataset.name):
        yield from _look_at_all(
            executor,
            ranges.readers(_LISTING_THREADS, partial(_listed_pairs, sides, routed, prefix, quick)),
            lambda pairs: compare_pairs(sides, routed, pairs, deep=deep),
        )
        return
    masked, there = MaskedKeys(), MaskedKeys.of(_replica_keys(sides, routed)) if quick else None
    yield from _look_at_all(
        executor,
        ranges.readers(_LISTING_THREADS, partial(_listed_originals, sides, routed, prefix, masked, there)),
        lambda originals: compare_originals(sides, routed, originals, deep=deep),
    )
    if prefix:
        return
    masked.sort()
    keys = (key for key in _replica_keys(sides, routed) if key not in masked)
    for some in batches(keys, _CHUNK):
        yield Looked(findings=[Finding(key, Verdict.EXTRA, orphan=True) for key in some])


@dataclass(frozen=True, slots=True)
class _Some(Generic[T]):
    """Some of what was listed, in a row."""

    equal: int = 0
    """Objects that there is no reason to look at."""

    others: Sequence[T] = ()


def _look_at_all(
    executor: Executor, listings: Sequence[Iterator[_Some[T]]], look: Callable[[Sequence[T]], Looked]
) -> Iterator[Looked]:
    def looked(some: _Some[T]) -> Looked:
        found = look(some.others)
        return replace(found, objects=found.objects + some.equal)

    return bounded_map(executor, looked, in_parallel(listings, threads=_LISTING_THREADS), window=_CHUNKS_AT_ONCE)


def _listed_pairs(
    sides: Sides, routed: RoutedDataset, prefix: str, quick: bool, key_range: KeyRange
) -> Iterator[_Some[Pair]]:
    """List both buckets' keys of a range; where it is to be quick, those that seem to be equal are only counted."""
    mask = sides.mask()
    listings = _listings(sides, routed, prefix, key_range)
    with ThreadPoolExecutor(len(listings), thread_name_prefix="list") as executor:
        originals, replicas = (read_ahead(executor, listing) for listing in listings)
        for some, theirs in _page_by_page(originals, replicas):
            if quick and mask is None and some[:3] == theirs[:3] and routed.wants_objects(some.keys):
                yield _Some(len(some.keys))
                continue
            pairs = side_by_side(some.listed(), theirs.listed())
            yield from _chunks(pairs, lambda pair: quick and _seem_equal(routed, pair, mask))


def _listed_originals(
    sides: Sides,
    routed: RoutedDataset,
    prefix: str,
    masked: MaskedKeys,
    there: MaskedKeys | None,
    key_range: KeyRange,
) -> Iterator[_Some[Listed]]:
    """List the source's keys of a range, and add what they are masked to; those that are `there` are only counted."""

    def is_there(original: Listed) -> bool:
        if not routed.wants_object(original.key):
            return False
        place = place_of(RecordKey(routed.dataset, (original.key,)), sides.mask(), masked)
        return there is not None and place in there

    return _chunks(list_objects(sides.source_s3, routed.source, prefix, key_range), is_there)


def _chunks(listed: Iterable[T], is_equal: Callable[[T], bool]) -> Iterator[_Some[T]]:
    for page in batches(listed, _PAGE):
        others = [each for each in page if not is_equal(each)]
        if len(others) < len(page):
            yield _Some(len(page) - len(others))
        yield from (_Some(others=some) for some in batches(others, _CHUNK))


def _page_by_page(
    originals: Iterator[ListingPage], replicas: Iterator[ListingPage]
) -> Iterator[tuple[ListingPage, ListingPage]]:
    """Merge two listings page by page: what each has up to the key at which the first of the two pages ends."""
    original, replica = next(originals, None), next(replicas, None)
    while original is not None or replica is not None:
        if original is not None and not original.keys:
            original = next(originals, None)
        elif replica is not None and not replica.keys:
            replica = next(replicas, None)
        else:
            end = min(page.keys[-1] for page in (original, replica) if page is not None)
            (some, original), (theirs, replica) = (
                (ListingPage(), None) if page is None else page.split(end) for page in (original, replica)
            )
            yield some, theirs


def list_pairs(sides: Sides, routed: RoutedDataset, prefix: str, key_range: KeyRange) -> Iterator[Pair]:
    """List both buckets' keys of a range side by side."""
    for some, theirs in _page_by_page(*_listings(sides, routed, prefix, key_range)):
        yield from side_by_side(some.listed(), theirs.listed())


def _listings(
    sides: Sides, routed: RoutedDataset, prefix: str, key_range: KeyRange
) -> tuple[Iterator[ListingPage], Iterator[ListingPage]]:
    return (
        list_pages(sides.source_s3, routed.source, prefix, key_range),
        list_pages(sides.target_s3, routed.target, prefix, key_range),
    )


def masked_object_keys(sides: Sides, routed: RoutedDataset, mask: Mask) -> MaskedKeys:
    """Return the keys that those of the source's objects which the target gets are masked to by now.

    Raises StoreError.
    """
    masked = MaskedKeys()
    for key in _listed_keys(sides.source_s3, routed.source):
        if routed.wants_object(key):
            place_of(RecordKey(routed.dataset, (key,)), mask, masked)
    masked.sort()
    return masked


def _replica_keys(sides: Sides, routed: RoutedDataset) -> Iterator[RecordKey]:
    """Yield the keys of the target's objects, but for those where the route leaves everything out."""
    listed = _listed_keys(sides.target_s3, routed.target)
    return (RecordKey(routed.dataset, (key,)) for key in listed if not key.startswith(routed.exclude))


def _listed_keys(client: "S3Client", bucket: str) -> Iterator[str]:
    readers = KeyRanges(client, bucket).readers(_LISTING_THREADS, partial(list_pages, client, bucket, ""))
    return (key for page in in_parallel(readers, threads=_LISTING_THREADS) for key in page.keys)


def compare_originals(
    sides: Sides, routed: RoutedDataset, originals: Sequence[Listed], *, deep: bool = False
) -> Looked:
    """Compare these objects of the source with their replicas, under masked keys."""
    findings: list[Finding | None] = []
    count = 0
    for original in originals:
        key = RecordKey(routed.dataset, (original.key,))
        if not routed.wants_object(original.key):
            findings.append(Finding(key, Verdict.OUTSIDE, _LEFT_OUT))
            continue
        count += 1
        findings.append(look_at_object(sides, routed, key, deep=deep))
    return Looked(objects=count, findings=[finding for finding in findings if finding is not None])


def compare_pairs(sides: Sides, routed: RoutedDataset, pairs: Sequence[Pair], *, deep: bool = False) -> Looked:
    """Compare these pairs, one after another."""
    found = (_compare(sides, routed, pair, deep) for pair in pairs)
    count = sum(pair.original is not None and routed.wants_object(pair.key) for pair in pairs)
    return Looked(objects=count, findings=[finding for finding in found if finding is not None])


def _compare(sides: Sides, routed: RoutedDataset, pair: Pair, deep: bool) -> Finding | None:
    original, replica = pair.original, pair.replica
    key = RecordKey(routed.dataset, (pair.key,))
    if not routed.wants_object(pair.key):
        return Finding(key, Verdict.OUTSIDE, _LEFT_OUT) if original else None
    if original is None:
        return Finding(key, Verdict.EXTRA)
    # Of what is archived the second look reads the head, and the policy says what is to be missing.
    if replica is None and original.storage_class not in ARCHIVE_CLASSES and sides.mask() is None:
        return Finding(key, Verdict.MISSING, (), original.size, _state(original.etag, original.last_modified))
    return look_at_object(sides, routed, key, deep=deep)


def _seem_equal(routed: RoutedDataset, pair: Pair, mask: Mask | None) -> bool:
    """Tell whether a listing gives no reason to look at an object that the target gets."""
    original, replica = pair.original, pair.replica
    if original is None or replica is None or not routed.wants_object(pair.key):
        return False
    try:
        if mask is not None and not mask.object(pair.key, routed.dataset).is_opaque:
            return replica.last_modified >= original.last_modified
    except Unclassified:
        return False
    return (original.size, original.etag) == (replica.size, replica.etag)


def look_at_object(sides: Sides, routed: RoutedDataset, key: RecordKey, *, deep: bool = False) -> Finding | None:
    """Compare all of one object with its replica, as both are now; None where they are equal."""
    return _told(key, lambda: _look(sides, routed, key, deep))


def look_at_replicas(sides: Sides, routed: RoutedDataset, replicas: Sequence[Listed]) -> Looked:
    """Compare these objects of the target, of masked keys, with the route's policy alone."""
    keys = (RecordKey(routed.dataset, (each.key,)) for each in replicas if not each.key.startswith(routed.exclude))
    found = (look_at_replica_object(sides, routed, key, None) for key in keys)
    return Looked(findings=[finding for finding in found if finding is not None])


def look_at_replica_object(
    sides: Sides, routed: RoutedDataset, key: RecordKey, masked: MaskedKeys | None
) -> Finding | None:
    """Look at the target's object of a masked key as it is now; None where nothing is wrong with it.

    Without `masked`, the keys that the source's are masked to, nothing is known to be extra.
    """
    return _told(key, lambda: _look_at_replica(sides, routed, key, masked))


def _told(key: RecordKey, look: Callable[[], Finding | None]) -> Finding | None:
    try:
        return look()
    except SourceMoved:
        return Finding(key, Verdict.UNKNOWN, ("gone while it was read",))
    except StoreError as error:
        return unknown(key, error)
    except Exception as error:  # noqa: BLE001 - whatever is odd about one key must not end the look at the others
        return unknown(key, unexpected(error))


def _look(sides: Sides, routed: RoutedDataset, key: RecordKey, deep: bool) -> Finding | None:
    mask = sides.mask()
    place = place_of(key, mask)
    original = read_head(sides.source_s3, routed.source, key.object_key)
    replica = read_head(sides.target_s3, routed.target, place.object_key)
    if isinstance(original, Absent):
        return absent(key) if isinstance(replica, Absent) else _without_source(sides, routed, key, place, replica)
    state = _state(original.etag, datetime.fromisoformat(original.last_modified))
    there = None if isinstance(replica, Absent) else replica
    if there is None and (why := _why_outside(original)):
        return Finding(key, Verdict.OUTSIDE, why, original.size, state)
    if mask is not None:
        return _compare_masked(sides, routed, _Heads(key, place, original, there, state), mask, deep)
    if there is None:
        return Finding(key, Verdict.MISSING, (), original.size, state)
    return _compare_heads(sides, routed, key, original, there, state)


def _look_at_replica(sides: Sides, routed: RoutedDataset, key: RecordKey, masked: MaskedKeys | None) -> Finding | None:
    if masked is not None and key in masked:
        return None
    replica = read_head(sides.target_s3, routed.target, key.object_key)
    if isinstance(replica, Absent):
        return absent(key)
    found = _without_source(sides, routed, key, key, replica, orphan=True)
    return found if masked is not None or found.verdict in OF_ANOTHER_POLICY else None


def _without_source(
    sides: Sides, routed: RoutedDataset, key: RecordKey, place: RecordKey, replica: Head, *, orphan: bool = False
) -> Finding:
    mask = sides.mask()
    source = sides.route.source_environment if mask else None
    marked = is_marked(sides.target_s3, routed.target, place.object_key, replica, replica.version_id, source=source)
    doubt = None if mask is None else mask.object_doubt(place, dict(replica.metadata))
    return extra(key, doubt, mask, own=not marked, orphan=orphan)


@dataclass(frozen=True, slots=True)
class _Heads:
    """An object and its replica, where there is one, as their heads tell of them."""

    key: RecordKey
    place: RecordKey
    """The replica's key."""

    original: Head
    replica: Head | None
    state: str


def _compare_masked(sides: Sides, routed: RoutedDataset, heads: _Heads, mask: Mask, deep: bool) -> Finding | None:
    key, original, replica = heads.key, heads.original, heads.replica
    tags = read_tags(sides.source_s3, routed.source, key.object_key, original.version_id)
    if tags is None:
        raise SourceMoved

    def found(verdict: Verdict, *what: str) -> Finding:
        return Finding(key, verdict, what, original.size, _with_tags(heads.state, tags.tags))

    doubt = None if replica is None else mask.object_doubt(heads.place, dict(replica.metadata))
    try:
        desired = desired_object(
            ObjectState(original, tags.tags),
            bucket=routed.source,
            key=key,
            environment=sides.route.source_environment,
            mask=mask,
        )
        is_same = _masked_again(sides, routed, heads, desired) if deep else None
    except StoreError as refusal:
        if not refusal.permanent:
            raise
        # What has no mark is the target's own, which a refusal leaves there.
        marked = replica is not None and is_marked(sides.target_s3, routed.target, heads.place.object_key, replica)
        return found(verdict_of(doubt) if doubt and marked else Verdict.REFUSED, refusal.message)
    if replica is None and desired is None:
        return None
    if doubt:
        return found(verdict_of(doubt), doubt)
    if replica is None or desired is None:
        return found(Verdict.MISSING if desired else Verdict.EXTRA)
    replica_tags = read_tags(sides.target_s3, routed.target, heads.place.object_key, replica.version_id)
    if replica_tags is None:
        raise SourceMoved
    what = masked_differences(desired, original, ObjectState(replica, replica_tags.tags), is_same)
    return found(Verdict.DIFFERENT, *what) if what else None


def _masked_again(sides: Sides, routed: RoutedDataset, heads: _Heads, desired: DesiredObject | None) -> bool | None:
    """Tell whether the replica has the bytes that its source's are masked to; None where they are not masked.

    Where there is no replica it has not. Raises Unclassified where the policy refuses the source, and SourceMoved.
    """
    if desired is None or desired.masked is None:
        return None
    original, replica = heads.original, heads.replica
    source = PinnedObject.of(sides.source_s3, routed.source, heads.key.object_key, original)
    asked = MaskedObject.of(source, original, desired.masked, {})
    if replica is None:
        # For the refusals of its records.
        deque(masked_blocks(asked), maxlen=0)
        return False
    stored = PinnedObject.of(sides.target_s3, routed.target, heads.place.object_key, replica)
    return is_masked_so(asked, replica, stored)


def _compare_heads(
    sides: Sides, routed: RoutedDataset, key: RecordKey, original: Head, replica: Head, state: str
) -> Finding | None:
    # Whatever the heads tell: not every S3-compatible store counts the tags there, nor S3 for who may not read them.
    tags = read_tags(sides.source_s3, routed.source, key.object_key, original.version_id)
    replica_tags = read_tags(sides.target_s3, routed.target, key.object_key, replica.version_id)
    if tags is None or replica_tags is None:
        raise SourceMoved
    what = object_differences(
        ObjectState(original, tags.tags),
        ObjectState(replica, replica_tags.tags),
        bucket=routed.source,
        key=key,
        environment=sides.route.source_environment,
    )
    return Finding(key, Verdict.DIFFERENT, what, original.size, _with_tags(state, tags.tags)) if what else None


def _why_outside(original: Head) -> tuple[str, ...]:
    if original.archived:
        return ("it is archived, and not restored",)
    # S3 removes it when it likes, which may be a while after it has done so to the replica.
    if original.expires is not None and parsedate_to_datetime(original.expires) <= datetime.now(UTC):
        return ("it has expired, and is to be removed",)
    return ()


def _state(etag: str, last_modified: datetime) -> str:
    # In whole seconds, which is all that a head tells.
    return state_digest(f"{etag} {last_modified:%Y-%m-%dT%H:%M:%S%z}")


def _with_tags(state: str, tags: Tags) -> str:
    """Return the state with the tags, whose change changes neither the ETag nor the time."""
    return f"{state} {state_digest(repr(tags))}"
