"""`pause` and `resume` as they are typed."""

from datetime import UTC, datetime, timedelta

from pipeline_common.contracts import RouteOutputs
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.pausing import set_enabled
from pipeline_ops.terminal import document, tell, waiting
from pipeline_ops.where import Where

__all__ = ["pause", "resume"]


def pause(target: str, where: Where, as_json: bool) -> None:
    """Stop a route, and say until when it has to be resumed."""
    until = datetime.now(UTC) + timedelta(days=RouteOutputs.QUEUE_RETENTION_DAYS)
    _switch(
        where,
        target,
        enabled=False,
        as_json=as_json,
        says=f"paused. Changes wait in its queue; those of now are lost if it is not resumed before {until:%Y-%m-%d}",
    )


def resume(target: str, where: Where, as_json: bool) -> None:
    """Start a paused route again."""
    _switch(where, target, enabled=True, as_json=as_json, says="enabled")


def _switch(where: Where, target: str, *, enabled: bool, as_json: bool, says: str) -> None:
    replication = deployed_replication(where).replication
    route = replication.route(target)
    with waiting(f"Waiting until Lambda has {'enabled' if enabled else 'paused'} the route to {target}"):
        changed = set_enabled(replication, route, enabled=enabled)
    if as_json:
        document({"target": target, "enabled": enabled, "changed": changed})
    else:
        tell(f"The route to {target} is {says}." if changed else f"The route to {target} was so already.")
