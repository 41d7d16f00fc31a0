"""Leftovers in a target: what its route wrote there before the present policy, or by none, and their removal.

A replica tells by which policy it was made. What has no mark, or another source's, is not the route's, and stays,
unless production has an object of its key, or the route has made another version of it: a former release's replicas
might have no mark. The operator's own rights delete them, since the route could not name most of them: a masked key has
no inverse, and a version or a delete marker is no state of a key.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from itertools import groupby
from typing import Any

from pipeline_ops.routes.target_deletes import delete_object
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.items.dynamodb import delete_doubtful
from replication_core.items.scans import Segment, scan
from replication_core.masking.mask import Mask
from replication_core.objects.heads import Absent, is_marked, read_head
from replication_core.objects.states import Head
from replication_core.parallel import bounded_map, in_parallel
from replication_core.replicas import REPLICATED_FROM, REPLICATED_POLICY
from replication_core.route_spec import RoutedDataset

__all__ = ["Clearance", "clear"]

_SEGMENTS = 8
_KEYS_AT_ONCE = 64

OBJECTS, VERSIONS, MARKERS, UPLOADS, ITEMS = "objects", "noncurrent versions", "delete markers", "uploads", "items"
"""What there may be left of."""

OWN = "the target's own"
"""What no route has made, which stays."""


@dataclass
class Clearance:
    """What was deleted of a dataset, and what was left, by what it is."""

    deleted: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    """Kept since it is the target's own."""

    failures: Counter[str] = field(default_factory=Counter)
    """What could not be deleted or looked at, by why."""

    def add(self, other: "Clearance") -> None:
        """Count these as well."""
        self.deleted.update(other.deleted)
        self.left.update(other.left)
        self.failures.update(other.failures)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {name: dict(getattr(self, name)) for name in ("deleted", "left", "failures")}


