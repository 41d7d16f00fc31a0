"""Changes per second of both designs, in one run, taking turns."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from benchmarks.counting import CallCounter
from benchmarks.designs import Design, RouteProcesses, SequentialDesign
from benchmarks.site import Site
from benchmarks.workload import check_level, put_items, put_objects
from replication_core.datasets import RecordKey

__all__ = ["LATENCIES_SECONDS", "Load", "Rate", "measure_rates"]

LATENCIES_SECONDS = (0.0, 0.03)


@dataclass(frozen=True)
class Load:
    """How much is measured: rounds, and changes per round and design (the slow one is given fewer)."""

    rounds: int
    changes: Mapping[str, Mapping[str, int]]
    """By kind, then by design."""

    @classmethod
    def of(cls, *, quick: bool) -> Self:
        """Return the full load, or one that is over in seconds."""
        if quick:
            return cls(
                1, {"objects": {"sequential": 8, "replicator": 100}, "items": {"sequential": 8, "replicator": 200}}
            )
        return cls(
            3, {"objects": {"sequential": 25, "replicator": 300}, "items": {"sequential": 25, "replicator": 1000}}
        )


@dataclass(frozen=True)
class Rate:
    """Changes per second, each in all targets, of both designs at one latency; medians of the rounds."""

    server: str
    kind: str
    latency_ms: int
    sequential: float
    replicator: float

    @property
    def ratio(self) -> float:
        """How many times the changes of the sequential design the replicator makes."""
        return self.replicator / self.sequential


def measure_rates(site: Site, server: str, load: Load) -> Iterator[Rate]:
    """Measure both kinds of change at every latency, the designs taking turns and the turns' order alternating."""
    writers: Mapping[str, Callable[[Site, int], list[RecordKey]]] = {"objects": put_objects, "items": put_items}
    for kind, counts in load.changes.items():
        keys = writers[kind](site, max(counts.values()))
        for latency in LATENCIES_SECONDS:
            with contextlib.closing(RouteProcesses(site, latency)) as replicator:
                designs: dict[str, Design] = {
                    "sequential": SequentialDesign(site, CallCounter(), latency),
                    "replicator": replicator,
                }
                seconds = _take_turns(designs, site, keys, counts, load.rounds)
            medians = {name: 1 / statistics.median(values) for name, values in seconds.items()}
            yield Rate(server, kind, round(latency * 1000), medians["sequential"], medians["replicator"])


def _take_turns(
    designs: Mapping[str, Design], site: Site, keys: Sequence[RecordKey], counts: Mapping[str, int], rounds: int
) -> Mapping[str, Sequence[float]]:
    """Return the seconds per change of each design in each round."""
    for design in designs.values():
        design.apply(keys[:2])  # connections are open from here on
    seconds: dict[str, list[float]] = {name: [] for name in designs}
    for turn in range(rounds):
        for name in sorted(designs, reverse=bool(turn % 2)):
            seconds[name].append(_time(designs[name], site, keys[: counts[name]]) / counts[name])
    return seconds


def _time(design: Design, site: Site, keys: Sequence[RecordKey]) -> float:
    begin = time.perf_counter()
    design.apply(keys)
    seconds = time.perf_counter() - begin
    check_level(site, keys)
    return seconds
