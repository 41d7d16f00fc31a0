"""What masking costs by itself: how many items, and how many bytes of bodies, a core masks in a second.

The data are made up beforehand, and nothing is called: the time is the processor's, which other programs do not
lengthen. An item is of about 300 bytes, with a key that is a pseudonym and a rule of another kind for each attribute. A
body's record is of about 200, with six fields that are masked and two that are kept. The obvious design beside it
masks nothing: it reads the same records and writes them again, all in memory.
"""

import csv
import gzip
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import repeat
from typing import Any

from benchmarks.own_process import elsewhere, peak_mib
from benchmarks.report import Expectation, Report, Sheet, flat_memory
from record_files.decompression import CHUNK_BYTES
from record_files.splitting import Format
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import (
    BucketRules,
    MaskingPolicy,
    ObjectRule,
    PathRule,
    RecordsBody,
    Rule,
    TableRules,
)
from replication_core.masking.pseudonyms import Pseudonyms

__all__ = ["POLICY", "measure_masking"]

_LEAST_ITEMS_PER_SECOND = 15_000
_ROUNDS = 5

_LEAST_MB_PER_SECOND = 5
_MB = 1_000_000

_KEPT = Rule("keep")
_CUSTOMER = Rule("pseudonym", {"namespace": "customer", "prefix": "c_"})
_FIELDS = (
    PathRule("id", _CUSTOMER),
    PathRule("timestamp", Rule("keep", {"type": "N"})),
    PathRule("status", _KEPT),
    PathRule("amount", Rule("bucket", {"by": "0.5", "type": "N"})),
    PathRule("email", Rule("email", {"namespace": "mail"})),
    PathRule("phone", Rule("digits", {"keep_last": 3})),
    PathRule("born", Rule("shift", {"namespace": "visits", "days": 365})),
    PathRule("note", Rule("replace", {"value": {"S": "[removed]"}})),
)
"""Of the bodies' records."""

POLICY = MaskingPolicy(
    namespaces=("customer", "mail"),
    tables={
        ITEMS.name: TableRules(
            key={"id": _CUSTOMER, "timestamp": _KEPT},
            attributes=(
                PathRule("status", _KEPT),
                PathRule("amount", Rule("bucket", {"by": "0.5"})),
                PathRule("email", Rule("email", {"namespace": "mail"})),
                PathRule("phone", Rule("digits", {"keep_last": 3})),
                PathRule("born", Rule("shift", {"namespace": "visits", "days": 365})),
                PathRule("contact.name", Rule("fake", {"table": "names"})),
                PathRule("note", Rule("replace", {"value": {"S": "[removed]"}})),
                PathRule("lines[].sku", _KEPT),
            ),
        )
    },
    buckets={
        OBJECTS.name: BucketRules(
            rules=tuple(
                ObjectRule(match=f"{each.value}/**", line=0, key={}, body=RecordsBody(each.value, _FIELDS))
                for each in Format
            )
        )
    },
)
"""Of the items: six rules that make something else, and two that look at what is kept."""


def _item(number: int) -> dict[str, Any]:
    return {
        "id": {"S": f"customer-{number % 1000}"},
        "timestamp": {"N": str(1_700_000_000 + number)},
        "status": {"S": "delivered to the neighbours"},
        "amount": {"N": f"{number % 500}.25"},
        "email": {"S": f"jane.doe.{number}@example.com"},
        "phone": {"S": f"+43 660 {number:07d}"},
        "born": {"S": "1987-05-23"},
        "contact": {"M": {"name": {"S": f"Jane Doe {number}"}}},
        "note": {"S": "called twice about the delivery, and wants it by Friday"},
        "lines": {"L": [{"M": {"sku": {"S": f"sku-{line}"}}} for line in range(3)]},
    }


@dataclass(frozen=True)
class Masked:
    """How many items of a kind a core masks in a second, and the process's peak of memory."""

    items: int
    per_second: float
    peak_mib: float


def _masked(items: int) -> Masked:
    mask = Mask(POLICY, Pseudonyms(bytes(32), POLICY.generation))
    made_up = [_item(number) for number in range(min(items, 10_000))]

    def once() -> float:
        begin = time.process_time()
        for _ in range(items // len(made_up)):
            for item in made_up:
                if mask.item(item, ITEMS) is None:
                    raise RuntimeError("an item does not travel")
        return items / (time.process_time() - begin)

    return Masked(items, statistics.median(once() for _ in range(_ROUNDS)), peak_mib())


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
    mask = Mask(POLICY, Pseudonyms(bytes(32), POLICY.generation))
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


def _bodies(say: Callable[[str], None], *, quick: bool) -> tuple[list[MaskedBytes], list[Expectation]]:
    found = []
    for format_, compressed in (
        (Format.LINES, False),
        (Format.ARRAY, False),
        (Format.CSV, False),
        (Format.LINES, True),
    ):
        for mb in (1, 8) if quick else (1, 64):
            say(f"Measuring masking: {format_.value}{' in gzip' * compressed}, {mb} MB")
            found.append(elsewhere(_body, format_, compressed, mb))
    lines = max(one.mb_per_second for one in found if one.format == Format.LINES)
    fast = Expectation(
        "MB of JSON Lines masked by a core in a second",
        f"at least {_LEAST_MB_PER_SECOND}",
        f"{lines:.1f}",
        lines >= _LEAST_MB_PER_SECOND,
    )
    names = dict.fromkeys(one.format for one in found)
    flat = [flat_memory(f"masking {name}", [one.peak_mib for one in found if one.format == name]) for name in names]
    return found, [fast, *flat]


def measure_masking(say: Callable[[str], None], *, quick: bool) -> Report:
    """Measure each in a process of its own."""
    say("Measuring masking: items")
    masked = elsewhere(_masked, 10_000 if quick else 50_000)
    sheet = Sheet(
        "Items masked by a core in a second",
        ("items", "items/s", "peak MiB"),
        [(f"{masked.items:,}", f"{masked.per_second:,.0f}", f"{masked.peak_mib:g}")],
    )
    fast = Expectation(
        "items masked by a core in a second",
        f"at least {_LEAST_ITEMS_PER_SECOND:,}",
        f"{masked.per_second:,.0f}",
        masked.per_second >= _LEAST_ITEMS_PER_SECOND,
    )
    bodies, expected = _bodies(say, quick=quick)
    of_bodies = Sheet(
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
            for one in bodies
        ],
    )
    found: Mapping[str, Any] = {"items": asdict(masked), "bodies": [asdict(one) for one in bodies]}
    return Report("masking", found, [sheet, of_bodies], [fast, *expected])
