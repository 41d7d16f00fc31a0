"""Replicas whose bodies are masked: streamed through this process, a part at a time.

Memory does not grow with objects of up to 20 GiB; of a larger one a part is a 2,500th, since there may be 10,000 and a
masked body may be larger. A small one is one PutObject. A larger one is a multipart upload, which an invocation that
runs out of time leaves for the next one to go on with. Which bytes are in which part depends on the source's bytes and
the policy alone, so that whoever uploads a part again, such as two deliveries of one message, uploads the same.
"""

import base64
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Self

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.object_keys import fits_xml
from replication_core.objects.heads import Absent, read_head
from replication_core.objects.large_copy import MOST_PARTS
from replication_core.objects.pinned import Gone, PinnedObject
from replication_core.objects.states import Head
from replication_core.objects.unfinished import UnfinishedCopy
from replication_core.reconcile import SourceMoved

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from replication_core.masking.bodies import BodyBlock, BodyPosition, MaskedBody
    from replication_core.masking.mask import ObjectMask

__all__ = ["MASKED_PART_SIZE", "MadeReplica", "MaskedCopy", "MaskedObject", "masked_blocks"]

MASKED_PART_SIZE = 8 * 1024**2
"""Bytes of a part, but for the rest of its last block, and of the largest body that is put at once.

They are held in memory. S3 wants 5 MiB of each part but the last:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

_AT_ONCE = 2
"""Bodies that are masked at the same time: that is work for the processor, and each holds a part in memory."""

_SMALL = 1024**2
"""Bytes of a source that waits for no other one: what it takes is the time of its calls."""

_GROWTH = 4
"""How many times as large as its source a masked body may be before it has more parts than S3 takes."""

_WHOLE = "FULL_OBJECT"
_CHECKSUMS: Any = {"ChecksumAlgorithm": "CRC32", "ChecksumType": _WHOLE}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html: of the whole object."""

_NO_UPLOAD = "NoSuchUpload"
_PART = ("PartNumber", "ETag", "ChecksumCRC32")


class _OutOfTimeError(Exception):
    """Nothing more is to be read in this invocation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedObject:
    """What is to be made: of which version's bytes, by what, and what its replica has besides."""

    source: PinnedObject
    body: "Callable[[BodyPosition | None], MaskedBody]"
    """Returns what masks the bytes from a position on."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Bucket, Key, headers, metadata and tags."""

    @classmethod
    def of(cls, source: PinnedObject, head: Head, rule: "ObjectMask", arguments: Mapping[str, Any]) -> Self:
        """Return what the rule makes of a version with this head."""
        encoding = dict(head.headers).get("ContentEncoding", "")
        return cls(source=source, body=partial(rule.body, content_encoding=encoding), arguments=arguments)


def masked_blocks(
    asked: MaskedObject, position: "BodyPosition | None" = None, see_deadline: Callable[[], None] = lambda: None
) -> "Iterator[BodyBlock]":
    """Yield what becomes of an object's bytes from a position on; raises Unclassified, SourceMoved and StoreError."""

    def chunks() -> Iterable[bytes]:
        for chunk in asked.source.chunks(position.source_offset if position else 0):
            see_deadline()
            yield chunk

    try:
        yield from asked.body(position).blocks(chunks())
    except Gone:
        raise SourceMoved from None


