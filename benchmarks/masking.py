"""What masking costs: by itself, and a route that masks beside the sequential design, which does not.

By itself nothing is called, and the time is the processor's, which other programs do not lengthen.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from benchmarks.designs import BATCH, REPLICATOR, SEQUENTIAL, Design, RouteProcesses, RoutesDesign, SequentialDesign
from benchmarks.masked_bodies import expected_of_bodies, measure_bodies, sheet_of_bodies
from benchmarks.network import Network
from benchmarks.own_process import elsewhere, peak_mib
from benchmarks.policy import made_up_item, made_up_mask
from benchmarks.replicating import Cost, Rate, share, take_turns
from benchmarks.report import Expectation, Report, Sheet
from benchmarks.results import STAND_IN
from benchmarks.site import TARGETS, Site
from benchmarks.stand_in import running_stand_in
from replication_core.datasets import ITEMS
from replication_core.desired import desired_item

__all__ = ["measure_masking"]

_LEAST_ITEMS_PER_SECOND = 15_000
_LEAST_TIMES_SEQUENTIAL = 20
_MOST_CALLS_PER_ITEM = 0.1
_LATENCY_SECONDS = 0.03
_ROUNDS = 5
_DIFFERENT_ITEMS = 10_000


@dataclass(frozen=True)
class MaskedItems:
    """So many items masked: how many a core does in a second, and the process's peak of memory."""

    items: int
    per_second: float
    peak_mib: float


def _masked_items(items: int) -> MaskedItems:
    mask = made_up_mask()
    made_up = [made_up_item(ITEMS.record(f"order-{number:07d}", "1700000000")) for number in range(_DIFFERENT_ITEMS)]

    def once() -> float:
        begin = time.process_time()
        for number in range(items):
            item = made_up[number % _DIFFERENT_ITEMS]
            if desired_item(item, ITEMS, source="prod", target="dev", mask=mask) is None:
                raise RuntimeError("an item does not travel")
        return items / (time.process_time() - begin)

    return MaskedItems(items, statistics.median(once() for _ in range(_ROUNDS)), peak_mib())


def _cost(site: Site) -> Cost:
    """Let new routes mask a batch of new items, and count: what each route calls once is in it."""
    keys, network = site.put_items(BATCH, made_up_item), Network()
    RoutesDesign(site, network, masks=True).apply(keys)
    site.check_level(keys[-1], made_up_mask())
    return share(STAND_IN, "masked item", REPLICATOR, network.take(), shares=len(keys) * len(TARGETS))


def _rate(site: Site, *, quick: bool) -> Rate:
    """Let the designs take turns, with latency added to each call."""
    counts = {SEQUENTIAL: 8, REPLICATOR: 200} if quick else {SEQUENTIAL: 25, REPLICATOR: 1000}
    keys, mask = site.put_items(max(counts.values()), made_up_item), made_up_mask()
    sequential = SequentialDesign(site, Network(_LATENCY_SECONDS))
    with contextlib.closing(RouteProcesses(site, _LATENCY_SECONDS, masks=True)) as replicator:
        designs: dict[str, Design] = {SEQUENTIAL: sequential, REPLICATOR: replicator}
        rates = take_turns(designs, site, keys, counts, rounds=1 if quick else 3, mask=mask)
    return Rate(STAND_IN, "masked items", round(_LATENCY_SECONDS * 1000), rates[SEQUENTIAL], rates[REPLICATOR])


def measure_masking(say: Callable[[str], None], *, quick: bool) -> Report:
    """Measure items and bodies in processes of their own, and routes beside the sequential design."""
    say("Measuring masking: items")
    items = elsewhere(_masked_items, 10_000 if quick else 50_000)
    bodies = list(measure_bodies(say, quick=quick))
    with running_stand_in() as endpoint:
        site = Site.make(endpoint)
        say("Measuring masking: calls")
        cost = _cost(site)
        say("Measuring masking: rates")
        rate = _rate(site, quick=quick)
    found = {
        "items": asdict(items),
        "bodies": [asdict(one) for one in bodies],
        "costs": [asdict(cost)],
        "rates": [{**asdict(rate), "ratio": rate.ratio}],
    }
    sheets = [*_sheets(items, cost, rate), sheet_of_bodies(bodies)]
    return Report("masking", found, sheets, [*_expectations(items, cost, rate), *expected_of_bodies(bodies)])


def _sheets(items: MaskedItems, cost: Cost, rate: Rate) -> Iterator[Sheet]:
    yield Sheet(
        "Items masked by a core in a second",
        ("items", "items/s", "peak MiB"),
        [(f"{items.items:,}", f"{items.per_second:,.0f}", f"{items.peak_mib:g}")],
    )
    yield Sheet(
        "Calls of a masked item, per target, in the first batch of 100",
        ("calls", "of which"),
        [(f"{cost.calls:g}", ", ".join(f"{count:g} {name}" for name, count in cost.by_operation.items()))],
    )
    yield Sheet(
        "Masked items per second in two targets: in multiples of the sequential design's, which masks none",
        ("latency added to each call", "ratio"),
        [(f"{rate.latency_ms} ms", f"{rate.ratio:.1f}")],
    )


def _expectations(items: MaskedItems, cost: Cost, rate: Rate) -> Iterator[Expectation]:
    least = _LEAST_ITEMS_PER_SECOND
    told = f"{items.per_second:,.0f}"
    yield Expectation("items masked by a core in a second", f"at least {least:,}", told, items.per_second >= least)
    keys = cost.by_operation.get("GenerateMac", 0.0)
    calls = cost.replicating_calls - keys
    name = "calls per masked item and target, but for that of its key"
    yield Expectation(name, f"at most {_MOST_CALLS_PER_ITEM:g}", f"{calls:g}", round(calls, 6) <= _MOST_CALLS_PER_ITEM)
    yield Expectation("calls of KMS per route", "1", f"{keys * BATCH:g}", round(keys * BATCH, 6) == 1)
    times = _LEAST_TIMES_SEQUENTIAL
    name = "masked items per second at 30 ms, times the sequential design's"
    yield Expectation(name, f"at least {times}", f"{rate.ratio:.1f}", rate.ratio >= times)
