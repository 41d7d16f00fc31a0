"""`pause` and `resume` as they are typed."""

from datetime import UTC, datetime, timedelta

from pipeline_common.contracts import RouteOutputs
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.switch import set_enabled
from pipeline_ops.terminal import document, tell, waiting
from pipeline_ops.where import Where

__all__ = ["switch"]


def switch(target: str, where: Where, as_json: bool, *, enabled: bool) -> None:
    """Start a route, or stop it and say until when it has to be started again."""
    replication = deployed_replication(where).replication
    route = replication.route(target)
    with waiting(f"Waiting until Lambda has {'enabled' if enabled else 'paused'} the route to {target}"):
        changed = set_enabled(replication, route, enabled=enabled)
    if as_json:
        document({"target": target, "enabled": enabled, "changed": changed})
    elif not changed:
        tell(f"The route to {target} is already {'enabled' if enabled else 'paused'}.")
    elif enabled:
        tell(f"The route to {target} is enabled.")
    else:
        until = datetime.now(UTC) + timedelta(days=RouteOutputs.QUEUE_RETENTION_DAYS)
        tell(
            f"The route to {target} is paused. Changes wait in its queue; those of now are lost if it is not resumed "
            f"before {until:%Y-%m-%d}."
        )
