"""The estimate of a backfill: keys, bytes, requests, and their cost by AWS's price list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipeline_ops.routes.enqueuer import KEYS_OF_A_LOAD, KEYS_OF_A_MESSAGE
from pipeline_ops.routes.route import explained
from pipeline_ops.routes.selection import Selected, Selection, chosen_objects
from replication_core.batching import batches
from replication_core.comparing.sides import Sides
from replication_core.objects.listings import KeyRange, KeyRanges
from replication_core.parallel import in_parallel

__all__ = ["PRICES", "Counted", "count", "dollars"]

PRICES: Mapping[str, float] = {
    "S3 reads": 0.4,
    "S3 copies and listings": 5.0,
    "S3 events": 1.0,
    "SQS requests": 0.4,
    "SNS publishes": 0.5,
    "Lambda requests": 0.2,
    "Lambda GB-seconds": 16.6667,
    "DynamoDB read units": 0.125,
    "DynamoDB write units": 0.625,
    "GB to another region": 20_000.0,
    "GB of logs": 500_000.0,
    "hours of a c7i.8xlarge": 1_428_000.0,
}
"""US dollars for a million, on demand in us-east-1 and without any free tier; GB between regions at 0.02 dollars.

https://aws.amazon.com/s3/pricing/, https://aws.amazon.com/sqs/pricing/, https://aws.amazon.com/lambda/pricing/,
https://aws.amazon.com/dynamodb/pricing/on-demand/, https://aws.amazon.com/eventbridge/pricing/ (opt-in data events),
https://aws.amazon.com/sns/pricing/, https://aws.amazon.com/cloudwatch/pricing/ (logs collected),
https://aws.amazon.com/ec2/pricing/on-demand/
"""

_PAGE = 1000
_BATCH = 100
"""Messages of an invocation."""

_GB_SECONDS_OF_AN_OBJECT = 0.0065
_GB_SECONDS_OF_AN_ITEM = 0.0011
_LOG_BYTES = 270
"""As the benchmarks measure them, with 1 GB of memory, 30 ms a call and no masking: docs/scale.md."""

_READ_UNIT = 4096
_WRITE_UNIT = 1024
_LISTING_THREADS = 8


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The amount of data to replicate."""

    objects: int = 0
    object_bytes: int = 0
    items: int = 0
    item_bytes: int = 0

    def requests(self, *, other_region: bool) -> dict[str, float]:
        """Return the calls that replicating it takes, by the names of PRICES: as the benchmarks count a change's."""
        keys = self.objects + self.items
        read_units = max(self.item_bytes / _READ_UNIT, self.items)
        return {
            "S3 reads": 2.0 * self.objects,
            "S3 copies and listings": self.objects * (1 + 2 / _PAGE),
            "SQS requests": 3 * keys / KEYS_OF_A_LOAD,
            "Lambda requests": keys / KEYS_OF_A_MESSAGE / _BATCH,
            "Lambda GB-seconds": self.objects * _GB_SECONDS_OF_AN_OBJECT + self.items * _GB_SECONDS_OF_AN_ITEM,
            "GB of logs": keys * _LOG_BYTES / 1e9,
            # A scan at half a unit, and two consistent reads.
            "DynamoDB read units": 2.5 * read_units,
            "DynamoDB write units": max(self.item_bytes / _WRITE_UNIT, self.items),
            "GB to another region": (self.object_bytes + self.item_bytes) / 1e9 if other_region else 0.0,
        }


def dollars(requests: Mapping[str, float]) -> float:
    """Return what they cost, by the price list."""
    return sum(count * PRICES[name] for name, count in requests.items()) / 1e6


def count(sides: Sides, selection: Selection, since: datetime | None) -> Iterator[Counted]:
    """Count by listing the source, and yield the sum so far.

    Items are counted as their table tells of them, which is as of some hours ago, and whatever `since` is:
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
    """
    items = item_bytes = objects = size = 0
    with explained("What there is to replicate can't be counted"):
        for part in selection.parts:
            if part.routed.dataset.is_bucket:
                continue
            table = sides.source_dynamodb.describe_table(TableName=part.routed.source)["Table"]
            items, item_bytes = items + table.get("ItemCount", 0), item_bytes + table.get("TableSizeBytes", 0)
        yield Counted(items=items, item_bytes=item_bytes)
        listings = [
            reader
            for part in selection.parts
            if part.routed.dataset.is_bucket
            for reader in KeyRanges(sides.source_s3, part.routed.source, part.prefix).readers(
                _LISTING_THREADS, partial(_sums, sides, part, since)
            )
        ]
        for number, its_size in in_parallel(listings, threads=_LISTING_THREADS):
            objects, size = objects + number, size + its_size
            yield Counted(objects=objects, object_bytes=size, items=items, item_bytes=item_bytes)


def _sums(sides: Sides, part: Selected, since: datetime | None, key_range: KeyRange) -> Iterator[tuple[int, int]]:
    for page in batches(chosen_objects(sides, part, key_range, since), _PAGE):
        yield len(page), sum(each.size for each in page)
