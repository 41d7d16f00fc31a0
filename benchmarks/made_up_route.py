"""A route whose source, target and queue are made up: what verifying and backfilling are measured over."""

from dataclasses import MISSING, dataclass, fields
from typing import Any, Self

from benchmarks.made_up import SOURCE, TARGET, MadeUpKeys, MadeUpObjects, MadeUpQueue, MadeUpTable
from benchmarks.network import Network
from pipeline_common.contracts import RouteOutputs, StorageOutputs
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.route import Route, SourceRoutes
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.route_spec import RoutedDataset, RouteSpec

__all__ = ["World", "made_up_backlog", "made_up_route"]


@dataclass(frozen=True)
class World:
    """So many keys on both sides, and what the commands read and enqueue them by."""

    keys: int
    missing: int
    """Of those, in the target."""

    network: Network
    sides: Sides
    queue: MadeUpQueue
    backlog: Backlog

    @classmethod
    def of(cls, keys: int, missing_every: int = 0, latency_seconds: float = 0.0) -> Self:
        """Make it up; the target misses every so manyth key."""
        network = Network(latency_seconds)
        keys_of = {SOURCE: MadeUpKeys(keys), TARGET: MadeUpKeys(keys, missing_every)}
        buckets: dict[str, Any] = {side: MadeUpObjects(side, its, network) for side, its in keys_of.items()}
        tables: dict[str, Any] = {side: MadeUpTable(side, its, network) for side, its in keys_of.items()}
        sides = Sides(
            route=made_up_route(),
            source_s3=buckets[SOURCE],
            target_s3=buckets[TARGET],
            source_dynamodb=tables[SOURCE],
            target_dynamodb=tables[TARGET],
        )
        queue = MadeUpQueue(network)
        missing = -(-keys // missing_every) if missing_every else 0
        return cls(keys, missing, network, sides, queue, made_up_backlog(queue))


def made_up_route(source_bucket: str = "source_bucket", target_bucket: str = "target_bucket") -> RouteSpec:
    """Return a route's specification, in which each name stands for itself, but for those that are told."""
    required: Any = {each.name: each.name for each in fields(RouteSpec) if each.default is MISSING}
    datasets = (
        RoutedDataset(dataset=OBJECTS, source=source_bucket, target=target_bucket),
        RoutedDataset(dataset=ITEMS, source="source_table", target="target_table"),
    )
    told = {"source_environment": SOURCE, "target": TARGET, "datasets": datasets}
    return RouteSpec(**required | told)


def made_up_backlog(queue: MadeUpQueue) -> Backlog:
    """Return that queue's backlog, which is believed as soon as it is seen to be empty."""
    outputs: Any = {each.name: each.name for each in fields(RouteOutputs) if each.name != "spec"}
    contract = RouteOutputs(**outputs, spec=made_up_route().document())
    route = Route(target=TARGET, outputs=contract, read_spec=made_up_route)
    stored: Any = {each.name: each.name for each in fields(StorageOutputs)}
    storage = StorageOutputs(**stored | {"datasets": {}})
    replication = SourceRoutes(
        source=storage,
        routes={TARGET: route},
        notifier_function_name="",
        notifier_mappings={},
        trail_name="",
        target_storage=lambda _: storage,
        client=lambda _service, /, **_: queue,
    )
    return Backlog(replication=replication, route=route, quiet_seconds=0.0)
