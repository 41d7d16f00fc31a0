"""S3's side of the replicas: server-side copies pinned to the version that was read, never a body through here."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambda_common.errors import StoreError
from lambda_common.failures import told, translated
from replicator_lambda.large_copy import LargeCopy, LargeObject
from replicator_lambda.object_reading import DELETE_MARKER, EXPIRES, Absent, read_head, read_tags
from replicator_lambda.object_states import Head, ObjectState, Tags, TagsRead
from replicator_lambda.provenance import replica_metadata, tells_version
from replicator_lambda.reconcile import SourceMoved
from replicator_lambda.request_headers import Telling, copy_source_bytes, tell

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["DEFAULT_LARGE_FROM", "S3Objects"]

DEFAULT_LARGE_FROM = 512 * 1024**2
"""Bytes that one CopyObject is given at most.

S3 takes 5 GiB (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html), but nothing can stop or follow a
call that has begun. This many are copied in the deadline's reserve of 15 seconds at 35 MiB/s; of a slower copy that
began just before the deadline Lambda ends the function, and its messages come back after the visibility timeout.
"""

# The last of them where the replica was deleted between its copy and its tags, by who saw a newer source.
_MOVED = frozenset({"NoSuchKey", "NoSuchVersion", "PreconditionFailed", "412", DELETE_MARKER})
_BUCKET_SEEN_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class S3Objects:
    """Reads objects of the source bucket and copies or deletes their replicas in the target bucket.

    A replica has its source's bytes, stored headers, user metadata, tags and checksum algorithm. Its storage class
    is STANDARD and its encryption the target bucket's default: both are the target's own policy, as its lifecycle
    is. Object locks, ACLs and annotations are not replicated. What a request can't say of it S3 takes from the source
    by itself (see `request_headers`); such a replica has no provenance.

    Not excluded: a write whose answer was lost, and which S3 lets take effect only after a later reconcile of the
    key has confirmed another state. No call of S3's can be taken back or fenced; the key's next notice mends it.
    """

    source: "S3Client"
    source_bucket: str
    source_environment: str
    target: "S3Client"
    copying: "S3Client"
    """A client of the target's region that waits long enough for a copy."""

    target_bucket: str
    large_copy: LargeCopy
    large_from: int = DEFAULT_LARGE_FROM
    """Objects of more bytes than this are copied in parts."""

    clock: Callable[[], float] = time.monotonic
    _bucket_seen: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for operation in ("CopyObject", "CreateMultipartUpload"):
            events = self.copying.meta.events
            # Named, so that replicators that share a client register this once.
            events.register(f"before-parameter-build.s3.{operation}", _take_expires, f"take-expires-{operation}")
            events.register(f"before-call.s3.{operation}", _send_expires, f"send-expires-{operation}")

    def head(self, key: str) -> Head | None:
        """Read the source's current object; None where there is none or a delete marker is current.

        A head that finds nothing can't tell a missing object from a missing bucket, and the one must delete a
        replica while the other must not: without a delete marker the bucket is looked at, once a minute at most.
        """
        found = read_head(self.source, self.source_bucket, key)
        if isinstance(found, Absent):
            if not found.marked:
                self._see_bucket()
            return None
        return found

    def tags(self, key: str, version_id: str | None) -> TagsRead | None:
        """Read the tags of a version of the source, or of the current one; None where there is no such object."""
        return read_tags(self.source, self.source_bucket, key, version_id)

    def copy(self, key: str, state: ObjectState) -> int:
        """Make the replica equal to this state; return the bytes copied.

        It is one write, or two where the tags are put by themselves. That two reconcilers' writes may alternate does
        no harm: each of them looks at the source after its last write, so that who wrote last has seen its own
        state there, or writes again.
        """
        source: Any = {"Bucket": self.source_bucket, "Key": key}
        if state.head.version_id is not None:
            source["VersionId"] = state.head.version_id
        try:
            if state.head.size > self.large_from:
                return self._copy_large(key, state, source)
            return self._copy_whole(key, state, source)
        except StoreError as error:
            if error.kind in _MOVED:
                raise SourceMoved from error
            raise

    def delete(self, key: str) -> None:
        """Delete the replica; a versioned target keeps it below a delete marker, also where there was none."""
        with translated("DeleteObject"):
            self.target.delete_object(Bucket=self.target_bucket, Key=key)

    def has_replica(self, key: str) -> bool:
        """Tell whether the target has an object of the key."""
        return not isinstance(read_head(self.target, self.target_bucket, key), Absent)

    def _copy_whole(self, key: str, state: ObjectState, source: Any) -> int:
        head = state.head
        used = copy_source_bytes(self.source_bucket, key, head.version_id)
        telling = tell(state, replica_metadata(head, self.source_environment), used=used)
        if head.size > self.large_copy.part_size:
            self.large_copy.see_deadline()
        with translated("CopyObject"):
            answer = self.copying.copy_object(
                Bucket=self.target_bucket,
                Key=key,
                CopySource=source,
                CopySourceIfMatch=head.etag,
                MetadataDirective="REPLACE" if telling.exact else "COPY",
                # The tags of a version change, so that S3's own copy of them might be of another moment.
                TaggingDirective="REPLACE",
                # S3 would copy them by default, for which the role has no right: they are not part of a replica.
                AnnotationDirective="EXCLUDE",
                **telling.arguments,
            )
        told("CopyObject", answer, "CopyObjectResult", "ETag")
        self._put_tags_apart(key, state, telling)
        return head.size

    def _copy_large(self, key: str, state: ObjectState, source: Mapping[str, str]) -> int:
        head = state.head
        metadata = replica_metadata(head, self.source_environment)
        telling = tell(state, metadata)
        if not telling.exact:
            raise StoreError(
                "NotCopyable",
                f"an object of more than {self.large_from} bytes whose headers or metadata are too long, or not ASCII",
                permanent=True,
            )
        if self._is_there(key, head, metadata):
            found = read_tags(self.target, self.target_bucket, key, None)
            if found is not None:
                if found.tags != state.tags:
                    self._put_tags(key, state.tags)
                return 0
        arguments = {"Bucket": self.target_bucket, "Key": key, **telling.arguments}
        if head.checksum_algorithm is not None:
            # CopyObject keeps the source's by itself.
            arguments["ChecksumAlgorithm"] = head.checksum_algorithm
        if head.checksum_type is not None and (head.checksum_algorithm or "").startswith("CRC"):
            arguments["ChecksumType"] = head.checksum_type
        self.large_copy.copy(LargeObject(source=source, etag=head.etag, size=head.size, arguments=arguments))
        self._put_tags_apart(key, state, telling)
        return head.size

    def _is_there(self, key: str, head: Head, metadata: Mapping[str, str]) -> bool:
        """Tell whether an earlier try has copied this very version, so that a large object isn't copied twice."""
        there = read_head(self.target, self.target_bucket, key)
        if isinstance(there, Absent):
            return False
        same = (there.size, there.headers, dict(there.metadata)) == (head.size, head.headers, dict(metadata))
        return same and tells_version(metadata, head)

    def _put_tags_apart(self, key: str, state: ObjectState, telling: Telling) -> None:
        if telling.tags_apart:
            self._put_tags(key, state.tags)

    def _put_tags(self, key: str, tags: Tags) -> None:
        tag_set: Any = [{"Key": name, "Value": value} for name, value in tags]
        with translated("PutObjectTagging"):
            self.target.put_object_tagging(Bucket=self.target_bucket, Key=key, Tagging={"TagSet": tag_set})

    def _see_bucket(self) -> None:
        now = self.clock()
        if self._bucket_seen is not None and now - self._bucket_seen < _BUCKET_SEEN_SECONDS:
            return
        try:
            with translated("HeadBucket"):
                self.source.head_bucket(Bucket=self.source_bucket)
        except StoreError as error:
            raise StoreError("SourceBucket", f"the source bucket can't be seen: {error.message}") from error
        self._bucket_seen = now


def _take_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Put the Expires header aside before botocore would parse it and send it differently, or refuse it.

    It is whatever text the writer stored, `0` and `-1` among them, and the replica's is to be the same.
    """
    if EXPIRES in params:
        context["replica_expires"] = params.pop(EXPIRES)


def _send_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if "replica_expires" in context:
        params["headers"]["Expires"] = context["replica_expires"]
