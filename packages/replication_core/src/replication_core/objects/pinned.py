"""The bytes of one version of an object, read as a stream from any byte on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from record_files.decompression import CHUNK_BYTES
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.objects.heads import ABSENT, DELETE_MARKER
from replication_core.objects.states import UNVERSIONED, Head

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Gone", "PinnedObject", "found"]

_REOPENS = 3
"""Times that what broke off, or was answered with no bytes, is opened again before a byte has come."""

_GONE = ABSENT | DELETE_MARKER
"""What is answered for an object that is not there, or whose current version is a delete marker."""


class Gone(Exception):  # noqa: N818 - it is news, not an error
    """The version is not there any more: nothing is to be done for it."""


@contextmanager
def found(operation: str, *gone: str) -> Iterator[None]:
    """Translate what comes of a call, and raise Gone where it is that what is asked for is not there."""
    try:
        with translated(operation):
            yield
    except StoreError as error:
        if error.kind in _GONE or error.kind in gone:
            raise Gone from error
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedObject:
    """One version of an object; in a bucket without versions the ETag pins what is read."""

    s3: "S3Client"
    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int

    @classmethod
    def of(cls, s3: "S3Client", bucket: str, key: str, head: Head) -> Self:
        """Return the version that a head tells of."""
        return cls(s3=s3, bucket=bucket, key=key, version_id=head.version_id, etag=head.etag, size=head.size)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the version's bytes from this one on; raises Gone or StoreError.

        A connection that breaks, or that S3 closes because its reader is slower than the object, is opened again where
        it broke.
        """
        at, fruitless = start, 0
        while at < self.size:
            body, why = self._open(at), "EmptyAnswer"
            try:
                while chunk := body.read(CHUNK_BYTES):
                    at, fruitless = at + len(chunk), 0
                    yield chunk
            except (BotoCoreError, HTTPError, OSError) as error:
                why = type(error).__name__
            finally:
                body.close()
            fruitless += 1
            if fruitless > _REOPENS:
                raise StoreError(why, "GetObject: the connection keeps breaking, or has no bytes")

    def touch(self) -> None:
        """Raise Gone or StoreError where the version's bytes can't be read, whatever its head tells."""
        if self.size:
            self._open(0).close()

    def _open(self, start: int) -> Any:
        pinned: Any = {"IfMatch": self.etag}
        if self.version_id not in UNVERSIONED:
            pinned["VersionId"] = self.version_id
        if start:
            pinned["Range"] = f"bytes={start}-"
        with found("GetObject", "PreconditionFailed", "412"):
            answer: Any = self.s3.get_object(Bucket=self.bucket, Key=self.key, **pinned)
            told("GetObject", answer, "ETag")
            if start and "ContentRange" not in answer:
                _skip(answer["Body"], start)
        if start and not answer.get("ContentRange", f"bytes {start}-").startswith(f"bytes {start}-"):
            raise StoreError("WrongRange", "GetObject: answered with other bytes than those asked for")
        return answer["Body"]


def _skip(body: Any, size: int) -> None:
    """Read over so many bytes: https://www.rfc-editor.org/rfc/rfc9110#section-14.2, a server may ignore a range."""
    while size and (chunk := body.read(min(size, CHUNK_BYTES))):
        size -= len(chunk)
