"""The first records of an object, as attributes: what a look at a file is made of."""

import csv
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NoReturn

from pipeline_ops.masking.leaves import NumberText, attribute_of
from record_files.decompression import UnreadableError
from record_files.encodings import decoded, recognised
from record_files.splitting import Format, splitter
from replication_core.aws.failures import translated
from replication_core.masking.attributes import Attribute

__all__ = ["Record", "UnreadableFileError", "first_records"]

Record = dict[str, Attribute]

_CHUNK_BYTES = 64 * 1024


class UnreadableFileError(Exception):
    """What holds no records, or not those of its format; the message says nothing of its bytes."""


def first_records(
    client: Any, bucket: str, key: str, version_id: str | None, most: int, *, format_: Format | None = None
) -> tuple[Format, list[Record]]:
    """Read up to so many records of an object, and no more of its bytes than that takes.

    Where the format is not given, the file's name, type and first character tell it. Raises UnreadableFileError, and
    StoreError.
    """
    pinned: Any = {"VersionId": version_id} if version_id else {}
    with translated("GetObject"):
        answer = client.get_object(Bucket=bucket, Key=key, **pinned)
    with closing(answer["Body"]) as body:
        raw, encoding = _chunks(body), answer.get("ContentEncoding", "")
        try:
            if format_ is None:
                told, chunks = recognised(
                    raw, name=key, content_type=answer.get("ContentType", ""), content_encoding=encoding
                )
                format_ = told.format if told else Format.LINES
            else:
                _, chunks = decoded(raw, encoding)
            return format_, list(_records(chunks, format_, most))
        except UnreadableError as error:
            why = str(error)
        except (ValueError, RecursionError, csv.Error):
            why = "its first records are not of its format"
    # Not while those are handled: what they say, or hold, may be of the bytes.
    raise UnreadableFileError(why)


def _chunks(body: Any) -> Iterator[bytes]:
    while True:
        with translated("GetObject"):
            chunk = body.read(_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _records(chunks: Iterator[bytes], format_: Format, most: int) -> Iterator[Record]:
    rows = _rows(chunks, format_)
    header = next(csv.reader([next(rows, "")], strict=True), []) if format_ is Format.CSV else []
    for _, row in zip(range(most), rows, strict=False):
        if format_ is Format.CSV:
            cells = next(csv.reader([row], strict=True))
            yield {name: {"S": cell} for name, cell in zip(header, cells, strict=True) if cell}
        else:
            record = json.loads(row, parse_int=NumberText, parse_float=NumberText, parse_constant=_refuse)
            if not isinstance(record, dict):
                raise UnreadableFileError("its records are no JSON objects")
            yield {name: attribute_of(value) for name, value in record.items()}


def _refuse(_: str) -> NoReturn:
    raise UnreadableFileError("a number of its records is none that JSON has")


def _rows(chunks: Iterator[bytes], format_: Format) -> Iterator[str]:
    reader = splitter(format_)
    for chunk in chunks:
        for raw in reader.feed(chunk):
            if raw.data is not None:
                yield raw.data.decode()
    for raw in reader.close():
        if raw.data is not None:
            yield raw.data.decode()
