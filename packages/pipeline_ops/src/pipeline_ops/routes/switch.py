"""`pause` and `resume`: the switch of a route, by which no change is lost."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipeline_common.contracts import RouteOutputs
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.brake import lift_brake, release_brake
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from pipeline_ops.terminal import document, tell, waiting
from pipeline_ops.where import Where

__all__ = ["ENABLED", "mapping_of", "named_state", "require_enabled", "set_enabled", "state_of", "switch"]

ENABLED: Final = "enabled"
PAUSED: Final = "paused"

_NAMES = {"Enabled": ENABLED, "Disabled": PAUSED}
_WAIT_SECONDS = 180.0
_POLL_SECONDS = 1.0


def mapping_of(replication: SourceRoutes, uuid: str) -> Mapping[str, Any]:
    """Return Lambda's description of an event source mapping."""
    client = replication.client("lambda", region=replication.region)
    return dict(client.get_event_source_mapping(UUID=uuid))


def named_state(mapping: Mapping[str, Any]) -> str:
    """Return `enabled`, `paused`, or what the event source mapping is changing by, such as `disabling`."""
    return _NAMES.get(mapping["State"], str(mapping["State"]).lower())


def state_of(replication: SourceRoutes, route: Route) -> str:
    """Return the state of a route's event source mapping."""
    with explained(f"The route to {route.target} can't be looked at"):
        return named_state(mapping_of(replication, route.outputs.event_source_mapping_id))


def require_enabled(replication: SourceRoutes, route: Route) -> None:
    """Raise OperatorError for a route that is not enabled: what is put into its queue would wait there."""
    if (state := state_of(replication, route)) != ENABLED:
        raise OperatorError(
            f"The route to {route.target} is {state}: `{replication.where.command('resume', route.target)}` first."
        )


def set_enabled(
    replication: SourceRoutes,
    route: Route,
    *,
    enabled: bool,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Have the route's event source mapping hand out changes or not, and return whether that changed anything.

    Returns once Lambda confirms it. A batch that the function has begun is finished; what comes after it waits
    in the queue. Raises OperatorError if Lambda does not confirm it within three minutes.
    """
    wanted = ENABLED if enabled else PAUSED
    if state_of(replication, route) == wanted:
        return False
    client = replication.client("lambda", region=replication.region)
    with explained(f"The route to {route.target} can't be {'resumed' if enabled else 'paused'}"):
        client.update_event_source_mapping(UUID=route.outputs.event_source_mapping_id, Enabled=enabled)
    until = clock() + _WAIT_SECONDS
    while (state := state_of(replication, route)) != wanted:
        if clock() >= until:
            raise OperatorError(
                f"The route to {route.target} was asked to be {wanted} and is still {state} after "
                f"{_WAIT_SECONDS:.0f} s: `{replication.where.command('status', route.target)}` says when it is."
            )
        pause(_POLL_SECONDS)
    return True


def switch(target: str, where: Where, as_json: bool, *, enabled: bool, deletes: bool = False) -> None:
    """Start a route, its brake released, or stop it and say until when it has to be started again."""
    replication = deployed_replication(where).replication
    route = replication.route(target)
    release = lift_brake if deletes else release_brake
    released = enabled and release(replication, route)
    if deletes and not released:
        raise OperatorError(f"The route to {target} has no brake: leave --deletes out.", MISUSED)
    with waiting(f"Waiting until Lambda has {'enabled' if enabled else 'paused'} the route to {target}"):
        changed = set_enabled(replication, route, enabled=enabled)
    if as_json:
        document({"target": target, "enabled": enabled, "changed": changed or released})
    elif released:
        what = "deletes as much as it likes for an hour" if deletes else "counts its deletes anew"
        tell(f"The route to {target} is enabled, its brake is released, and it {what}.")
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
