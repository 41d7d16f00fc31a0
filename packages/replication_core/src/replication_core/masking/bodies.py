"""An object's body of records, masked as a stream: chunks of the source's bytes in, blocks of the replica's out. Pure.

The source's bytes alone decide what comes out, whatever the chunks and wherever it was gone on: whoever makes it again
gets the same checksum. Of gzip that holds where zlib is the same; another one (zlib-ng) may deflate the same bytes
otherwise. Memory does not grow with the body.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self

from record_files.decompression import UnreadableError, gathered, gunzip, skipped
from record_files.encodings import decoded
from record_files.splitting import Format, Position, Raw, Splitter, SplitterError, splitter
from replication_core.masking.records import RecordMask
from replication_core.masking.refusals import Unclassified

__all__ = ["BLOCK_BYTES", "BodyBlock", "BodyPosition", "MaskedBody"]

BLOCK_BYTES = 1024 * 1024
"""A block ends with the record that makes it so large, decompressed. In a gzip body it is a member of its own."""

_STATE = re.compile(r"|(?:open|first|next|done):0:0")


@dataclass(frozen=True, slots=True)
class BodyPosition:
    """Where a body's next record begins, and what has to be known there: numbers alone, and nothing of the body."""

    split: Position = field(default_factory=Position)
    records: int = 0
    """Those before it."""

    compressed: bool = False
    """Whether the body is gzip, which is read from its first byte on wherever it is gone on."""

    begun: bool = False
    """Whether an element of the array stands before it in what came out."""

    columns: tuple[int, ...] = ()
    """What becomes of a CSV row's cells, by `FieldMask.place`, -1 for those that are left out."""

    @property
    def source_offset(self) -> int:
        """The source's byte with which reading goes on."""
        return 0 if self.compressed else self.split.offset

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document, which `parse` reads."""
        return {
            "offset": self.split.offset,
            "line": self.split.line,
            "state": self.split.state,
            "records": self.records,
            "compressed": self.compressed,
            "begun": self.begun,
            "columns": list(self.columns),
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError for anything else."""
        match document:
            case {"offset": offset, "line": line, "state": str(state), "records": records, "columns": [*columns]}:
                numbers = (offset, line, records, *columns)
                flags = (document.get("compressed"), document.get("begun"))
                if (
                    all(type(number) is int for number in numbers)
                    and min(offset, line - 1, records, *(place + 1 for place in columns)) >= 0
                    and all(isinstance(flag, bool) for flag in flags)
                    and _STATE.fullmatch(state)
                ):
                    return cls(Position(offset, line, state), records, *flags, tuple(columns))
        raise ValueError("not a position in a body")


@dataclass(frozen=True, slots=True)
class BodyBlock:
    """The next bytes of a masked body."""

    data: bytes
    position: BodyPosition
    """Where what follows them comes from."""


class MaskedBody:
    """Masks one body, once, from its first byte or from a block's position on.

    Raises Unclassified for a body that is not what the policy says or that breaks off: what came out of it is no
    replica then.
    """

    def __init__(
        self, format_: Format, masks: RecordMask, at: BodyPosition | None = None, *, content_encoding: str = ""
    ) -> None:
        self._format = format_
        self._masks = masks
        self._at = at or BodyPosition()
        self._content_encoding = content_encoding
        self._splitter = splitter(format_, self._at.split)
        self._records = self._at.records
        self._begun = self._at.begun
        self._columns = masks.columns(self._at.columns)

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[BodyBlock]:
        """Yield what becomes of the source's bytes from the position's `source_offset` on."""
        line = 0
        try:
            compressed, plain = self._plain(iter(chunks))
            output = _Members(is_first=self._at == BodyPosition()) if compressed else _Bytes()
            for raw, data in _pieces(self._splitter, plain):
                line = raw.line if raw else 0
                output.add(self._record(raw, data) if raw else data)
                if output.size >= BLOCK_BYTES and (raw or not compressed):
                    yield BodyBlock(output.take(), self._position(compressed=compressed))
        except (UnreadableError, SplitterError) as error:
            raise Unclassified(str(error), record=self._records + 1) from None
        except Unclassified as error:
            raise error.at(record=self._records, line=line) from None
        if rest := output.last():
            yield BodyBlock(rest, self._position(compressed=compressed))

    def _plain(self, chunks: Iterator[bytes]) -> tuple[bool, Iterator[bytes]]:
        if self._at == BodyPosition():
            return decoded(chunks, self._content_encoding)
        if not self._at.compressed:
            return False, chunks
        return True, skipped(gathered(gunzip(chunks)), self._at.split.offset, lambda: False)

    def _position(self, *, compressed: bool) -> BodyPosition:
        places = tuple(column.place if column else -1 for column in self._columns)
        return BodyPosition(self._splitter.position, self._records, compressed, self._begun, places)

    def _record(self, raw: Raw, data: bytes) -> bytes:
        """Return what becomes of the bytes that end with a record; raises Unclassified."""
        is_header = self._format is Format.CSV and not self._columns
        self._records += 0 if is_header else 1
        if raw.data is None:
            raise Unclassified(raw.reason)
        if is_header:
            header, self._columns = self._masks.header(raw.data)
            return _ended(data, raw.data, header)
        if self._format is Format.CSV:
            return _ended(data, raw.data, self._masks.row(raw.data, self._columns))
        masked = self._masks.json(raw.data)
        return (self._element if self._format is Format.ARRAY else _ended)(data, raw.data, masked)

    def _element(self, data: bytes, record: bytes, masked: bytes | None) -> bytes:
        """Return an array's element as it is to be, with its white space, behind a comma where one is before it."""
        start = len(data[:-1].rstrip()) - len(record)
        opened = data.rfind(b"[", 0, start) + 1
        closing = data[-1:].removeprefix(b",")
        if masked is None:
            return data[:opened] + closing
        comma = b"," * self._begun
        self._begun = True
        return b"".join((data[:opened], comma, data[opened:start], masked, data[start + len(record) : -1], closing))