def clear(
    sides: Sides,
    routed: RoutedDataset,
    executor: Executor,
    *,
    before: datetime,
    writer: str,
) -> Iterator[Clearance]:
    """Delete a dataset's leftovers in the target, and yield what was done, a part at a time.

    Uploads are given up that the route's role, the `writer`, began before an instant, or that are of a key which
    production has. Raises StoreError where the target can't be listed, or the mask can't be made; what can't be
    deleted is counted.
    """
    mask = sides.mask()
    if mask is None:
        return
    if not routed.dataset.is_bucket:
        yield from _clear_table(sides, routed, mask, executor)
        return
    bucket = _TargetBucket(sides=sides, routed=routed, mask=mask)
    keys = bounded_map(executor, bucket.clear_key, _by_key(bucket.entries()), window=2 * _KEYS_AT_ONCE)
    yield from keys
    uploads = partial(bucket.give_up, before=before, writer=writer)
    yield from bounded_map(executor, uploads, bucket.uploads(), window=2 * _KEYS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A version of an object, or a delete marker."""

    key: str
    version_id: str
    is_marker: bool
    is_latest: bool
    etag: str = ""


def _by_key(entries: Iterable[_Entry]) -> Iterator[list[_Entry]]:
    # S3 lists by key, the newest first: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
    return (list(some) for _, some in groupby(entries, key=lambda entry: entry.key))


@dataclass(frozen=True, kw_only=True)
class _TargetBucket:
    sides: Sides
    routed: RoutedDataset
    mask: Mask

    def entries(self) -> Iterator[_Entry]:
        for page in self._pages("list_object_versions", "ListObjectVersions"):
            found = [
                _Entry(each["Key"], each["VersionId"], is_marker, each["IsLatest"], each.get("ETag", ""))
                for name, is_marker in (("Versions", False), ("DeleteMarkers", True))
                for each in page.get(name, ())
            ]
            yield from sorted(found, key=lambda entry: entry.key)

    def clear_key(self, entries: list[_Entry]) -> Clearance:
        """Delete what the route has left of one key; a delete marker only where nothing would come to light by it."""
        done = Clearance()
        key = entries[0].key
        try:
            versions = [entry for entry in entries if not entry.is_marker]
            is_present = {entry: self._is_present(entry) for entry in versions}
            is_routes = any(is_of_policy is not None for is_of_policy in is_present.values())
            if not is_routes and self.routed.wants_object(key):
                is_routes = self._source_has(key) or not versions
            stale = [entry for entry, it_is in is_present.items() if (is_routes if it_is is None else not it_is)]
            left = [entry for entry in versions if entry not in stale]
            markers = [entry for entry in entries if entry.is_marker] if is_routes and not left else []
            for entry in (*stale, *markers):
                what = MARKERS if entry.is_marker else OBJECTS if entry.is_latest else VERSIONS
                done.deleted[what] += self._delete(entry)
            done.left[OWN] += sum(is_present[entry] is None for entry in left)
        except StoreError as error:
            done.failures[_why(error)] += 1
        return done

    def uploads(self) -> Iterator[Any]:
        for page in self._pages("list_multipart_uploads", "ListMultipartUploads"):
            yield from page.get("Uploads", ())

    def give_up(self, upload: Any, *, before: datetime, writer: str) -> Clearance:
        done = Clearance()
        key = upload["Key"]
        try:
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Initiator.html: the ARN of the role's session
            initiator = upload.get("Initiator", {}).get("ID", "")
            is_routes = bool(writer) and f"/{writer}/" in initiator
            is_routes = is_routes or (self.routed.wants_object(key) and self._source_has(key))
            if not is_routes:
                done.left[OWN] += 1
            elif upload["Initiated"] < before:
                with translated("AbortMultipartUpload"):
                    self.sides.target_s3.abort_multipart_upload(
                        Bucket=self.routed.target, Key=key, UploadId=upload["UploadId"]
                    )
                done.deleted[UPLOADS] += 1
        except StoreError as error:
            if error.kind != "NoSuchUpload":
                done.failures[_why(error)] += 1
        return done

    def _pages(self, method: str, operation: str) -> Iterator[Any]:
        pages = iter(self.sides.target_s3.get_paginator(method).paginate(Bucket=self.routed.target))  # type: ignore[call-overload] # known by literals
        while True:
            with translated(operation):
                page = next(pages, None)
            if page is None:
                return
            yield page

    def _is_present(self, entry: _Entry) -> bool | None:
        """Tell whether the present policy has made a version; None where no route has, or it is gone meanwhile."""
        client, bucket = self.sides.target_s3, self.routed.target
        head = read_head(client, bucket, entry.key, entry.version_id)
        source = self.sides.route.source_environment
        if isinstance(head, Absent) or not is_marked(client, bucket, entry.key, head, entry.version_id, source=source):
            return None
        return self.mask.object_doubt(RecordKey(self.routed.dataset, (entry.key,)), dict(head.metadata)) is None

    def _source_has(self, key: str) -> bool:
        return isinstance(read_head(self.sides.source_s3, self.routed.source, key), Head)

    @cached_property
    def _has_versions(self) -> bool:
        with translated("GetBucketVersioning"):
            return "Status" in self.sides.target_s3.get_bucket_versioning(Bucket=self.routed.target)

    def _delete(self, entry: _Entry) -> bool:
        """Delete a version for good; where there are none, the object unless it has other bytes meanwhile."""
        which = {"VersionId": entry.version_id} if self._has_versions else {"IfMatch": entry.etag}
        return delete_object(self.sides.target_s3, self.routed.target, entry.key, **which)


def _clear_table(sides: Sides, routed: RoutedDataset, mask: Mask, executor: Executor) -> Iterator[Clearance]:
    dataset = routed.dataset
    only = (*dataset.attribute_names, REPLICATED_FROM, REPLICATED_POLICY)
    segments = [
        scan(sides.target_dynamodb, routed.target, dataset, Segment(number, _SEGMENTS), only=only)
        for number in range(_SEGMENTS)
    ]

    def clear_item(item: Any) -> Clearance:
        done = Clearance()
        if item.get(REPLICATED_FROM, {}).get("S") != sides.route.source_environment:
            done.left[OWN] += 1
        elif mask.item_doubt(item, dataset):
            try:
                place = dataset.of_item(item)
                done.deleted[ITEMS] += delete_doubtful(sides.target_dynamodb, routed.target, place, mask)
            except StoreError as error:
                done.failures[_why(error)] += 1
        return done

    items = (item for page in in_parallel(segments, threads=_SEGMENTS) for item in page.items)
    return bounded_map(executor, clear_item, items, window=2 * _KEYS_AT_ONCE)


def _why(error: StoreError) -> str:
    return f"{error.kind}: {error.message}"
