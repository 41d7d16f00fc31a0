"""Records out of a stream of bytes, whatever its chunks, in memory that no record's length can exceed. Pure.

A splitter is fed chunks and yields records. Between two of them `position` says where the next would begin, and a
splitter made from that position goes on with the bytes from there as if it had read all those before.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BOM", "RECORD_BYTES", "Format", "Position", "Raw", "Splitter", "SplitterError", "splitter"]

RECORD_BYTES = 1024 * 1024
"""The most bytes of a record: no item can be as large, so that nothing is refused which a table would take."""

BOM = b"\xef\xbb\xbf"
"""The mark that a text in UTF-8 may begin with."""

TOO_LONG = "the record is longer than a record may be"
CUT_OFF = "the file ends within the record"
UNCLOSED = "a quoted cell is not closed"


class Format(StrEnum):
    """What a file is, once it is decompressed."""

    LINES = "json-lines"
    ARRAY = "json-array"
    CSV = "csv"


class SplitterError(ValueError):
    """The bytes are not what their format says, from here on; the text holds none of them."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next record begins, and what the splitter has to know there."""

    offset: int = 0
    """Bytes before it, decompressed."""

    line: int = 1
    state: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """A record's bytes, or None with the reason where it is none that could be read."""

    line: int
    """The line that it begins in, from 1."""

    data: bytes | None
    reason: str = ""


class Splitter(ABC):
    """Feeds on a file's chunks in order."""

    def __init__(self, at: Position, most: int) -> None:
        self._offset, self._line, self._most = at.offset, at.line, most
        self._rest = b""
        self._fresh = at == Position()
        self.skipping = at.state.startswith("skip")
        """Whether the rest of a record that is too long is being skipped."""

    @property
    def position(self) -> Position:
        """Where the next record begins; inside of one that is being skipped, how far that has got."""
        return Position(self._offset, self._line, self._state())

    @property
    def offset(self) -> int:
        """The position's offset."""
        return self._offset

    @abstractmethod
    def _state(self) -> str: ...

    def feed(self, chunk: bytes) -> Iterator[Raw]:
        """Yield the records that end in this chunk. The next chunk is for after all of them were taken."""
        buffer = self._rest + chunk
        if self._fresh:
            if len(buffer) < len(BOM) and BOM.startswith(buffer):
                self._rest = buffer
                return
            self._fresh = False
            if buffer.startswith(BOM):
                self._offset += len(BOM)
                buffer = buffer[len(BOM) :]
        yield from self._split(buffer)

    @abstractmethod
    def _split(self, buffer: bytes) -> Iterator[Raw]: ...

    @abstractmethod
    def close(self) -> Iterator[Raw]:
        """Yield what ends with the file; raises SplitterError where the file must not end."""

    def break_off(self) -> Iterator[Raw]:
        """Yield the record in which the file was found broken, if any, as one that can't be read."""
        if self._rest.strip() and not self.skipping:
            yield Raw(self._line + _leading_lines(self._rest), None, CUT_OFF)

    def _take(self, data: bytes, size: int, lines: int) -> Iterator[Raw]:
        """Move on over a record of this size with its end, and yield it unless it is blank."""
        line = self._line
        self._offset += size
        self._line += lines
        if len(data) > self._most:
            yield Raw(line, None, TOO_LONG)
        elif data.strip():
            yield Raw(line, data)


def _leading_lines(data: bytes) -> int:
    return data.count(b"\n", 0, len(data) - len(data.lstrip()))


class _Lines(Splitter):
    """A record on each line, or on more where one says that it goes on."""

    def _state(self) -> str:
        return "skip" if self.skipping else ""

    def _end(self, buffer: bytes, start: int) -> int:
        """Return where the record's newline is, -1 where it has not come yet."""
        return buffer.find(b"\n", start)

    def _split(self, buffer: bytes, *, is_last: bool = False) -> Iterator[Raw]:
        start = 0
        if self.skipping:
            start = buffer.find(b"\n") + 1
            self._offset += start or len(buffer)
            self._rest = b""
            if not start:
                return
            self._line += 1
            self.skipping = False
        stop = len(buffer) - is_last  # the newline that ends the last record may not be in the file
        while start < stop:
            end = self._end(buffer, start)
            if end >= 0:
                after = min(end + 1, stop)
                yield from self._take(buffer[start:end], after - start, buffer.count(b"\n", start, after))
                start = after
            elif len(buffer) - start <= self._most and not is_last:
                break
            elif newline := buffer.find(b"\n", start) + 1:
                # What the line begins doesn't end: it is a bad record, and the next line begins another.
                after = min(newline, stop)
                self._offset += after - start
                self._line += 1
                yield Raw(self._line - 1, None, UNCLOSED)
                start = after
            else:
                self._offset += len(buffer) - start
                self.skipping = True
                yield Raw(self._line, None, TOO_LONG)
                start = len(buffer)
        self._rest = buffer[start:stop]

    def close(self) -> Iterator[Raw]:
        if self._rest:
            yield from self._split(self._rest + b"\n", is_last=True)


_CELL = rb'(?:"(?:[^"]++|"")*+"[^,\n]*+|(?!")[^,\n]*+)'
_CELLS = rb"(?:," + _CELL + rb")*+\n"
_ROW = re.compile(_CELL + _CELLS)
_REST_OF_ROW = re.compile(rb'(?:[^"]++|"")*+"[^,\n]*+' + _CELLS)
"""What ends a row whose quoted cell was not closed in the lines before."""