def _ended(data: bytes, record: bytes, masked: bytes | None) -> bytes:
    """Return what is before a line's record, and the masked one with the line's end, if it travels."""
    size = len(record) + data.endswith(b"\n")
    return data[:-size] + (b"" if masked is None else masked + data[len(data) - size + len(record) :])


def _pieces(splitting: Splitter, chunks: Iterable[bytes]) -> Iterator[tuple[Raw | None, bytes]]:
    """Yield all of a file's bytes: those that end with a record, and, with None, those that no record is in."""
    rest, origin = b"", splitting.offset
    for chunk in chain(chunks, (None,)):
        if chunk is None and not origin and not rest:
            return  # an empty file, of whatever format
        rest += chunk or b""
        start = 0
        for raw in splitting.close() if chunk is None else splitting.feed(chunk):
            end = splitting.offset - origin
            yield raw, rest[start:end]
            start = end
        end = len(rest) if chunk is None else splitting.offset - origin
        if start < end:
            yield None, rest[start:end]
        rest, origin = rest[end:], origin + end


class _Bytes:
    """A block's bytes as they are."""

    def __init__(self) -> None:
        self.size = 0
        """Of the block so far, decompressed."""

        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Put bytes behind those that there are."""
        self.size += len(data)
        self._data += data

    def take(self) -> bytes:
        """Return the block, and begin another one."""
        data = bytes(self._data)
        self._data.clear()
        self.size = 0
        return data

    def last(self) -> bytes:
        """Return the block that the body ends with, which may be none."""
        return self.take()


class _Members(_Bytes):
    """A block's bytes as a member of gzip, the same ones whenever it is made: https://www.rfc-editor.org/rfc/rfc1952."""

    _BEGIN = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    """Deflate, of no time and of an unknown system."""

    def __init__(self, *, is_first: bool) -> None:
        super().__init__()
        self._is_first = is_first
        self._begin()

    def _begin(self) -> None:
        self._deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self._made = [self._BEGIN]
        self._crc = 0

    def add(self, data: bytes) -> None:
        """Put bytes behind those that there are; they are deflated in pieces whose size does not depend on `data`."""
        super().add(data)
        while len(self._data) >= BLOCK_BYTES:
            self._compress(bytes(self._data[:BLOCK_BYTES]))
            del self._data[:BLOCK_BYTES]

    def _compress(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._made.append(self._deflate.compress(data))

    def take(self) -> bytes:
        """Return the member, and begin another one."""
        size = self.size
        self._compress(super().take())
        self._made += (self._deflate.flush(), self._crc.to_bytes(4, "little"), (size % 2**32).to_bytes(4, "little"))
        member = b"".join(self._made)
        self._is_first = False
        self._begin()
        return member

    def last(self) -> bytes:
        """Return the member that the body ends with; a body has one at least."""
        return self.take() if self.size or self._is_first else b""
