"""A source and its target, of as many keys as are asked for: made up as they are read, and nothing of them is kept.

What is listed, read and scanned here is computed from a key's number, so that the memory that a command takes over a
million keys is its own. The target holds what the replicator would have made, but for the keys that it is to miss.
Only what verifying and backfilling call is here, and it answers as boto3 does, down to a dictionary of its own for each
object and item.
"""

# ruff: noqa: N803 - the names of boto3's arguments
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.network import Network
from replication_core.replicas import (
    PROVENANCE_ENVIRONMENT,
    PROVENANCE_VERSION,
    REPLICATED_FROM,
    REPLICATION_TIMESTAMP,
)

__all__ = [
    "OBJECT_BYTES",
    "PAGE",
    "SOURCE",
    "TARGET",
    "MadeUpKeys",
    "MadeUpObjects",
    "MadeUpQueue",
    "MadeUpTable",
    "etag",
]

SOURCE = "prod"
TARGET = "dev"
PAGE = 1000
"""Keys of a listing's page, which S3 gives at most; and of a scan's: as many of a kilobyte as it reads in a call."""

OBJECT_BYTES = 16 * 1024
_FOLDERS = 32
_WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
_DATA: Mapping[str, Any] = {
    "total": {"N": "12345678901234567890.12345678901234567"},
    "lines": {"L": [{"M": {"sku": {"S": f"sku-{number}"}, "count": {"N": "2"}}} for number in range(5)]},
    "labels": {"SS": ["b", "a"]},
}
_MARKS = {REPLICATED_FROM: {"S": SOURCE}, REPLICATION_TIMESTAMP: {"S": "2026-01-01T00:00:00.000+00:00"}}
_REST = {
    SOURCE: json.dumps({"environment": {"S": SOURCE}, **_DATA}),
    TARGET: json.dumps({"environment": {"S": TARGET}, **_DATA, **_MARKS}),
}
"""What each side's items have besides their keys, as the text that they are parsed from."""


@dataclass(frozen=True)
class Listing:
    """A page: the numbers of its keys, the folders that stand for theirs, and the key to go on after, if any."""

    numbers: Sequence[int]
    folders: Sequence[str] = ()
    last: str | None = None


@dataclass(frozen=True)
class MadeUpKeys:
    """So many keys in some folders, sorted as they are numbered; of those every so manyth is missing, one all of them.

    None is missing at 0.
    """

    count: int
    missing_every: int = 0

    def key(self, number: int) -> str:
        """Return the key of that number."""
        return f"folder-{number * _FOLDERS // self.count:02d}/{number:09d}.bin"

    @staticmethod
    def number(key: str) -> int:
        """Return the number of a key, or of an item's id."""
        return int(key.removesuffix(".bin")[-9:])

    def has(self, number: int) -> bool:
        """Tell whether there is a key of that number."""
        return 0 <= number < self.count and not (self.missing_every and number % self.missing_every == 0)

    def among(self, numbers: range) -> Iterator[int]:
        """Yield those of the numbers that there is a key of."""
        return iter(()) if self.missing_every == 1 else filter(self.has, numbers)

    def page(self, prefix: str = "", after: str = "", delimiter: str = "") -> Listing:
        """Return what ListObjectsV2 would: up to a thousand keys and folders below the prefix, after a key."""
        begin = max(bisect_left(range(self.count), prefix, key=self.key), self._after(after))
        numbers = range(begin, self._after(prefix, len(prefix)))
        if delimiter:
            return self._by_folders(numbers, prefix, delimiter)
        found = list(islice(self.among(numbers), PAGE + 1))
        return Listing(found[:PAGE], last=self.key(found[PAGE - 1]) if len(found) > PAGE else None)

    def _by_folders(self, numbers: range, prefix: str, delimiter: str) -> Listing:
        found: list[int] = []
        folders: list[str] = []
        begin = numbers.start
        while (number := next(self.among(range(begin, numbers.stop)), None)) is not None:
            if len(found) + len(folders) == PAGE:
                return Listing(found, folders, self.key(begin - 1))
            folder, is_folder, _ = self.key(number)[len(prefix) :].partition(delimiter)
            if is_folder:
                folders.append(f"{prefix}{folder}{delimiter}")
                begin = self._after(folders[-1], len(folders[-1]))
            else:
                found.append(number)
                begin = number + 1
        return Listing(found, folders)

    def _after(self, text: str, length: int | None = None) -> int:
        """Return the number of the first key that comes after the text, if no more than so much of it counts."""
        return bisect_right(range(self.count), text, key=lambda number: self.key(number)[:length])


