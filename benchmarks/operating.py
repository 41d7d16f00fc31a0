"""What verifying and backfilling cost by the number of keys: time, memory and calls, beside what they should.

Both run as the operator's commands run them, over stores that are made up as they are read and answer at once, so that
time and memory are their own. The time is the processor's, of all threads, which other programs do not lengthen. What a
network makes of it is measured apart, with 30 ms added to each call: how many calls are under way at a time.
"""

import gc
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.beside_batches import compare_by_batches
from benchmarks.beside_botocore import judge_beside_botocore
from benchmarks.made_up_route import World
from benchmarks.own_process import elsewhere, peak_mib, timed
from benchmarks.report import Expectation, Report, Sheet, flat_memory, flat_time
from pipeline_ops import COLLECT_EVERY
from pipeline_ops.routes.backfill import Backfill
from pipeline_ops.routes.enqueuer import Enqueuer
from pipeline_ops.routes.selection import Selection, select
from pipeline_ops.routes.verification import verify
from replication_core.datasets import ITEMS, OBJECTS, Dataset

__all__ = ["CASES", "Operated", "expectations", "measure_operating"]

_WARM_UP_KEYS = 20_000
"""As many as are several pages of every segment: what pages take of memory is not to be told as growth."""

_LEAST_KEYS = 10_000
"""Keys that every measurement of time works on at least, in as many passes as that takes."""

_LATENCY_SECONDS = 0.03
_RANGES, _SEGMENTS = 17, 8


@dataclass(frozen=True)
class Case:
    """Something that an operator runs, and the calls that it should cost."""

    run: Callable[[World], None]
    calls_per_thousand: float
    calls_besides: int
    """Whatever the number of keys: where to cut the listings, pages and batches that are not full, the queue's depth.

    As many ranges of keys as may be split off, or eight segments, each end with a page and a batch that may be anything
    but full.
    """

    missing_every: int = 0
    keys_with_latency: int = 0
    """As many as take about a second with 30 ms a call; none where that is not measured."""

    def most_calls_per_thousand(self, keys: int) -> float:
        """Return the calls of a thousand keys, where there are so many."""
        return self.calls_per_thousand + self.calls_besides / keys * 1000


def _verify(dataset: Dataset, world: World, *, quick: bool = False) -> None:
    gc.set_threshold(COLLECT_EVERY)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        found = verify(
            *(world.sides, world.backlog, _all(dataset, world), report), quick=quick, within=0.0, say=lambda _: None
        )
    if (found.objects + found.items, found.tally.drift()) != (world.keys, world.missing):
        raise RuntimeError(f"{found.objects + found.items} keys were compared, and {found.tally.drift()} have drifted")


