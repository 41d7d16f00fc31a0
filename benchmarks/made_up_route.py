"""A route whose source, target and queue are made up: what verifying and backfilling are measured over."""

from dataclasses import MISSING, dataclass, fields
from typing import Any, Self

from benchmarks.made_up import SOURCE, TARGET, Calls, MadeUpKeys, MadeUpObjects, MadeUpQueue, MadeUpTable
from pipeline_common.contracts import RouteOutputs, StorageOutputs
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.route import Replication, Route
from replication_core.comparing.stores import Stores
from replication_core.route_spec import ReplicatorSettings

__all__ = ["World", "made_up_backlog", "made_up_settings"]


@dataclass(frozen=True)
class World:
    """So many keys on both sides, and what the commands read and enqueue them by."""

    keys: int
    calls: Calls
    stores: Stores
    queue: MadeUpQueue
    backlog: Backlog

    @classmethod
    def of(cls, keys: int, missing_every: int = 0, latency_seconds: float = 0.0) -> Self:
        """Make it up; the target misses every so manyth key."""
        calls = Calls(latency_seconds)
        sides = {SOURCE: MadeUpKeys(keys), TARGET: MadeUpKeys(keys, missing_every)}
        buckets: dict[str, Any] = {side: MadeUpObjects(side, its, calls) for side, its in sides.items()}
        tables: dict[str, Any] = {side: MadeUpTable(side, its, calls) for side, its in sides.items()}
        stores = Stores(
            settings=made_up_settings(),
            source_s3=buckets[SOURCE],
            target_s3=buckets[TARGET],
            source_dynamodb=tables[SOURCE],
            target_dynamodb=tables[TARGET],
        )
        queue = MadeUpQueue(calls)
        return cls(keys, calls, stores, queue, made_up_backlog(queue))


def made_up_settings(**differing: str) -> ReplicatorSettings:
    """Return a route's settings, in which each name stands for itself, but for those that are told."""
    required: Any = {each.name: each.name for each in fields(ReplicatorSettings) if each.default is MISSING}
    return ReplicatorSettings(**required | {"source_environment": SOURCE, "target": TARGET} | differing)


def made_up_backlog(queue: MadeUpQueue) -> Backlog:
    """Return that queue's backlog, which is believed as soon as it is seen to be empty."""
    route = Route(target=TARGET, outputs=RouteOutputs(**{each.name: each.name for each in fields(RouteOutputs)}))
    outputs: Any = {each.name: each.name for each in fields(StorageOutputs)}
    storage = StorageOutputs(**outputs | {"datasets": {}})
    replication = Replication(
        source=storage,
        routes={TARGET: route},
        notifier_function_name="",
        notifier_mapping_id="",
        trail_name="",
        target_storage=lambda _: storage,
        client=lambda _service, /, **_: queue,
    )
    return Backlog(replication=replication, route=route, quiet_seconds=0.0)
