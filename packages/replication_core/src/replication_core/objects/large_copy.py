"""Copies of objects that are too large for one CopyObject: in parts, in parallel, all of the same version."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["DEFAULT_PART_SIZE", "MOST_PARTS", "LargeCopy", "LargeObject"]

DEFAULT_PART_SIZE = 64 * 1024**2
"""A part takes the deadline's reserve of 15 seconds where S3 copies only 4.3 MiB/s.

Objects of more than 10,000 such parts, 625 GiB, get larger ones.
"""

MOST_PARTS = 10_000  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeObject:
    """What is to be copied: a version of the source, and what CreateMultipartUpload is told of its replica."""

    source: Mapping[str, str]
    etag: str
    size: int
    arguments: Mapping[str, Any]
    """Bucket, Key, headers, metadata, tags and checksum: a multipart upload takes none of them from the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeCopy:
    """Copies large objects on the server's side by UploadPartCopy.

    Each part is pinned to the version and the ETag that were read, so that a replica is never put together from two
    versions. An upload that can't be completed is aborted; where even that fails, the target bucket's lifecycle rule
    for incomplete uploads removes it.
    """

    client: "S3Client"
    executor: Executor
    """Runs the parts; none of its threads may be waiting for a copy."""

    part_size: int = DEFAULT_PART_SIZE
    out_of_time: Callable[[], bool] = lambda: False

    def copy(self, large: LargeObject) -> Mapping[str, Any]:
        """Copy the object and return what S3 tells of it; raise the first part's StoreError after an abort."""
        with translated("CreateMultipartUpload"):
            answer = self.client.create_multipart_upload(**large.arguments)
        upload = told("CreateMultipartUpload", answer, "UploadId")
        try:
            parts = self._copy_parts(large, upload)
            with translated("CompleteMultipartUpload"):
                done = self.client.complete_multipart_upload(
                    **self._named(large, upload), MultipartUpload={"Parts": parts}
                )
            told("CompleteMultipartUpload", done, "ETag")
        except BaseException:
            with suppress(StoreError), translated("AbortMultipartUpload"):
                self.client.abort_multipart_upload(**self._named(large, upload))
            raise
        return done

    def see_deadline(self) -> None:
        """Raise a retryable StoreError where no more bytes are to be copied in this invocation."""
        if self.out_of_time():
            raise StoreError("OutOfTime", "the function's time was up before all was copied")

    def _copy_parts(self, large: LargeObject, upload: str) -> list[Any]:
        size = max(self.part_size, -(-large.size // MOST_PARTS))
        futures = [
            self.executor.submit(self._copy_part, large, upload, number, start, min(start + size, large.size))
            for number, start in enumerate(range(0, large.size, size), start=1)
        ]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for future in futures:
                future.cancel()
            wait(futures)  # a part that lands after an abort would be kept, and billed
        for future in futures:
            if not future.cancelled() and (error := future.exception()) is not None:
                raise error
        return [future.result() for future in futures]

    def _copy_part(self, large: LargeObject, upload: str, number: int, start: int, end: int) -> dict[str, Any]:
        self.see_deadline()
        with translated("UploadPartCopy"):
            answer = self.client.upload_part_copy(
                **self._named(large, upload),
                PartNumber=number,
                CopySource=dict(large.source),  # type: ignore[arg-type] # the key VersionId is not always there
                CopySourceIfMatch=large.etag,
                CopySourceRange=f"bytes={start}-{end - 1}",
            )
        told("UploadPartCopy", answer, "CopyPartResult", "ETag")
        # A part's checksum has to be named again where the upload asked for one, hence all but the date.
        return {"PartNumber": number} | {
            name: value for name, value in answer["CopyPartResult"].items() if name != "LastModified"
        }

    @staticmethod
    def _named(large: LargeObject, upload: str) -> Any:
        return {"Bucket": large.arguments["Bucket"], "Key": large.arguments["Key"], "UploadId": upload}
