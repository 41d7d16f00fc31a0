"""What verifying and backfilling cost by the number of keys: time, memory and calls, beside what they should.

Both run as the operator's commands run them, over stores that are made up as they are read and answer at once, so that
time and memory are their own. The time is the processor's, of all threads, which other programs do not lengthen. What a
network makes of it is measured apart, with 30 ms added to each call: how many calls are under way at a time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.beside_rclone import Beside, beside_rclone
from benchmarks.made_up_route import World
from benchmarks.memory import MEBIBYTE
from benchmarks.peak_memory import peak_bytes
from benchmarks.results import FLAT_MIB, FLAT_TIME_FACTOR, Expectation
from pipeline_ops.routes.backfill import Backfill
from pipeline_ops.routes.enqueuer import Enqueuer
from pipeline_ops.routes.selection import Selection, select
from pipeline_ops.routes.verification import verify
from replication_core.datasets import ITEMS, OBJECTS, Dataset

__all__ = ["CASES", "Case", "Operated", "expectations", "main"]

_RESULTS = Path(__file__).parent / "results"
_WARM_UP_KEYS = 20_000
"""As many as are several pages of every segment: what pages take of memory is not to be told as growth."""

_LEAST_KEYS = 10_000
"""Keys that every measurement of time works on at least, in as many passes as that takes."""

_LATENCY_SECONDS = 0.03


def _verify(world: World, dataset: Dataset, missing: int, *, quick: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        found = verify(world.sides, world.backlog, _all(world, dataset), report, quick=quick, within=0.0, say=_say)
    if (found.objects + found.items, found.tally.drift()) != (world.keys, missing):
        raise RuntimeError(f"{found.objects + found.items} keys were compared, and {found.tally.drift} have drifted")


def _backfill(world: World, dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        backfill = Backfill.open(world.sides, _all(world, dataset), None, Path(folder))
        # So fast that no load is held back: what is measured is how fast it could be.
        for _ in backfill.enqueue(Enqueuer(backlog=world.backlog, reason=backfill.reason, rate=1e9)):
            pass
    if world.queue.keys != world.keys:
        raise RuntimeError(f"{world.queue.keys} of {world.keys} keys were enqueued")


def _all(world: World, dataset: Dataset) -> Selection:
    return select(world.sides.route, prefix=None, items=False, datasets=[dataset.name])


def _say(_: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Case:
    """Something that an operator runs, and the calls that it should cost."""

    run: Callable[[World], None]
    calls_per_thousand: float
    calls_besides: int
    """Whatever the number of keys: where to cut the listings, pages and batches that are not full, the queue's depth.

    Seventeen ranges of keys, or eight segments, each end with a page and a batch that may be anything but full.
    """

    missing_every: int = 0


_RANGES, _SEGMENTS = 17, 8
CASES: Mapping[str, Case] = {
    "verify objects": Case(lambda world: _verify(world, OBJECTS, 0), 4 * 1000 + 2, 1 + 2 * _RANGES),
    "verify objects --quick": Case(lambda world: _verify(world, OBJECTS, 0, quick=True), 2, 1 + 2 * _RANGES),
    "verify items": Case(lambda world: _verify(world, ITEMS, 0), 2 + 2 * 10, 4 * _SEGMENTS),
    "verify objects --quick, 1 % missing": Case(
        lambda world: _verify(world, OBJECTS, -(-world.keys // 100), quick=True), 2 + 2 * 10, 2 + 2 * _RANGES, 100
    ),
    "verify objects --quick, all missing": Case(
        lambda world: _verify(world, OBJECTS, world.keys, quick=True), 1 + 2 * 1000, 2 + 2 * _RANGES, 1
    ),
    "backfill objects": Case(lambda world: _backfill(world, OBJECTS), 1 + 10 + 1, 2 + 2 * _RANGES),
    "backfill items": Case(lambda world: _backfill(world, ITEMS), 1 + 10 + 1, 2 + 2 * _SEGMENTS),
}

_KEYS_WITH_LATENCY: Mapping[str, int] = {
    "verify objects": 1_000,
    "verify objects --quick": 50_000,
    "verify items": 10_000,
    "backfill objects": 2_000,
    "backfill items": 2_000,
}


@dataclass(frozen=True)
class Operated:
    """What so many keys cost: the processor's time per key, calls, and the process's peak memory."""

    case: str
    keys: int
    microseconds_per_key: float
    peak_mib: float
    calls: Mapping[str, int]

    @property
    def calls_per_thousand(self) -> float:
        """All calls, of a thousand keys."""
        return sum(self.calls.values()) / self.keys * 1000

    @property
    def most_per_thousand(self) -> float:
        """What they should be at most."""
        case = CASES[self.case]
        return case.calls_per_thousand + case.calls_besides / self.keys * 1000


@dataclass(frozen=True)
class UnderWay:
    """How many calls wait for their answers at a time, on average, where each takes 30 ms."""

    case: str
    keys: int
    calls: float


def measure(sizes: Sequence[int]) -> Iterator[Operated]:
    """Run each case over so many keys, each in a process of its own."""
    for case in CASES:
        for keys in sizes:
            told = _elsewhere(case, keys, 0.0)
            microseconds = round(told["processor"] / keys * 1e6, 2)
            yield Operated(case, keys, microseconds, round(told["peak"] / MEBIBYTE, 1), told["calls"])


def measure_under_way(scale: int) -> Iterator[UnderWay]:
    """Run some cases with latency, each over as many keys as take seconds, times the scale."""
    for case, few in _KEYS_WITH_LATENCY.items():
        keys = few * scale
        told = _elsewhere(case, keys, _LATENCY_SECONDS)
        waited = sum(told["calls"].values()) * _LATENCY_SECONDS
        yield UnderWay(case, keys, round(waited / told["seconds"], 1))


def _elsewhere(case: str, keys: int, latency_seconds: float) -> Any:
    command = [sys.executable, "-m", "benchmarks.operating", "--measure", case, str(keys), str(latency_seconds)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _measure_here(case: str, keys: int, latency_seconds: float) -> None:
    _pass(case, _WARM_UP_KEYS, 0.0)
    # A short pass is repeated, since a single one is over before its time can be told.
    passes = 1 if latency_seconds else max(1, _LEAST_KEYS // keys)
    measured = [_pass(case, keys, latency_seconds) for _ in range(passes)]
    medians = {name: statistics.median(one[name] for one in measured) for name in ("seconds", "processor")}
    print(json.dumps({**measured[0], **medians, "peak": peak_bytes()}))


def _pass(case: str, keys: int, latency_seconds: float) -> dict[str, Any]:
    world = World.of(keys, CASES[case].missing_every, latency_seconds)
    begin, processor = time.perf_counter(), time.process_time()
    CASES[case].run(world)
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - processor,
        "calls": dict(sorted(world.calls.by_operation.items())),
    }


def expectations(found: Sequence[Operated]) -> Iterator[Expectation]:
    """Judge each case by all its sizes: calls as they should be, and time per key and memory flat."""
    for case in dict.fromkeys(one.case for one in found):
        sizes = [one for one in found if one.case == case]
        most = max(sizes, key=lambda one: one.keys)
        yield Expectation(
            f"{case}: calls per thousand keys, of {most.keys:,}",
            f"at most {most.most_per_thousand:.4g}",
            f"{most.calls_per_thousand:.4g}",
            all(one.calls_per_thousand <= one.most_per_thousand + 1e-9 for one in sizes),
        )
        if len(sizes) > 1:
            least = min(one.microseconds_per_key for one in sizes if one is not most)
            factor, spread = most.microseconds_per_key / least, most.peak_mib - min(one.peak_mib for one in sizes)
            range_ = f"{min(one.keys for one in sizes):,} to {most.keys:,} keys"
            yield Expectation(
                f"{case}: time per key, {range_}", "flat", f"{factor:.2f}-fold", factor <= FLAT_TIME_FACTOR
            )
            yield Expectation(
                f"{case}: peak memory, {range_}", "flat", f"differs by {spread:.0f} MiB", spread <= FLAT_MIB
            )


def main(arguments: Sequence[str]) -> int:
    """Measure, print and write down; the exit code is 1 if an expectation was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operating", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer keys: seconds")
    parser.add_argument("--output", type=Path, default=_RESULTS, help="the folder for operating.json")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.measure:
        case, keys, latency_seconds = asked.measure
        _measure_here(case, int(keys), float(latency_seconds))
        return 0
    console = Console()
    with console.status("Measuring verify and backfill") as status:
        found: list[Operated] = []
        for one in measure((1_000, 10_000) if asked.quick else (1_000, 10_000, 100_000, 1_000_000)):
            found.append(one)
            status.update(f"Measuring verify and backfill: {one.case}, {one.keys:,} keys")
        status.update("Measuring verify and backfill with latency")
        under_way = list(measure_under_way(1 if asked.quick else 5))
        status.update("Measuring verify beside rclone check")
        beside = list(beside_rclone((1_000, 10_000) if asked.quick else (1_000, 10_000, 100_000), quick=asked.quick))
    judged = list(expectations(found))
    _show(console, found, under_way, beside, judged)
    asked.output.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": "pipeline.bench/1",
        "quick": asked.quick,
        "operating": [{**asdict(one), "calls_per_thousand": round(one.calls_per_thousand, 3)} for one in found],
        "calls_under_way_at_30_ms": [asdict(one) for one in under_way],
        "beside_rclone": [asdict(one) for one in beside],
        "expectations": [asdict(one) for one in judged],
    }
    (asked.output / "operating.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(one.met for one in judged) else 1


def _show(
    console: Console,
    found: Sequence[Operated],
    under_way: Sequence[UnderWay],
    beside: Sequence[Beside],
    judged: Sequence[Expectation],
) -> None:
    least = {one.case: one.microseconds_per_key for one in reversed(found)}
    table = Table(
        *("run", "keys", "time per key, relative", "peak memory in MiB", "calls per thousand keys"),
        title="Verify and backfill by the number of keys, over made-up stores",
        title_justify="left",
    )
    for one in found:
        table.add_row(
            *(one.case, f"{one.keys:,}", f"{one.microseconds_per_key / least[one.case]:.2f}"),
            *(f"{one.peak_mib:.0f}", f"{one.calls_per_thousand:,.1f}"),
        )
    console.print(table)
    table = Table("run", "keys", "calls", title="Calls under way at a time, at 30 ms a call", title_justify="left")
    for each in under_way:
        table.add_row(each.case, f"{each.keys:,}", f"{each.calls:g}")
    console.print(table)
    console.print(_beside_table(beside) if beside else "No rclone to compare with: it is not there for this platform.")
    table = Table("expected", "", "measured", "", title="Expectations", title_justify="left")
    for judgement in judged:
        verdict = Text("met", style="green") if judgement.met else Text("missed", style="bold red")
        table.add_row(judgement.name, judgement.expected, judgement.measured, verdict)
    console.print(table)


def _beside_table(beside: Sequence[Beside]) -> Table:
    table = Table(
        *("run", "keys", "latency", "seconds, in multiples of verify's", "peak memory in MiB"),
        title="verify --quick beside rclone check, over HTTP: neither looks at headers, metadata and tags",
        title_justify="left",
    )
    for one in beside:
        table.add_row(
            *(one.program, f"{one.keys:,}", f"{one.latency_ms} ms"),
            *(f"{one.times_verify:.2f}", f"{one.peak_mib:.0f}"),
        )
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
