"""What masking bodies costs by itself: how many bytes a core masks in a second, beside reading and writing them again.

The data are made up beforehand, and nothing is called: the time is the processor's, which other programs do not
lengthen. A record is of about 200 bytes, with six fields that are masked and two that are kept. The obvious design
beside it masks nothing: it reads the same records and writes them again, all in memory.
"""

import csv
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

from benchmarks.own_process import elsewhere, peak_mib
from benchmarks.policy import made_up_mask
from benchmarks.report import Expectation, Sheet, flat_memory
from record_files.decompression import CHUNK_BYTES
from record_files.splitting import Format
from replication_core.datasets import OBJECTS

__all__ = ["MaskedBytes", "expected_of_bodies", "measure_bodies", "sheet_of_bodies"]

_LEAST_MB_PER_SECOND = 5
_MB = 1_000_000


def _record(number: int) -> dict[str, Any]:
    return {
        "id": f"customer-{number % 1000}",
        "timestamp": 1_700_000_000 + number,
        "status": "delivered to the neighbours",
        "amount": number % 500 + 0.25,
        "email": f"jane.doe.{number}@example.com",
        "phone": f"+43 660 {number:07d}",
        "born": "1987-05-23",
        "note": "called twice about the delivery, and wants it by Friday",
    }


def _lines(records: list[dict[str, Any]]) -> tuple[bytes, ...]:
    """Return a body's begin, a piece of its middle, which may come any number of times, and its end."""
    return b"", "".join(json.dumps(record) + "\n" for record in records).encode(), b""


def _array(records: list[dict[str, Any]]) -> tuple[bytes, ...]:
    return b"[{}", "".join(f",\n{json.dumps(record)}" for record in records).encode(), b"]"


def _csv(records: list[dict[str, Any]]) -> tuple[bytes, ...]:
    text = io.StringIO(newline="")
    csv.DictWriter(text, list(records[0])).writerows(records)
    return f"{','.join(records[0])}\r\n".encode(), text.getvalue().encode(), b""


_FORMATS = {Format.LINES: _lines, Format.ARRAY: _array, Format.CSV: _csv}


def _written_again(format_: Format, middle: bytes) -> None:
    """Read the records of a body's middle, and write them again."""
    if format_ is Format.CSV:
        csv.writer(io.StringIO()).writerows(csv.reader(io.StringIO(middle.decode())))
    else:
        for line in middle.splitlines():
            json.dumps(json.loads(line.strip(b",") or b"null"))


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _chunks(parts: tuple[bytes, ...], times: int) -> Iterator[bytes]:
    begin, middle, end = parts
    yield begin
    for piece in repeat(middle, times):
        yield from (piece[at : at + CHUNK_BYTES] for at in range(0, len(piece), CHUNK_BYTES))
    yield end


@dataclass(frozen=True)
class MaskedBytes:
    """How fast a core masks a body, decompressed, and reads and writes it; and the process's peak of memory."""

    format: str
    mb: float
    mb_per_second: float
    written_again_mb_per_second: float
    peak_mib: float


def _body(format_: Format, compressed: bool, mb: int) -> MaskedBytes:
    mask = made_up_mask()
    parts = _FORMATS[format_]([_record(number) for number in range(5_000)])
    middle = parts[1]
    times = max(1, mb * _MB // len(middle))
    parts = tuple(map(gzip.compress, parts)) if compressed else parts

    def work() -> None:
        for _ in mask.object(f"{format_.value}/a", OBJECTS).body().blocks(_chunks(parts, times)):
            pass

    size = len(middle) * times / _MB
    masked = size / _seconds(work)
    peak = peak_mib()
    again = len(middle) / _MB / _seconds(partial(_written_again, format_, middle))
    return MaskedBytes(format_.value + ".gz" * compressed, size, masked, again, peak)


def measure_bodies(say: Callable[[str], None], *, quick: bool) -> Iterator[MaskedBytes]:
    """Mask a small and a larger body of each format, each in a process of its own."""
    for format_, compressed in (
        (Format.LINES, False),
        (Format.ARRAY, False),
        (Format.CSV, False),
        (Format.LINES, True),
    ):
        for mb in (1, 8) if quick else (1, 64):
            say(f"Measuring masking: {format_.value}{' in gzip' * compressed}, {mb} MB")
            yield elsewhere(_body, format_, compressed, mb)


def expected_of_bodies(found: Sequence[MaskedBytes]) -> Iterator[Expectation]:
    """Judge how fast JSON Lines are masked, and that memory does not grow with a body."""
    lines = max(one.mb_per_second for one in found if one.format == Format.LINES)
    least = _LEAST_MB_PER_SECOND
    yield Expectation(
        "MB of JSON Lines masked by a core in a second", f"at least {least}", f"{lines:.1f}", lines >= least
    )
    for name in dict.fromkeys(one.format for one in found):
        yield flat_memory(f"masking {name}", [one.peak_mib for one in found if one.format == name])


def sheet_of_bodies(found: Sequence[MaskedBytes]) -> Sheet:
    """Return the table."""
    return Sheet(
        "Bodies masked by a core",
        ("format", "MB", "MB/s", "read and written again, MB/s", "ratio", "peak MiB"),
        [
            (
                one.format,
                f"{one.mb:.0f}",
                f"{one.mb_per_second:.1f}",
                f"{one.written_again_mb_per_second:.1f}",
                f"{one.mb_per_second / one.written_again_mb_per_second:.2f}",
                f"{one.peak_mib:g}",
            )
            for one in found
        ],
    )
