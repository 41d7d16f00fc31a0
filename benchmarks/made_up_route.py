"""A route whose source, target and queue are made up: what verifying and backfilling are measured over."""

from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Self

from benchmarks.made_up import SOURCE, TARGET, MadeUpKeys, MadeUpObjects, MadeUpQueue, MadeUpTable
from benchmarks.network import Network
from benchmarks.stand_in import made_up_store
from local_cloud import ANYBODY
from local_cloud.clients import ClientFactory
from pipeline_common.contracts import RouteOutputs, StorageOutputs
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.route import Route, SourceRoutes, open_sides
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
    """Counts the calls, of stores in this process."""

    sides: Sides
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
        missing = -(-keys // missing_every) if missing_every else 0
        return cls(keys, missing, network, sides, made_up_backlog(MadeUpQueue(network)))

    @classmethod
    def behind(cls, endpoint: str, keys: int) -> Self:
        """Reach what a stand-in makes up, over HTTP, by clients that are configured as the commands' are."""
        factory = ClientFactory(endpoint, ANYBODY)
        spec = made_up_route(made_up_store(keys, SOURCE), made_up_store(keys, TARGET))
        backlog = made_up_backlog(factory.client("sqs", spec.source_region, None), spec)
        replication = replace(
            backlog.replication,
            client=lambda service, /, *, region, config=None: factory.client(service, region, config),
        )
        return cls(keys, 0, Network(), open_sides(replication, backlog.route), backlog)


def made_up_route(source: str = "source", target: str = "target") -> RouteSpec:
    """Return a route's specification, in which each name stands for itself, but for those that are told.

    These are of a bucket, and of a table.
    """
    required: Any = {
        each.name: each.name.replace("_", "-")
        for each in fields(RouteSpec)
        if each.default is MISSING and each.default_factory is MISSING
    }
    datasets = tuple(RoutedDataset(dataset=each, source=source, target=target) for each in (OBJECTS, ITEMS))
    told = {"source_environment": SOURCE, "target": TARGET, "datasets": datasets}
    return RouteSpec(**required | told)


def made_up_backlog(queue: Any, spec: RouteSpec | None = None) -> Backlog:
    """Return the backlog of a made-up queue's client, which is believed as soon as the queue is seen to be empty."""
    spec = spec or made_up_route()
    outputs: Any = {each.name: each.name for each in fields(RouteOutputs) if each.name != "spec"}
    contract = RouteOutputs(**outputs, spec=spec.document())
    route = Route(target=TARGET, outputs=contract, read_spec=lambda: spec)
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
