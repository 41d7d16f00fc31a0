"""A few keys of a route, chosen anew each time, compared like all keys are."""

import random
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TYPE_CHECKING, Any

from lambda_common.failures import translated
from replicator_lambda.flow import chunks, windowed
from replicator_lambda.listings import KeyRange, list_objects
from replicator_lambda.scans import Segment
from replicator_lambda.verification.findings import Looked
from replicator_lambda.verification.items import compare_segments
from replicator_lambda.verification.objects import Pair, compare_pairs, side_by_side
from replicator_lambda.verification.stores import Stores

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["compare_sample"]

_WINDOW = 100
"""Objects that are compared where a walk has ended: a listing call on each side has them all."""

_AT_ONCE = 10
_DEEPEST = 16
_WALKS_AT_ONCE = 4


def compare_sample(stores: Stores, executor: Executor, keys: int, chance: random.Random) -> Iterator[Looked]:
    """Compare about so many objects and, where the route has them, about so many items.

    Objects are those at the ends of random walks through the folders of either side, so that every folder is seen in
    time; of items it is one random part of both tables. It finds what is wrong with many keys: to find the one key
    among a million is a whole verification's work.
    """
    walks = max(1, keys // _WINDOW)
    pairs = (pair for _ in range(walks) for pair in islice(_walk(stores, chance), min(keys, _WINDOW)))
    yield from windowed(
        executor, lambda some: compare_pairs(stores, some), chunks(pairs, _AT_ONCE), window=_WALKS_AT_ONCE * _AT_ONCE
    )
    if stores.settings.replicate_items:
        yield from compare_segments(stores, executor, [_segment(stores, keys, chance)], limit=keys)


def _walk(stores: Stores, chance: random.Random) -> Iterator[Pair]:
    settings = stores.settings
    sides = [(stores.source_s3, settings.source_bucket), (stores.target_s3, settings.target_bucket)]
    key_range, prefix = _end_of_walk(*chance.choice(sides), chance)
    return side_by_side(*(list_objects(client, bucket, prefix, key_range) for client, bucket in sides))


def _end_of_walk(client: "S3Client", bucket: str, chance: random.Random) -> tuple[KeyRange, str]:
    """Return where a walk from folder to folder has ended: below a prefix, after one of its keys."""
    prefix = ""
    for _ in range(_DEEPEST):
        with translated("ListObjectsV2"):
            page: Any = client.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/")
        folders = [folder["Prefix"] for folder in page.get("CommonPrefixes", ())]
        keys = [entry["Key"] for entry in page.get("Contents", ())]
        here = chance.randrange(len(folders) + bool(keys)) if folders or keys else 0
        if here >= len(folders):
            return KeyRange(after=chance.choice([None, *keys[:-1]])), prefix
        prefix = folders[here]
    return KeyRange(), prefix


def _segment(stores: Stores, keys: int, chance: random.Random) -> Segment:
    with translated("DescribeTable"):
        table = stores.source_dynamodb.describe_table(TableName=stores.settings.source_table)["Table"]
    # As of some hours ago, which is near enough: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
    # API_TableDescription.html; segments are at most a million, by API_Scan.html beside it.
    segments = min(max(1, table.get("ItemCount", 0) // keys), 1_000_000)
    return Segment(chance.randrange(segments), segments)