def _text(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _checked(data: bytes) -> Any:
    """Return what a request sends of these bytes, for the store to refuse others: as a file, which nobody copies."""
    return {"Body": BytesIO(data), "ChecksumAlgorithm": "CRC32", "ChecksumCRC32": _text(zlib.crc32(data))}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeReplica:
    """A replica that is there, and what S3 told of it."""

    size: int
    answer: Mapping[str, Any]
    in_parts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedCopy:
    """Makes replicas of masked bodies.

    None is seen before all of it is there. An upload that fails is aborted, unless the message that asked to go on with
    it comes back. Where an abort fails, the target bucket's lifecycle rule for incomplete uploads removes it.
    """

    client: "S3Client"
    part_size: int = MASKED_PART_SIZE
    out_of_time: Callable[[], bool] = lambda: False
    turns: threading.Semaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_ONCE))

    def copy(self, asked: MaskedObject, begun: UnfinishedCopy) -> MadeReplica | UnfinishedCopy:
        """Make the replica from where it was begun, or as much of it as there is time for.

        Raises SourceMoved where the version is gone meanwhile, or the upload, and StoreError.
        """
        with self.turns if asked.source.size > _SMALL else nullcontext():
            if self.out_of_time():
                return begun.put_off()
            upload = _Upload(client=self.client, arguments=asked.arguments, begun=begun, so_far=begun)
            try:
                upload.take_up()
                return self._through(asked, upload)
            except BaseException as error:
                upload.give_up(error)
                raise

    def _see_deadline(self) -> None:
        if self.out_of_time():
            raise _OutOfTimeError

    def discard(self, bucket: str, key: str, begun: UnfinishedCopy) -> None:
        """Abort what nobody is to go on with."""
        _Upload(client=self.client, arguments={"Bucket": bucket, "Key": key}, begun=begun, so_far=begun).abort()

    def _through(self, asked: MaskedObject, upload: "_Upload") -> MadeReplica | UnfinishedCopy:
        enough = max(self.part_size, -(-_GROWTH * asked.source.size // MOST_PARTS))
        part: list[bytes] = []
        try:
            for block in masked_blocks(asked, upload.position, self._see_deadline):
                part.append(block.data)
                if sum(map(len, part)) >= enough:
                    upload.add(b"".join(part), block.position)
                    part.clear()
                    self._see_deadline()
        except _OutOfTimeError:
            return upload.so_far.after(upload.begun)
        return upload.finish(b"".join(part))


@dataclass(slots=True, kw_only=True)
class _Upload:
    """A replica's multipart upload, which its first part begins."""

    client: "S3Client"
    arguments: Mapping[str, Any]
    begun: UnfinishedCopy
    """As this invocation has found it."""

    so_far: UnfinishedCopy
    position: "BodyPosition | None" = None
    """Where the next part begins in the source; None for the first one."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    has_whole_checksum: bool = False
    """Whether the store keeps a checksum of the whole object, as S3 does; others keep one of the parts' checksums."""

    def take_up(self) -> None:
        """Find the parts that there are to be, and begin anew where they are others."""
        if not self.begun.upload:
            return
        try:
            listed = self._listed()
        except StoreError as error:
            if error.kind != _NO_UPLOAD:
                raise
            listed = []
        found = listed[: self.begun.parts]
        expected = ([*range(1, self.begun.parts + 1)], self.begun.size)
        if ([part["PartNumber"] for part in found], sum(part["Size"] for part in found)) == expected:
            from replication_core.masking.bodies import BodyPosition  # noqa: PLC0415 - who masks nothing loads none

            with suppress(ValueError):  # another release may tell a position otherwise
                self.position = BodyPosition.parse(self.begun.position)
                self.parts = [{name: part[name] for name in _PART if name in part} for part in found]
                return
        self.abort()
        self.begun = self.so_far = self.begun.anew()

    def _listed(self) -> list[Any]:
        listed: list[Any] = []
        with translated("ListParts"):
            for page in self.client.get_paginator("list_parts").paginate(**self._named()):
                self.has_whole_checksum = page.get("ChecksumType") == _WHOLE
                listed += page.get("Parts", ())
        return listed

    def add(self, data: bytes, position: "BodyPosition | None" = None) -> None:
        """Upload the next part; None is the position behind the last one."""
        if not self.so_far.upload:
            self._begin()
        number, sent = self.so_far.parts + 1, _checked(data)
        if number > MOST_PARTS:
            raise StoreError("NotCopyable", f"its body is masked to more than {MOST_PARTS} parts", permanent=True)
        with self._there("UploadPart"):
            answer = self.client.upload_part(**self._named(), PartNumber=number, **sent)
            etag = told("UploadPart", answer, "ETag")
        self.parts.append({"PartNumber": number, "ETag": etag, "ChecksumCRC32": sent["ChecksumCRC32"]})
        self.so_far = replace(
            self.so_far,
            parts=number,
            size=self.so_far.size + len(data),
            crc=zlib.crc32(data, self.so_far.crc),
            position=position.document() if position else {},
        )

    def _begin(self) -> None:
        if not fits_xml(self.arguments["Key"]):
            why = "a body that is masked to more than one request takes, and a key that no XML can hold"
            raise StoreError("NotCopyable", why, permanent=True)
        with translated("CreateMultipartUpload"):
            answer = self.client.create_multipart_upload(**self.arguments, **_CHECKSUMS)
        self.so_far = replace(self.so_far, upload=told("CreateMultipartUpload", answer, "UploadId"))
        self.has_whole_checksum = answer.get("ChecksumType") == _WHOLE

    def finish(self, data: bytes) -> MadeReplica:
        """Make the replica of all parts and of these last bytes."""
        if not self.so_far.upload:
            return self._put(data)
        if data:
            self.add(data)
        try:
            answer = self._complete()
        except SourceMoved:
            answer = self._completed()
        return MadeReplica(size=self.so_far.size, answer=answer, in_parts=True)

    def _put(self, data: bytes) -> MadeReplica:
        with translated("PutObject"):
            answer = self.client.put_object(**self.arguments, **_checked(data))
            told("PutObject", answer, "ETag")
        return MadeReplica(size=len(data), answer=answer)

    def _complete(self) -> Mapping[str, Any]:
        whole: Any = {"ChecksumCRC32": _text(self.so_far.crc), "ChecksumType": _WHOLE}
        with self._there("CompleteMultipartUpload"):
            answer = self.client.complete_multipart_upload(
                **self._named(),
                MultipartUpload={"Parts": self.parts},  # type: ignore[typeddict-item] # their names are _PART
                MpuObjectSize=self.so_far.size,
                **(whole if self.has_whole_checksum else {}),
            )
            told("CompleteMultipartUpload", answer, "ETag")
        return answer

    def _completed(self) -> Mapping[str, Any]:
        """Return what is there of an upload that is gone, if it was completed: an answer was lost, or was another's."""
        there = read_head(self.client, self.arguments["Bucket"], self.arguments["Key"])
        if isinstance(there, Absent) or dict(there.metadata) != self.arguments["Metadata"]:
            raise SourceMoved
        if (there.checksum, there.size) != (_text(self.so_far.crc), self.so_far.size):
            raise SourceMoved
        return {"ETag": there.etag, "VersionId": there.version_id}

    def give_up(self, error: BaseException) -> None:
        """Abort the upload, unless a message that asks to go on with it comes back."""
        comes_back = self.begun.upload and not (isinstance(error, SourceMoved) or getattr(error, "permanent", False))
        if not comes_back:
            self.abort()

    def abort(self) -> None:
        """Remove the parts; a failure to do so is no matter."""
        if not self.so_far.upload:
            return
        with suppress(StoreError), translated("AbortMultipartUpload"):
            self.client.abort_multipart_upload(**self._named())

    def _named(self) -> Any:
        return {"Bucket": self.arguments["Bucket"], "Key": self.arguments["Key"], "UploadId": self.so_far.upload}

    @contextmanager
    def _there(self, operation: str) -> Iterator[None]:
        """Translate, and raise SourceMoved where the upload is gone: completed, or aborted, by somebody else."""
        try:
            with translated(operation):
                yield
        except StoreError as error:
            if error.kind == _NO_UPLOAD:
                raise SourceMoved from error
            raise
