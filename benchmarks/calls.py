"""How many calls and bytes a change costs each design, per target."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.counting import CallCounter, Traffic
from benchmarks.designs import BATCH, DESIGNS
from benchmarks.site import TARGETS, Site
from benchmarks.workload import delete_objects, put_items, put_objects
from replication_core.datasets import RecordKey

__all__ = ["Cost", "cost_of", "measure_calls"]


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


def measure_calls(site: Site, server: str) -> list[Cost]:
    """Apply a batch of each kind of change by each design, and count."""
    kinds: Mapping[str, Callable[[], list[RecordKey]]] = {
        "object": lambda: put_objects(site, BATCH),
        "object with tags": lambda: put_objects(site, BATCH, tags="class=a&owner=b"),
        "item": lambda: put_items(site, BATCH),
    }
    costs = [_cost(site, server, kind, design, make()) for kind, make in kinds.items() for design in DESIGNS]
    gone = put_objects(site, BATCH, start=BATCH)
    delete_objects(site, gone)
    costs.append(_cost(site, server, "object deleted", "replicator", gone))
    return costs


def _cost(site: Site, server: str, kind: str, design: str, keys: list[RecordKey]) -> Cost:
    counter = CallCounter()
    DESIGNS[design](site, counter).apply(keys)
    return cost_of(server, kind, design, counter.take(), changes=len(keys), targets=len(TARGETS))


def cost_of(server: str, kind: str, design: str, traffic: Traffic, *, changes: int, targets: int) -> Cost:
    """Return the traffic's share of one change and one target."""
    shares = changes * targets
    return Cost(
        server=server,
        kind=kind,
        design=design,
        calls=traffic.total / shares,
        by_operation={name: count / shares for name, count in sorted(traffic.calls.items())},
        bytes=(traffic.sent + traffic.received) / shares,
        object_bytes=traffic.object_bytes / shares,
    )
