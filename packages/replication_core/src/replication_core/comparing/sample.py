"""Comparison of a random sample of a route's keys."""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from replication_core.aws.failures import told, translated
from replication_core.batching import batches
from replication_core.comparing.findings import Looked
from replication_core.comparing.items import compare_segments
from replication_core.comparing.objects import Pair, compare_originals, compare_pairs, list_pairs, look_at_replicas
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.items.scans import Segment, scan
from replication_core.objects.listings import KeyRange, ListingPage, list_objects
from replication_core.parallel import bounded_map
from replication_core.route_spec import RoutedDataset

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["compare_sample", "drawn"]

_WINDOW = 100
"""Objects that are compared where a walk has ended: a listing call on each side has them all."""

_AT_ONCE = 10
_LAST = "\U0010ffff"
"""Comes after every character that a key has: after what begins so."""

_WALKS_AT_ONCE = 4

_PAGE = 1000
"""The most keys that S3 lists at once."""


def compare_sample(
    sides: Sides, routed: RoutedDataset, executor: Executor, keys: int, chance: random.Random
) -> Iterator[Looked]:
    """Compare about so many records of a dataset.

    Objects are those at the ends of random walks through the keys of either side, so that each may be drawn, one among
    few rather than one among many; of items it is one random part of both tables. It finds what is wrong with many
    keys: to find the one among a million is a whole verification's work. Where a policy masks keys, the target's are
    compared with the policy alone: what has no source is not told.
    """
    if not routed.dataset.is_bucket:
        yield from compare_segments(sides, routed, executor, [_segment(sides, routed, keys, chance)], limit=keys)
        return
    walks = range(max(1, keys // _WINDOW))
    looks = (look for _ in walks for look in _looks(sides, routed, chance, min(keys, _WINDOW)))
    yield from bounded_map(executor, lambda look: look(), looks, window=_WALKS_AT_ONCE * _AT_ONCE)


def _looks(sides: Sides, routed: RoutedDataset, chance: random.Random, most: int) -> Iterator[Callable[[], Looked]]:
    """Yield the looks, at a few keys each, at so many keys at the end of a walk."""
    mask = sides.mask()
    if mask is None or not mask.policy.masks_keys(routed.dataset.name):
        for pairs in batches(islice(_walk(sides, routed, chance), most), _AT_ONCE):
            yield partial(compare_pairs, sides, routed, pairs)
        return
    # Keys of one side tell none of the other: a walk is through the one or the other.
    of_source = chance.choice((True, False))
    client, bucket = (sides.source_s3, routed.source) if of_source else (sides.target_s3, routed.target)
    look = compare_originals if of_source else look_at_replicas
    listed = list_objects(client, bucket, "", KeyRange(_end_of_walk(client, bucket, "", chance)))
    for some in batches(islice(listed, most), _AT_ONCE):
        yield partial(look, sides, routed, some)


def drawn(sides: Sides, routed: RoutedDataset, keys: int, chance: random.Random, *, most_bytes: int) -> list[RecordKey]:
    """Return the keys of some of the source's records that the target gets, drawn likewise: so many at most.

    An object of more than `most_bytes` is not drawn. None are where the walk, or the part of the table, has no such
    record. Raises StoreError.
    """
    if routed.dataset.is_bucket:
        originals = (pair.original for pair in islice(_walk(sides, routed, chance), _WINDOW))
        small = (each for each in originals if each and each.size <= most_bytes and routed.wants_object(each.key))
        return [RecordKey(routed.dataset, (each.key,)) for each in islice(small, keys)]
    names = routed.dataset.attribute_names
    segment = _segment(sides, routed, keys, chance)
    pages = scan(sides.source_dynamodb, routed.source, routed.dataset, segment, only=names, limit=keys)
    return [routed.dataset.of_item(item) for item in next(pages).items]


def _walk(sides: Sides, routed: RoutedDataset, chance: random.Random) -> Iterator[Pair]:
    prefix = chance.choice(routed.include or ("",))
    buckets = [(sides.source_s3, routed.source), (sides.target_s3, routed.target)]
    after = _end_of_walk(*chance.choice(buckets), prefix, chance)
    return list_pairs(sides, routed, prefix, KeyRange(after))


def _end_of_walk(client: "S3Client", bucket: str, prefix: str, chance: random.Random) -> str | None:
    """Return a key to begin after; None for the first one.

    The walk goes on by a character as long as more keys begin so than a listing call returns.
    """
    while True:
        keys, is_all = _page(client, bucket, prefix)
        if is_all:
            return chance.choice([None, *keys[:-1]])
        # What the first thousand have in common is gone over in one step, where all have it.
        common = os.path.commonprefix(keys)  # noqa: RUF071 - S3's prefixes are text, too
        branches = [common] if common > prefix else []
        if not branches or _page(client, bucket, prefix, after=common + _LAST, most=1)[0]:
            branches = _branches(client, bucket, prefix)
        prefix = chance.choice(branches)


def _branches(client: "S3Client", bucket: str, prefix: str) -> list[str]:
    """Return the prefix with each of the characters that a key has after it."""
    found: list[str] = []
    after = prefix
    while keys := _page(client, bucket, prefix, after=after, most=1)[0]:
        if found and keys[0].startswith(found[-1]):  # its next character is the last one there is
            break
        found.append(keys[0][: len(prefix) + 1])
        after = found[-1] + _LAST
    return found


def _page(
    client: "S3Client", bucket: str, prefix: str, *, after: str = "", most: int | None = None
) -> tuple[list[str], bool]:
    """Return the first keys that begin so and come after another, and whether those are all."""
    begin: Any = {"StartAfter": after} if after else {}
    with translated("ListObjectsV2"):
        page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most or _PAGE, **begin)
    return list(ListingPage.of(page).keys), not told("ListObjectsV2", page, "IsTruncated")


def _segment(sides: Sides, routed: RoutedDataset, keys: int, chance: random.Random) -> Segment:
    with translated("DescribeTable"):
        table = sides.source_dynamodb.describe_table(TableName=routed.source)["Table"]
    # As of some hours ago, which is near enough: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
    # API_TableDescription.html; segments are at most a million, by API_Scan.html beside it.
    segments = min(max(1, table.get("ItemCount", 0) // keys), 1_000_000)
    return Segment(chance.randrange(segments), segments)