class _Csv(_Lines):
    """RFC 4180's rows: a cell that begins with a quote may have line breaks in it.

    A row that its own line does not end is ended by the first of the following lines that closes a quoted cell and
    opens none. Which line that is does not depend on the row, so that each line is looked at for it once, however many
    rows before it wait.
    """

    _looked_until = 0
    """The offset in the file up to which no line ends a row that began before it."""

    def _end(self, buffer: bytes, start: int) -> int:
        newline = buffer.find(b"\n", start)
        if newline < 0 or buffer.find(b'"', start, newline) < 0 or _ROW.match(buffer, start, newline + 1):
            return newline
        offset = self._offset - start  # of the buffer's first byte
        line = max(newline + 1, self._looked_until - offset)
        while (quote := buffer.find(b'"', line)) >= 0 and (newline := buffer.find(b"\n", quote)) >= 0:
            if _REST_OF_ROW.match(buffer, max(line, buffer.rfind(b"\n", line, quote) + 1), newline + 1):
                return newline
            line = newline + 1
        self._looked_until = offset + max(line, buffer.rfind(b"\n", line) + 1)
        return -1


_STRUCTURE = re.compile(rb'["\[\]{},]')
_IN_STRING = re.compile(rb'["\\]')
_IN_ELEMENT = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""What brackets don't end: whole strings, and what is between them."""


class _Array(Splitter):
    """The elements of one JSON array, told apart by brackets and strings alone: each is parsed by itself afterwards."""

    def __init__(self, at: Position, most: int) -> None:
        super().__init__(at, most)
        phase, depth, string = (at.state or "open:0:0").split(":")
        self._phase = phase
        """`open` before the bracket, `first` and `next` before an element, `done` at the end."""
        self._depth = int(depth)
        self._string = bool(int(string))
        self._begin = 0
        """Where the next element begins in what there is; before that everything was taken."""
        self._scanned = 0
        """How many bytes from there were looked at."""

    def _state(self) -> str:
        return f"skip:{self._depth}:{int(self._string)}" if self.skipping else f"{self._phase}:0:0"

    def _split(self, buffer: bytes) -> Iterator[Raw]:
        self._rest, self._begin = buffer, 0
        yield from self._elements()
        self._rest, self._begin = self._rest[self._begin :], 0

    def _elements(self) -> Iterator[Raw]:
        if self._phase == "open" and not self._opened():
            return
        while self._phase != "done":
            end = self._scan()
            if end >= 0:
                yield from self._element(end)
                continue
            if self.skipping:
                self._move(self._scanned)
            elif len(self._rest) - self._begin > self._most:
                line = self._line + _leading_lines(self._rest[self._begin :])
                self._move(self._scanned)
                self.skipping = True
                yield Raw(line, None, TOO_LONG)
            return
        if self._rest[self._begin :].strip():
            self._rest = b""
            raise SplitterError("something follows the end of the JSON array")
        self._move(len(self._rest) - self._begin)

    def _move(self, size: int) -> None:
        """Go on behind so many bytes."""
        after = self._begin + size
        self._line += self._rest.count(b"\n", self._begin, after)
        self._offset += size
        self._begin, self._scanned = after, 0

    def _opened(self) -> bool:
        blank = len(self._rest) - len(self._rest.lstrip())
        self._move(blank)
        if blank == len(self._rest):
            return False
        if not self._rest.startswith(b"[", blank):
            self._rest = b""
            raise SplitterError("the file is not a JSON array")
        self._move(1)
        self._phase = "first"
        return True

    def _scan(self) -> int:
        """Return where the element's comma or the array's bracket is; -1 where it has not come yet."""
        buffer, at, depth = self._rest, self._begin + self._scanned, self._depth
        try:
            while True:
                if depth and not self._string and (inside := _IN_ELEMENT.match(buffer, at)):
                    at = inside.end()
                found = (_IN_STRING if self._string else _STRUCTURE).search(buffer, at)
                if not found:
                    at = len(buffer)
                    return -1
                byte = found[0]
                if byte == b"\\":
                    if found.end() == len(buffer):
                        at = found.start()
                        return -1
                    at = found.end() + 1
                    continue
                at = found.end()
                if byte == b'"':
                    self._string = not self._string
                elif byte in b"[{":
                    depth += 1
                elif depth and byte in b"]}":
                    depth -= 1
                elif not depth and byte in b",]":
                    return at - 1
        finally:
            self._scanned, self._depth = at - self._begin, depth

    def _element(self, end: int) -> Iterator[Raw]:
        data, is_last, is_first = (
            self._rest[self._begin : end],
            self._rest[end : end + 1] == b"]",
            self._phase == "first",
        )
        line = self._line + _leading_lines(data)
        self._move(end + 1 - self._begin)
        self._phase = "done" if is_last else "next"
        if self.skipping:
            self.skipping = False
        elif len(data) > self._most:
            yield Raw(line, None, TOO_LONG)
        elif data.strip() or not (is_last and is_first):
            yield Raw(line, data.strip())

    def close(self) -> Iterator[Raw]:
        if self._phase == "done":
            return
        yield from self.break_off()
        self._rest = b""
        raise SplitterError("the JSON array is not closed")


_SPLITTERS: dict[Format, type[Splitter]] = {Format.LINES: _Lines, Format.ARRAY: _Array, Format.CSV: _Csv}


def splitter(format_: Format, at: Position | None = None, *, most: int = RECORD_BYTES) -> Splitter:
    r"""Return a splitter that goes on at a position, from a file's first byte by default.

    >>> lines = splitter(Format.LINES)
    >>> [raw.data for chunk in (b'{"a"', b': 1}\n{"b": 2}') for raw in lines.feed(chunk)]
    [b'{"a": 1}']
    >>> [raw.data for raw in lines.close()]
    [b'{"b": 2}']
    """
    return _SPLITTERS[format_](at or Position(), most)
