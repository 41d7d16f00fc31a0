"""The list of a run's rejected records, in memory that doesn't grow with it.

While a run goes on, what does not fit into memory stands in pieces beside the results; at the end they become one
object. A line tells where a record is and what is wrong with it, never what it is:

    {"line": 3, "record": 2, "reason": "the field 'id' is missing"}
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from processor_lambda.files import FileBucket
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated

__all__ = ["PIECE_BYTES", "Rejections", "StateGoneError"]

PIECE_BYTES = 5 * 1024 * 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: the least that a part of an upload may have."""

_TYPE = "application/x-ndjson"


class StateGoneError(StoreError):
    """What a run put aside to be gone on with is not there: it was finished, or stood still until it expired.

    A later try finds the run's summary, or begins anew.
    """

    def __init__(self) -> None:
        super().__init__("StateGone", "what the run is to be gone on with is not there")


class Rejections:
    """Collects lines in their order, and writes them where they belong.

    A piece is named by the records that it covers, so that whoever writes one of the same name writes the same.
    """

    def __init__(self, bucket: FileBucket, folder: str, pieces: tuple[str, ...], since: int) -> None:
        self._bucket, self._folder, self._pieces, self._since = bucket, folder, list(pieces), since
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, line: int, record: int, reason: str) -> None:
        """Append a record."""
        text = json.dumps({"line": line, "record": record, "reason": reason}, ensure_ascii=False).encode() + b"\n"
        self._lines.append(text)
        self._size += len(text)

    def spill(self, read: int, *, least: int = PIECE_BYTES) -> tuple[str, ...]:
        """Write a piece if there is as much as `least` for it; return the names of all pieces.

        `read` is the number of records that the lines so far cover.
        """
        if self._lines and self._size >= least:
            name = f"{self._since:012d}-{read:012d}.rejected"
            self._bucket.put(self._folder + name, b"".join(self._lines), content_type=_TYPE)
            self._pieces.append(name)
            self._since, self._lines, self._size = read, [], 0
        return tuple(self._pieces)

    def finish(self, key: str, **metadata: str) -> None:
        """Write the whole list as one object, unless it is empty."""
        if self._pieces:
            self._upload(key, metadata)
        elif self._lines:
            self._bucket.put(key, b"".join(self._lines), content_type=_TYPE, **metadata)

    def _upload(self, key: str, metadata: dict[str, str]) -> None:
        s3: Any = self._bucket.s3
        where = {"Bucket": self._bucket.name, "Key": key}
        with translated("CreateMultipartUpload"):
            answer = s3.create_multipart_upload(**where, ContentType=_TYPE, Metadata=metadata)
        upload = told("CreateMultipartUpload", answer, "UploadId")
        try:
            parts = []
            for number, body in enumerate(self._parts(), start=1):
                with translated("UploadPart"):
                    answer = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=body)
                parts.append({"PartNumber": number, "ETag": told("UploadPart", answer, "ETag")})
            with translated("CompleteMultipartUpload"):
                answer = s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
            told("CompleteMultipartUpload", answer, "ETag")
        except BaseException:
            # What can't be aborted here the bucket's lifecycle does.
            with suppress(StoreError), translated("AbortMultipartUpload"):
                s3.abort_multipart_upload(**where, UploadId=upload)
            raise

    def _parts(self) -> Iterator[bytes]:
        part = b""
        for name in self._pieces:
            found = self._bucket.get(self._folder + name)
            if found is None:
                raise StateGoneError
            part += found[0]
            if len(part) >= PIECE_BYTES:
                yield part
                part = b""
        part += b"".join(self._lines)
        if part:
            yield part