@dataclass(frozen=True)
class MadeUpObjects:
    """One side's bucket, as an S3 client reads it."""

    environment: str
    keys: MadeUpKeys
    network: Network

    def list_objects_v2(
        self, *, Prefix: str, Delimiter: str = "", StartAfter: str = "", ContinuationToken: str = "", **_: Any
    ) -> dict[str, Any]:
        """List a page."""
        self.network.request("ListObjectsV2")
        listing = self.keys.page(Prefix, ContinuationToken or StartAfter, Delimiter)
        return {
            "IsTruncated": listing.last is not None,
            "NextContinuationToken": listing.last,
            "Contents": [self._entry(number) for number in listing.numbers],
            "CommonPrefixes": [{"Prefix": folder} for folder in listing.folders],
        }

    def _entry(self, number: int) -> dict[str, Any]:
        named = {"Key": self.keys.key(number), "Size": OBJECT_BYTES, "ETag": etag(number)}
        return {**named, "LastModified": _WRITTEN, "StorageClass": "STANDARD"}

    def head_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        """Tell of an object without its bytes."""
        number = self._see(Key, "HeadObject")
        replica = {PROVENANCE_VERSION: f"{SOURCE}-version-{number}", PROVENANCE_ENVIRONMENT: SOURCE}
        return {
            "ContentLength": OBJECT_BYTES,
            "ETag": etag(number),
            "LastModified": _WRITTEN,
            "VersionId": f"{self.environment}-version-{number}",
            "ContentType": "application/octet-stream",
            "CacheControl": "max-age=60",
            "Metadata": {"owner": "benchmark", **(replica if self.environment == TARGET else {})},
            "ChecksumCRC32": "AAAAAA==",
            "ChecksumType": "FULL_OBJECT",
            "ServerSideEncryption": "AES256",
            "TagCount": 1,
        }

    def get_object_tagging(self, *, Key: str, **_: Any) -> dict[str, Any]:
        """Tell an object's tags."""
        number = self._see(Key, "GetObjectTagging")
        return {"VersionId": f"{self.environment}-version-{number}", "TagSet": [{"Key": "class", "Value": "a"}]}

    def _see(self, key: str, operation: str) -> int:
        self.network.request(operation)
        number = self.keys.number(key)
        if not self.keys.has(number):
            answer: Any = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404, "HTTPHeaders": {}}}
            raise ClientError(answer, operation)
        return number


def etag(number: int) -> str:
    """Return the ETag of the object of that number, the same on both sides."""
    return f'"{number:032x}"'


@dataclass(frozen=True)
class MadeUpTable:
    """One side's table, as a DynamoDB client reads it."""

    environment: str
    keys: MadeUpKeys
    network: Network

    def scan(
        self,
        *,
        Segment: int,
        TotalSegments: int,
        ExclusiveStartKey: Any = None,
        ProjectionExpression: str = "",
        Limit: int = PAGE,
        **_: Any,
    ) -> dict[str, Any]:
        """Read a segment's page: every so manyth item is in it."""
        self.network.request("Scan")
        begin = self.keys.number(ExclusiveStartKey["id"]["S"]) + TotalSegments if ExclusiveStartKey else Segment
        found = list(islice(self.keys.among(range(begin, self.keys.count, TotalSegments)), Limit + 1))
        answer = {"Items": self._items(found[:Limit], only_keys=bool(ProjectionExpression))}
        return {**answer, "LastEvaluatedKey": _key(found[Limit - 1])} if len(found) > Limit else answer

    def batch_get_item(self, *, RequestItems: Any) -> dict[str, Any]:
        """Read items by their keys."""
        self.network.request("BatchGetItem")
        [(table, asked)] = RequestItems.items()
        numbers = [number for key in asked["Keys"] if self.keys.has(number := self.keys.number(key["id"]["S"]))]
        items = self._items(numbers, only_keys="ProjectionExpression" in asked)
        return {"Responses": {table: items}, "UnprocessedKeys": {}}

    def _items(self, numbers: Sequence[int], *, only_keys: bool) -> list[dict[str, Any]]:
        if only_keys:
            return [_key(number) for number in numbers]
        return [{**_key(number), **json.loads(_REST[self.environment])} for number in numbers]


def _key(number: int) -> dict[str, Any]:
    return {"id": {"S": f"order-{number:09d}"}, "timestamp": {"N": "1700000000"}}


@dataclass(frozen=True)
class MadeUpQueue:
    """A queue that takes whatever it is sent, and is always empty."""

    network: Network

    def send_message_batch(self, *, Entries: Sequence[Mapping[str, str]], **_: Any) -> dict[str, Any]:
        """Take messages."""
        self.network.request("SendMessageBatch")
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(self, *, Entries: Sequence[Mapping[str, Any]], **_: Any) -> dict[str, Any]:
        """Have messages come back later."""
        self.network.request("ChangeMessageVisibilityBatch")
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def get_queue_attributes(self, *, AttributeNames: Sequence[str], **_: Any) -> dict[str, Any]:
        """Tell how many messages there are: none."""
        self.network.request("GetQueueAttributes")
        return {"Attributes": dict.fromkeys(AttributeNames, "0")}