def _backfill(dataset: Dataset, world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        backfill = Backfill.open(world.sides, _all(dataset, world), None, Path(folder))
        # So fast that no load is held back: what is measured is how fast it could be.
        for _ in backfill.enqueue(Enqueuer(backlog=world.backlog, reason=backfill.reason, rate=1e9)):
            pass
    if (sent := backfill.checkpoint.enqueued) != world.keys:
        raise RuntimeError(f"{sent} of {world.keys} keys were enqueued")


def _all(dataset: Dataset, world: World) -> Selection:
    return select(world.sides.route, prefix=None, items=False, datasets=[dataset.name])


_quickly = partial(_verify, OBJECTS, quick=True)

CASES: Mapping[str, Case] = {
    "verify objects": Case(partial(_verify, OBJECTS), 4 * 1000 + 2, 1 + 2 * _RANGES, keys_with_latency=1_000),
    "verify objects --quick": Case(_quickly, 2, 1 + 2 * _RANGES, keys_with_latency=50_000),
    "verify items": Case(partial(_verify, ITEMS), 2, 2 * _SEGMENTS, keys_with_latency=10_000),
    "verify objects --quick, 1 % missing": Case(_quickly, 2 + 2 * 10, 2 + 2 * _RANGES, missing_every=100),
    "verify objects --quick, all missing": Case(_quickly, 1 + 2 * 1000, 2 + 2 * _RANGES, missing_every=1),
    "backfill objects": Case(partial(_backfill, OBJECTS), 1 + 10 + 1, 2 + 2 * _RANGES, keys_with_latency=2_000),
    "backfill items": Case(partial(_backfill, ITEMS), 1 + 10 + 1, 2 + 2 * _SEGMENTS, keys_with_latency=2_000),
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


@dataclass(frozen=True)
class UnderWay:
    """How many calls wait for their answers at a time, on average, where each takes 30 ms."""

    case: str
    keys: int
    calls: float


def _pass(case: str, keys: int, latency_seconds: float = 0.0) -> tuple[float, float, Mapping[str, int]]:
    """Run a case, and return its seconds, the processor's seconds, and its calls."""
    world = World.of(keys, CASES[case].missing_every, latency_seconds)
    seconds, processor_seconds = timed(partial(CASES[case].run, world))
    return seconds, processor_seconds, dict(sorted(world.network.take().calls.items()))


def _operate(case: str, keys: int) -> Operated:
    _pass(case, _WARM_UP_KEYS)
    # A short pass is repeated, since a single one is over before its time can be told.
    passes = [_pass(case, keys) for _ in range(max(1, _LEAST_KEYS // keys))]
    seconds = statistics.median(processor_seconds for _, processor_seconds, _ in passes)
    return Operated(case, keys, round(seconds / keys * 1e6, 2), peak_mib(), passes[0][2])


def _under_way(case: str, keys: int) -> UnderWay:
    _pass(case, _WARM_UP_KEYS)
    seconds, _, calls = _pass(case, keys, _LATENCY_SECONDS)
    return UnderWay(case, keys, round(sum(calls.values()) * _LATENCY_SECONDS / seconds, 1))


def expectations(found: Sequence[Operated]) -> Iterator[Expectation]:
    """Judge each case by all its sizes: calls as they should be, and time per key and memory flat."""
    for name, case in CASES.items():
        sizes = [one for one in found if one.case == name]
        if not sizes:
            continue
        *fewer, most = sizes
        limit = case.most_calls_per_thousand(most.keys)
        yield Expectation(
            f"{name}: calls per thousand keys, of {most.keys:,}",
            f"at most {limit:.4g}",
            f"{most.calls_per_thousand:.4g}",
            all(one.calls_per_thousand <= case.most_calls_per_thousand(one.keys) + 1e-9 for one in sizes),
        )
        if fewer:
            range_ = f"{fewer[0].keys:,} to {most.keys:,} keys of {name}"
            yield flat_time(range_, most.microseconds_per_key / min(one.microseconds_per_key for one in fewer))
            yield flat_memory(range_, (one.peak_mib for one in sizes))


def measure_operating(say: Callable[[str], None], *, quick: bool) -> Report:
    """Run each case over more and more keys, each in a process of its own, and some with latency."""
    found: list[Operated] = []
    for case in CASES:
        for keys in (1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000):
            say(f"Measuring verify and backfill: {case}, {keys:,} keys")
            found.append(elsewhere(_operate, case, keys))
    say("Measuring verify and backfill with latency")
    times = 1 if quick else 5
    with_latency = {name: case.keys_with_latency * times for name, case in CASES.items() if case.keys_with_latency}
    under_way = [elsewhere(_under_way, case, keys) for case, keys in with_latency.items()]
    document = {
        "operating": [{**asdict(one), "calls_per_thousand": one.calls_per_thousand} for one in found],
        "calls_under_way_at_30_ms": [asdict(one) for one in under_way],
    }
    say("Measuring verify beside botocore alone")
    objects, items = CASES["verify objects"].run, CASES["verify items"].run
    judged = [
        *expectations(found),
        judge_beside_botocore("verify objects", objects, objects, keys=1_000 if quick else 2_000, most=0.3),
        judge_beside_botocore("verify items", items, compare_by_batches, keys=10_000, most=0.4),
    ]
    return Report("operating", document, list(_sheets(found, under_way)), judged)


def _sheets(found: Sequence[Operated], under_way: Sequence[UnderWay]) -> Iterator[Sheet]:
    least = {one.case: one.microseconds_per_key for one in reversed(found)}
    yield Sheet(
        "Verify and backfill by the number of keys, over made-up stores",
        ("run", "keys", "time per key, relative", "peak memory in MiB", "calls per thousand keys"),
        [
            (
                *(one.case, f"{one.keys:,}", f"{one.microseconds_per_key / least[one.case]:.2f}"),
                *(f"{one.peak_mib:.0f}", f"{one.calls_per_thousand:,.1f}"),
            )
            for one in found
        ],
    )
    yield Sheet(
        "Calls under way at a time, at 30 ms a call",
        ("run", "keys", "calls"),
        [(one.case, f"{one.keys:,}", f"{one.calls:g}") for one in under_way],
    )
