"""A bucket's objects in the order of their keys, in ranges that are listed at the same time."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from replication_core.aws.failures import told, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["EVERYTHING", "KeyRange", "Listed", "key_ranges", "list_objects"]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing tells of an object."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    storage_class: str = "STANDARD"


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys after one, up to and including another; None is before the first or after the last."""

    after: str | None = None
    until: str | None = None


EVERYTHING = KeyRange()


def key_ranges(client: "S3Client", bucket: str, prefix: str = "", *, wanted: int = 16) -> list[KeyRange]:
    """Divide the keys below a prefix into about `wanted` ranges, cut where folders begin.

    The cuts are only where to begin to list: keys that come or go later, or are in no folder, are each in one range.
    It takes a call per folder looked into. A bucket without folders is one range.
    """
    cuts: set[str] = set()
    folders = deque([prefix])
    while folders and len(cuts) < wanted:
        found = _folders(client, bucket, folders.popleft())
        cuts.update(found)
        folders.extend(found)
    step = -(-len(cuts) // wanted) or 1
    return [KeyRange(after, until) for after, until in pairwise([None, *sorted(cuts)[::step], None])]


def list_objects(
    client: "S3Client", bucket: str, prefix: str = "", key_range: KeyRange = EVERYTHING
) -> Iterator[Listed]:
    """Yield the objects of a range, sorted by key, a call per thousand.

    S3 sorts by the keys' UTF-8 bytes, which is how Python sorts text; directory buckets do not
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html). Raises StoreError.
    """
    # An empty StartAfter is refused by some S3-compatible stores.
    begin: Any = {"StartAfter": key_range.after} if key_range.after else {}
    pages = iter(client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **begin))
    while True:
        with translated("ListObjectsV2"):
            page = next(pages, None)
            if page is None:
                return
            told("ListObjectsV2", page, "IsTruncated")  # else nothing in it would mean that there is nothing
            entries = [_listed(entry) for entry in page.get("Contents", ())]
        for listed in entries:
            if key_range.until is not None and listed.key > key_range.until:
                return
            yield listed


def _listed(entry: Any) -> Listed:
    return Listed(
        entry["Key"], entry["Size"], entry["ETag"], entry["LastModified"], entry.get("StorageClass", "STANDARD")
    )


def _folders(client: "S3Client", bucket: str, prefix: str) -> Sequence[str]:
    with translated("ListObjectsV2"):
        page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/")
    told("ListObjectsV2", page, "IsTruncated")
    return [folder["Prefix"] for folder in page.get("CommonPrefixes", ())]
