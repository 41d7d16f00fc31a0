"""A file's records from any position on: what it is, decompressed and divided."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

from processor_lambda.decompression import GUNZIPPED_BYTES, MAGIC, UnreadableError, gathered, gunzip
from processor_lambda.files import ARCHIVED, FileBucket, InputFile
from processor_lambda.records import Header, RecordError, Schema
from processor_lambda.splitting import BOM, RECORD_BYTES, Format, Position, Raw, Splitter, SplitterError, splitter
from replication_core.aws.errors import StoreError

__all__ = ["Encoding", "Reading"]

_SUFFIXES = {"jsonl": Format.LINES, "ndjson": Format.LINES, "jsonlines": Format.LINES, "csv": Format.CSV}
_CONTENT_TYPES = {
    **dict.fromkeys(
        ("application/jsonl", "application/x-jsonlines", "application/x-ndjson", "application/ndjson"), Format.LINES
    ),
    "text/csv": Format.CSV,
}
_PLAIN = frozenset({"", "identity", "aws-chunked", "gzip", "aws-chunked,gzip", "gzip,aws-chunked"})
_COMPRESSED = ".gz"


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a file is.

    Whether it is gzip its first two bytes tell, which no text begins with, whatever its name and headers say. Its
    format is told by its name (`.jsonl`, `.ndjson`, `.csv`, each also with `.gz`), else by its Content-Type, and else,
    as for `.json`, by its first character: a bracket begins an array, a brace JSON Lines. A byte order mark and white
    space are none, however many of the pieces that the file comes in they fill.
    """

    format: Format
    compressed: bool

    def __str__(self) -> str:
        return self.format.value + _COMPRESSED * self.compressed

    @classmethod
    def parse(cls, text: str) -> Self:
        """Build it from its text; raises ValueError for anything else."""
        return cls(Format(text.removesuffix(_COMPRESSED)), text.endswith(_COMPRESSED))


def _named(file: InputFile) -> Format | None:
    """Tell a file's format by its name, else by its Content-Type; None where its first character has to."""
    suffix = _suffix(file)
    content_type = file.content_type.partition(";")[0].strip().lower()
    return _SUFFIXES.get(suffix) or (None if suffix == "json" else _CONTENT_TYPES.get(content_type))


def _suffix(file: InputFile) -> str:
    return file.key.lower().removesuffix(".gz").removesuffix(".gzip").rpartition(".")[2]


def _begun(file: InputFile, begin: bytes) -> Format:
    """Tell a file's format by its first character; without any it is a file of no records. Raises UnreadableError."""
    first = _first(begin)
    if first == b"[":
        return Format.ARRAY
    if first == b"{" or _suffix(file) == "json" or not first:
        return Format.LINES
    raise UnreadableError("neither the name, the Content-Type nor the first byte tells what the file is")


def _refusal(error: StoreError) -> str:
    if error.kind in ARCHIVED:
        return "the object is archived: restore it, and have it processed again"
    return f"{error.kind}: {error.message}"


def _split(splitting: Splitter, chunks: Iterable[bytes]) -> Iterator[Raw | None]:
    for chunk in chunks:
        yield from splitting.feed(chunk)
        yield None
    yield from splitting.close()


def _first(begin: bytes) -> bytes:
    """Return a text's first byte behind a mark and white space, none where it has not come yet."""
    return b"" if BOM.startswith(begin) else begin.removeprefix(BOM).lstrip()[:1]


def _beginning(pieces: Iterator[bytes], most: int) -> bytes:
    """Take pieces until one has the first character; raises UnreadableError where `most` bytes have none."""
    begin = bytearray()
    for piece in pieces:
        begin += piece
        if piece.strip() and _first(bytes(begin)):
            break
        if len(begin) > most:
            raise UnreadableError(f"the file begins with more than {most} bytes of white space")
    return bytes(begin)


@dataclass(slots=True, kw_only=True)
class Reading:
    """Reads one file.

    `records` yields them, and None where nothing came of a chunk; between two, `position` is where the next begins.
    When it ends, `broken` says why the file could not be read to its end, if it could not.
    """

    bucket: FileBucket
    file: InputFile
    schema: Schema
    out_of_time: Callable[[], bool]
    start: Position = field(default_factory=Position)
    encoding: Encoding | None = None
    """What the file is, where that is known from before."""

    header: Header | None = None
    broken: str = ""
    _splitter: Splitter | None = None

    @property
    def position(self) -> Position:
        """Where the next record begins."""
        return self._splitter.position if self._splitter else self.start

    def records(self) -> Iterator[Raw | None]:
        """Yield the file's records from the start on; raises Gone, and StoreError for what a later try may help."""
        try:
            chunks = self._chunks()
            if self.encoding is None:
                return  # an empty file
            splitting = self._splitter = splitter(self.encoding.format, self.start)
            raws = _split(splitting, chunks)
            if self.encoding.format is Format.CSV:
                raws = self._behind_header(raws)
            yield from raws
        except (UnreadableError, SplitterError) as error:
            yield from self._broken_off(str(error))
        except StoreError as error:
            if not error.permanent:
                raise
            yield from self._broken_off(_refusal(error))

    def _broken_off(self, why: str) -> Iterator[Raw]:
        self.broken = why
        if self._splitter:
            yield from self._splitter.break_off()

    def _chunks(self) -> Iterator[bytes]:
        """Return the decompressed bytes from the start on, having found out what the file is."""
        if self.encoding is not None:
            if not self.encoding.compressed:
                return self.bucket.chunks(self.file, self.start.offset)
            return self._skipped(self._gunzipped(self.bucket.chunks(self.file)))
        encoding = "".join(self.file.content_encoding.lower().split())
        if encoding not in _PLAIN:
            raise UnreadableError("the Content-Encoding is none that can be read: only gzip is")
        raw = gathered(self.bucket.chunks(self.file))  # so that the first one has all bytes of what tells gzip
        first = next(raw, b"")
        if not first:
            return iter(())
        raw = chain([first], raw)
        compressed = first.startswith(MAGIC)
        chunks = self._gunzipped(raw) if compressed else raw
        if (named := _named(self.file)) is not None:
            self.encoding = Encoding(named, compressed)
            return chunks
        begin = _beginning(chunks, RECORD_BYTES)
        self.encoding = Encoding(_begun(self.file, begin), compressed)
        return chain([begin], chunks)

    def _gunzipped(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        return gathered(gunzip(raw, most=GUNZIPPED_BYTES))

    def _skipped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        left = self.start.offset
        for chunk in chunks:
            if left >= len(chunk):
                left -= len(chunk)
                if left and self.out_of_time():
                    raise UnreadableError("too much is compressed to be gone on with within the function's time")
                continue
            yield chunk[left:]
            left = 0

    def _behind_header(self, raws: Iterator[Raw | None]) -> Iterator[Raw | None]:
        if self.start == Position():
            self.header = self._header(raws)
        else:
            again = Reading(bucket=self.bucket, file=self.file, schema=self.schema, out_of_time=self.out_of_time)
            self.header = again.read_header()
        yield from raws

    def read_header(self) -> Header | None:
        """Return the header of a CSV file, None where it is empty; raises UnreadableError."""
        return self._header(_split(splitter(Format.CSV), self._chunks()))

    def _header(self, raws: Iterator[Raw | None]) -> Header | None:
        row = next((raw for raw in raws if raw is not None), None)
        if row is None:
            return None
        if row.data is None:
            raise UnreadableError(f"the header can't be read: {row.reason}")
        try:
            return Header(row.data, self.schema)
        except RecordError as error:
            raise UnreadableError(f"the header can't be read: {error}") from error
