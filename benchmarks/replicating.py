"""What replicating costs both designs: calls and bytes of a change, memory by size, and changes per second.

Calls and bytes are per target; rates are of one run, the designs taking turns.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.designs import BATCH, DESIGNS, REPLICATOR, SEQUENTIAL, Design, RouteProcesses
from benchmarks.network import Network, Traffic
from benchmarks.own_process import elsewhere, peak_mib
from benchmarks.site import TARGETS, Site
from replication_core.datasets import RecordKey
from replication_core.masking.mask import Mask

__all__ = ["Cost", "Peak", "Rate", "measure_calls", "measure_memory", "measure_rates", "share", "take_turns"]

_NOTIFICATIONS = frozenset({"Publish", "PublishBatch"})
"""A batch's one message to the success topic: not part of replicating, and listed by itself."""

_LATENCIES_SECONDS = (0.0, 0.03)

_FULL_LOAD: Mapping[str, Mapping[str, int]] = {
    "objects": {SEQUENTIAL: 25, REPLICATOR: 300},
    "items": {SEQUENTIAL: 25, REPLICATOR: 1000},
}
_QUICK_LOAD: Mapping[str, Mapping[str, int]] = {
    "objects": {SEQUENTIAL: 8, REPLICATOR: 100},
    "items": {SEQUENTIAL: 8, REPLICATOR: 200},
}
"""Changes of a round by kind and design: the slow one is given fewer."""


@dataclass(frozen=True)
class Cost:
    """What one change of a kind costs a design, per target."""

    server: str
    kind: str
    design: str
    calls: float
    by_operation: Mapping[str, float]
    bytes: float
    """Of the HTTP bodies, both ways."""

    object_bytes: float
    """Of those, objects' own bytes."""

    @property
    def replicating_calls(self) -> float:
        """The calls without the change's share of the batch's notification."""
        return sum(count for name, count in self.by_operation.items() if name not in _NOTIFICATIONS)


def measure_calls(site: Site, server: str) -> Iterator[Cost]:
    """Apply a batch of each kind of change by each design, and count."""
    kinds: Mapping[str, Callable[[], list[RecordKey]]] = {
        "object": lambda: site.put_objects(BATCH),
        "object with tags": lambda: site.put_objects(BATCH, tags="class=a&owner=b"),
        "item": lambda: site.put_items(BATCH),
    }
    for kind, make in kinds.items():
        for design in DESIGNS:
            yield _cost(site, server, kind, design, make())
    gone = site.put_objects(BATCH, start=BATCH)
    site.delete_objects(gone)
    yield _cost(site, server, "object deleted", REPLICATOR, gone)


def _cost(site: Site, server: str, kind: str, design: str, keys: list[RecordKey]) -> Cost:
    network = Network()
    DESIGNS[design](site, network).apply(keys)
    return share(server, kind, design, network.take(), shares=len(keys) * len(TARGETS))


def share(server: str, kind: str, design: str, traffic: Traffic, *, shares: int) -> Cost:
    """Return one change's and one target's share of the traffic."""
    return Cost(
        server=server,
        kind=kind,
        design=design,
        calls=traffic.calls.total() / shares,
        by_operation={name: count / shares for name, count in sorted(traffic.calls.items())},
        bytes=(traffic.sent + traffic.received) / shares,
        object_bytes=traffic.object_bytes / shares,
    )


@dataclass(frozen=True)
class Peak:
    """The peak of resident memory of a process that brought one object of this size into one target."""

    design: str
    object_mib: int
    peak_mib: float


def measure_memory(site: Site, sizes_mib: Sequence[int]) -> Iterator[Peak]:
    """Let each design replicate one object of each size, which the source is given first."""
    for number, size in enumerate(sizes_mib):
        keys = site.put_objects(1, size=size * 1024 * 1024, start=1_000_000 + number)
        for design in DESIGNS:
            yield Peak(design, size, elsewhere(_peak_of, site, design, keys))


def _peak_of(site: Site, design: str, keys: Sequence[RecordKey]) -> float:
    DESIGNS[design](site, Network(), TARGETS[:1]).apply(keys)
    return peak_mib()


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


def measure_rates(site: Site, server: str, *, quick: bool) -> Iterator[Rate]:
    """Measure both kinds of change at every latency, the designs taking turns and the turns' order alternating."""
    writers: Mapping[str, Callable[[int], list[RecordKey]]] = {"objects": site.put_objects, "items": site.put_items}
    for kind, counts in (_QUICK_LOAD if quick else _FULL_LOAD).items():
        keys = writers[kind](max(counts.values()))
        for latency in _LATENCIES_SECONDS:
            with contextlib.closing(RouteProcesses(site, latency)) as replicator:
                designs: dict[str, Design] = {
                    SEQUENTIAL: DESIGNS[SEQUENTIAL](site, Network(latency)),
                    REPLICATOR: replicator,
                }
                rates = take_turns(designs, site, keys, counts, rounds=1 if quick else 3)
            yield Rate(server, kind, round(latency * 1000), rates[SEQUENTIAL], rates[REPLICATOR])


def take_turns(
    designs: Mapping[str, Design],
    site: Site,
    keys: Sequence[RecordKey],
    counts: Mapping[str, int],
    *,
    rounds: int,
    mask: Mask | None = None,
) -> Mapping[str, float]:
    """Return how many changes a second each design makes, the median of the rounds.

    `mask` is what the replicator masks by, so that what it made can be checked.
    """
    for design in designs.values():
        design.apply(keys[:2])  # connections are open from here on
    seconds: dict[str, list[float]] = {name: [] for name in designs}
    for turn in range(rounds):
        for name in sorted(designs, reverse=bool(turn % 2)):
            seconds[name].append(_time(designs[name], keys[: counts[name]]))
            site.check_level(keys[counts[name] - 1], mask if name == REPLICATOR else None)
    return {name: counts[name] / statistics.median(each) for name, each in seconds.items()}


def _time(design: Design, keys: Sequence[RecordKey]) -> float:
    begin = time.perf_counter()
    design.apply(keys)
    return time.perf_counter() - begin
