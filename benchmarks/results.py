"""All that one run measured, and whether it is what was expected."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.calls import Cost
from benchmarks.cold_import import ColdImport
from benchmarks.growth import Growth
from benchmarks.memory import Peak
from benchmarks.throughput import Rate

__all__ = ["EMULATOR", "STAND_IN", "Expectation", "Results", "replicating_calls"]

EMULATOR = "emulator"
STAND_IN = "stand-in"

NOTIFICATIONS = frozenset({"Publish", "PublishBatch"})
"""A batch's one message to the success topic: not part of replicating, and listed by itself."""

MAX_CALLS = {"object": 3.0, "object with tags": 4.0, "item": 0.1}
"""As S3 answers a head: with the number of tags, as the stand-in does.

The emulator leaves the number out, so that there an object with tags is found out, and copied again, at the end.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: x-amz-tagging-count
"""

MIN_RATIOS_AT_30_MS = {"objects": 7.0, "items": 25.0}
FLAT_MIB = 24.0
"""Memory may differ by this much between the least and the largest, and still count as flat."""

FLAT_TIME_FACTOR = 1.5
"""Likewise the time per key."""


@dataclass(frozen=True)
class Expectation:
    """Something that the replicator is meant to achieve, and what was measured."""

    name: str
    expected: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Results:
    """One run."""

    quick: bool
    costs: Sequence[Cost]
    rates: Sequence[Rate]
    peaks: Sequence[Peak]
    imports: Sequence[ColdImport]
    growth: Sequence[Growth]

    def expectations(self) -> Iterator[Expectation]:
        """Judge what was measured: calls and rates by the stand-in's, whose answers and speed hide neither."""
        yield from self._expected_calls()
        yield from self._expected_rates()
        yield from self._expected_growth()

    def _expected_calls(self) -> Iterator[Expectation]:
        ours = [cost for cost in self.costs if cost.design == "replicator"]
        for cost in ours:
            if cost.server == STAND_IN and cost.kind in MAX_CALLS:
                most, calls = MAX_CALLS[cost.kind], replicating_calls(cost)
                yield Expectation(
                    f"calls per {cost.kind} and target", f"at most {most:g}", f"{calls:g}", round(calls, 6) <= most
                )
        moved = max((cost.object_bytes for cost in ours), default=0.0)
        yield Expectation("bytes of objects through the function", "0", f"{moved:g}", moved == 0)

    def _expected_rates(self) -> Iterator[Expectation]:
        for rate in self.rates:
            if rate.server == STAND_IN and rate.latency_ms == 30:
                least = MIN_RATIOS_AT_30_MS[rate.kind]
                yield Expectation(
                    f"{rate.kind} per second at 30 ms, times the sequential design's",
                    f"at least {least:g}",
                    f"{rate.ratio:.1f}",
                    rate.ratio >= least,
                )

    def _expected_growth(self) -> Iterator[Expectation]:
        by_size = {peak.object_mib: peak.peak_mib for peak in self.peaks if peak.design == "replicator"}
        if by_size:
            spread = max(by_size.values()) - min(by_size.values())
            sizes = f"objects of {min(by_size)} to {max(by_size)} MiB"
            yield Expectation(f"peak memory, {sizes}", "flat", f"differs by {spread:.0f} MiB", spread <= FLAT_MIB)
        if self.growth:
            few, many = min(self.growth, key=lambda g: g.keys), max(self.growth, key=lambda g: g.keys)
            spread = many.peak_mib - few.peak_mib
            factor = many.microseconds_per_key / few.microseconds_per_key
            range_ = f"{few.keys:,} to {many.keys:,} keys"
            yield Expectation(f"peak memory, {range_}", "flat", f"differs by {spread:.0f} MiB", spread <= FLAT_MIB)
            yield Expectation(f"time per key, {range_}", "flat", f"{factor:.2f}-fold", factor <= FLAT_TIME_FACTOR)

    def to_json(self) -> str:
        """Return the run as one document, schema `pipeline.bench/1`."""
        document: dict[str, Any] = {
            "schema": "pipeline.bench/1",
            "quick": self.quick,
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
            **{name: [asdict(one) for one in getattr(self, name)] for name in ("costs", "peaks", "imports", "growth")},
            "rates": [{**asdict(rate), "ratio": rate.ratio} for rate in self.rates],
            "expectations": [asdict(one) for one in self.expectations()],
        }
        return json.dumps(_rounded(document), indent=1) + "\n"


def replicating_calls(cost: Cost) -> float:
    """Return a change's calls without its share of the batch's notification."""
    return sum(count for name, count in cost.by_operation.items() if name not in NOTIFICATIONS)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
