"""One run: a file's records become items, as many as the invocation's time suffices for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from processor_lambda.notices import Progress
from processor_lambda.reading import Reading
from processor_lambda.records import Record, RecordError, read_json
from processor_lambda.rejections import Rejections
from processor_lambda.table import ItemTable, Numbered
from record_files.splitting import Raw
from replication_core.datasets import Dataset, KeyType, RecordKey

__all__ = ["MAX_INVOCATIONS", "Run", "Seen"]

BLOCK_RECORDS = 1000
BLOCK_BYTES = 2 * 1024 * 1024
"""What is held in memory and put at a time: so many records, or so many bytes of them and one record more."""

DUPLICATES_WINDOW = 100_000
"""Records among which a repeated key is found. Farther apart, the later record's item replaces the earlier one's."""

MAX_INVOCATIONS = 10_000
"""Invocations that a run or a sweep may take, each asked for by the one before.

Lambda's own bound of about 16 is off for the function: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html.
This one ends what would never end: at some 100,000 records an invocation, which 30 s suffice for, it is never met below
a billion records, nor by a sweep below two million keys.
"""

_DIGEST_BYTES = 16


class Seen:
    """The keys of a window's valid records, as digests: they may be put aside, since they tell nothing."""

    def __init__(self, digests: bytes = b"") -> None:
        starts = range(0, len(digests), _DIGEST_BYTES)
        self._digests = {digests[start : start + _DIGEST_BYTES] for start in starts}

    def move_on(self, read: int) -> None:
        """Forget the window that ends with so many records."""
        if read % DUPLICATES_WINDOW == 0:
            self._digests.clear()

    def add(self, record: Record) -> bool:
        """Take a record's key in; tell whether it is new."""
        digest = hashlib.blake2b(_text(record.key).encode(), digest_size=_DIGEST_BYTES).digest()
        known = len(self._digests)
        self._digests.add(digest)
        return len(self._digests) > known

    def to_bytes(self) -> bytes:
        """Return what another one of the same keys is made from."""
        return b"".join(sorted(self._digests))


@dataclass(slots=True, kw_only=True)
class Run:
    """Works through a file from where an earlier invocation got to.

    Every record is read, and is then either rejected with a reason or put. What a run leaves behind depends on the
    file alone, not on where invocations ended, so that any part of it may be done twice.
    """

    reading: Reading
    table: ItemTable
    rejections: Rejections
    seen: Seen
    progress: Progress
    unless: str | None
    """The attribute by which an item that is there stays as it is, see `ItemTable.put`."""

    finished: bool = False
    _read: int = field(init=False)
    _block: list[Numbered] = field(default_factory=list)
    _lines: dict[int, int] = field(default_factory=dict)
    _bad: dict[int, str] = field(default_factory=dict)
    _bytes: int = 0

    def __post_init__(self) -> None:
        self._read = self.progress.read

    def work(self) -> Progress:
        """Return how far the run has come, with everything up to there put; `finished` tells if that is all of it.

        At least one record, or one chunk of a record that is too long, is got over. Raises Gone or StoreError.
        """
        start = self.progress.position
        for raw in self.reading.records():
            if raw is not None:
                self._take(raw)
            if self._full():
                self._flush()
            # A position that has not moved is not yet one to be gone on from.
            if self.reading.position.offset > start.offset and self.reading.out_of_time():
                self._flush()
                return self.progress
        self._flush()
        self.finished = True
        return self.progress

    def _full(self) -> bool:
        window_ends = self._read % DUPLICATES_WINDOW == 0
        return len(self._lines) >= BLOCK_RECORDS or self._bytes >= BLOCK_BYTES or (window_ends and bool(self._lines))

    def _take(self, raw: Raw) -> None:
        self.seen.move_on(self._read)
        self._read += 1
        self._lines[self._read] = raw.line
        self._bytes += len(raw.data or b"")
        try:
            record = self._record(raw)
        except RecordError as error:
            self._bad[self._read] = str(error)
        else:
            self._block.append((self._read, record))

    def _record(self, raw: Raw) -> Record:
        if raw.data is None:
            raise RecordError(raw.reason)
        header = self.reading.header
        record = self.reading.schema.record(header.read(raw.data) if header else read_json(raw.data))
        if not self.seen.add(record):
            raise RecordError(_repeated(record.key.dataset))
        return record

    def _flush(self) -> None:
        """Put the block, and take what came of it into the progress."""
        done = self.table.put(self._block, unless=self.unless)
        bad = {number: f"the table refuses it: {error.kind}" for number, error in done.refused.items()} | self._bad
        for number, reason in sorted(bad.items()):
            self.rejections.add(self._lines[number], number, reason)
        valid = [record for number, record in self._block if number not in done.refused]
        stamp_at = next((n for n, each in enumerate(self.table.dataset.key) if each.type is KeyType.NUMBER), None)
        stamps = [] if stamp_at is None else [record.key.values[stamp_at] for record in valid]
        before = self.progress
        self.progress = replace(
            before,
            position=self.reading.position,
            read=self._read,
            valid=before.valid + len(valid),
            rejected=before.rejected + len(bad),
            written=before.written + done.written,
            first=_extreme(min, stamps, before.first),
            last=_extreme(max, stamps, before.last),
            pieces=self.rejections.spill(self._read),
        )
        self._block, self._lines, self._bad, self._bytes = [], {}, {}, 0


def _text(key: RecordKey) -> str:
    """Return a text of a key that no other key of its table has."""
    if len(key.values) == 1:
        return key.values[0]
    partition, sort = key.values
    # Escaped, so that where it ends is told. Releases go on with each other's digests.
    return sort.replace("\\", "\\\\").replace("\n", "\\n") + "\n" + partition


def _repeated(table: Dataset) -> str:
    verb = "is that" if len(table.key) == 1 else "are those"
    return f"the {' and '.join(table.attribute_names)} {verb} of a record before it"


def _extreme(choose: Callable[..., str], timestamps: list[str], before: str | None) -> str | None:
    known = timestamps if before is None else [*timestamps, before]
    return choose(known, key=Decimal) if known else None
