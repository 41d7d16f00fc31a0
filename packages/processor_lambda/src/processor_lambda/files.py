"""The bucket's side of a run: one version of an object, read in chunks from any byte on."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.objects.heads import read_tags
from replication_core.objects.listings import KeyRange, Listed, list_objects
from replication_core.objects.pinned import Gone, PinnedObject, found
from replication_core.replicas import is_replica

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ARCHIVED", "FileBucket", "InputFile"]

ARCHIVED = frozenset({"InvalidObjectState", "ObjectNotInActiveTierError"})
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: of an object that is archived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One version of an object."""

    key: str
    version_id: str | None
    """None in a bucket without versions, where the ETag pins what is read."""

    etag: str
    size: int
    last_modified: datetime
    content_type: str = ""
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    superseded: bool = False
    """Whether a later version of the same key is there."""

    readable: bool = True
    """Whether more is known of it than a listing tells."""

    @classmethod
    def from_head(cls, key: str, answer: Mapping[str, Any]) -> Self:
        """Build it from the answer to a head."""
        version = answer.get("VersionId")
        return cls(
            key=key,
            version_id=None if version in {None, "null"} else version,
            etag=told("HeadObject", answer, "ETag"),
            size=told("HeadObject", answer, "ContentLength"),
            last_modified=told("HeadObject", answer, "LastModified"),
            content_type=answer.get("ContentType", ""),
            content_encoding=answer.get("ContentEncoding", ""),
            metadata=answer.get("Metadata", {}),
        )

    @classmethod
    def from_listing(cls, listed: Listed) -> Self:
        """Build it of an object that can't be looked at or read, from what a listing tells."""
        return cls(
            key=listed.key,
            version_id=None,
            etag=listed.etag,
            size=listed.size,
            last_modified=listed.last_modified,
            readable=False,
        )

    @property
    def is_marked(self) -> bool:
        """Whether its metadata alone tells that the replication put it there; see `FileBucket.is_replica`."""
        return is_replica(self.metadata, tuple)

    @property
    def version(self) -> str:
        """What tells the version from every other one of the key."""
        return self.version_id or self.etag.strip('"')

    @property
    def run(self) -> str:
        """The name of the version's run: always the same one.

        What can't be looked at has one of its own by its listed ETag, so that it is processed once it can be read.
        """
        version = self.version if self.readable else f"unreadable {self.etag}"
        return hashlib.sha256(f"{self.key}\n{version}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBucket:
    """Reads and writes the environment's bucket."""

    s3: "S3Client"
    name: str

    def head(self, key: str, version_id: str | None = None) -> InputFile:
        """Return what is known of an object, as it is now or of a version; raises Gone or StoreError."""
        version: Any = {"VersionId": version_id} if version_id else {}
        with found("HeadObject"):
            return InputFile.from_head(key, self.s3.head_object(Bucket=self.name, Key=key, **version))

    def find(self, key: str, version_id: str | None) -> InputFile:
        """Return a version, the current one by None, and whether it is superseded; raises Gone or StoreError."""
        try:
            current = self.head(key)
        except Gone:
            if version_id is None:
                raise
            return self.head(key, version_id)
        if version_id is None or current.version_id in {None, version_id}:
            return current
        return replace(self.head(key, version_id), superseded=True)

    def is_replica(self, file: InputFile) -> bool:
        """Tell whether the replication put it there; raises Gone or StoreError.

        It costs a call where the metadata does not tell.
        """
        return is_replica(file.metadata, lambda: self._tag_names(file))

    def _tag_names(self, file: InputFile) -> Collection[str]:
        try:
            found = read_tags(self.s3, self.name, file.key, file.version_id)
        except StoreError as error:
            if error.kind in ARCHIVED:  # not by S3: whoever refuses this refuses the bytes too, with the reason
                return ()
            raise
        if found is None:
            raise Gone
        return dict(found.tags)

    def exists(self, key: str) -> bool:
        """Tell whether there is an object of this key."""
        try:
            self.head(key)
        except Gone:
            return False
        return True

    def listed(self, prefix: str, after: str = "") -> Iterator[Listed]:
        """Yield the objects under a prefix, behind a key where that is given; raises StoreError."""
        return list_objects(self.s3, self.name, prefix, KeyRange(after or None))

    def chunks(self, file: InputFile, start: int = 0) -> Iterator[bytes]:
        """Yield the version's bytes from this one on; raises Gone or StoreError."""
        return self._pinned(file).chunks(start)

    def touch(self, file: InputFile) -> None:
        """Raise Gone or StoreError where the version's bytes can't be read, whatever its head tells."""
        self._pinned(file).touch()

    def _pinned(self, file: InputFile) -> PinnedObject:
        return PinnedObject(
            s3=self.s3, bucket=self.name, key=file.key, version_id=file.version_id, etag=file.etag, size=file.size
        )

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object's bytes and ETag, None where there is none."""
        try:
            with found("GetObject"):
                answer = self.s3.get_object(Bucket=self.name, Key=key)
                return answer["Body"].read(), told("GetObject", answer, "ETag")
        except Gone:
            return None

    def put(self, key: str, body: bytes, *, content_type: str, **metadata: str) -> None:
        """Write an object."""
        self._put(key, body, ContentType=content_type, Metadata=metadata)

    def put_if(self, key: str, body: bytes, etag: str | None, *, content_type: str) -> bool:
        """Write an object where there is none (None) or one with this ETag; return whether it was so.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html: 412 where it is not, 409 where
        another write was under way, and 404 for an ETag of an object that was deleted.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            self._put(key, body, ContentType=content_type, **condition)
        except StoreError as error:
            if error.kind in {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}:
                return False
            raise
        return True

    def _put(self, key: str, body: bytes, **options: Any) -> None:
        with translated("PutObject"):
            told("PutObject", self.s3.put_object(Bucket=self.name, Key=key, Body=body, **options), "ETag")

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with translated("DeleteObject"):
            self.s3.delete_object(Bucket=self.name, Key=key)
