"""A file's records from any position on: what it is, decompressed and divided."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from processor_lambda.files import ARCHIVED, FileBucket, InputFile
from processor_lambda.records import Header, RecordError, Schema
from record_files.decompression import UnreadableError, gathered, gunzip, skipped
from record_files.encodings import Encoding, recognised
from record_files.splitting import Format, Position, Raw, Splitter, SplitterError, splitter
from replication_core.aws.errors import StoreError

__all__ = ["Reading"]


def _refusal(error: StoreError) -> str:
    if error.kind in ARCHIVED:
        return "the object is archived: restore it, and have it processed again"
    return f"{error.kind}: {error.message}"


def _split(splitting: Splitter, chunks: Iterable[bytes]) -> Iterator[Raw | None]:
    for chunk in chunks:
        yield from splitting.feed(chunk)
        yield None
    yield from splitting.close()


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
        if self.encoding is None:
            self.encoding, chunks = recognised(
                self.bucket.chunks(self.file),
                name=self.file.key,
                content_type=self.file.content_type,
                content_encoding=self.file.content_encoding,
            )
            return chunks
        if not self.encoding.compressed:
            return self.bucket.chunks(self.file, self.start.offset)
        return skipped(gathered(gunzip(self.bucket.chunks(self.file))), self.start.offset, self.out_of_time)

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
