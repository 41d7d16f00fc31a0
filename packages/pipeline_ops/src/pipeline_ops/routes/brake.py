"""The brake of a route, as an operator sees and releases it."""

import time

from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from replication_core.delete_brake import BrakeTable

__all__ = ["LIFTED_SECONDS", "held_by_brake", "lift_brake", "release_brake"]

LIFTED_SECONDS = 3600
"""How long deletes are not counted that somebody lets through: what waits then is worked off first."""


def held_by_brake(replication: SourceRoutes, route: Route) -> str:
    """Return what a route's brake keeps it from deleting; empty where it holds nothing, or nobody knows of one."""
    try:
        table = _table(replication, route)
    except OperatorError:  # its specification is another release's, which has its own way of being told
        return ""
    with explained(f"The brake of the route to {route.target} can't be looked at"):
        return table.state().held if table else ""


def release_brake(replication: SourceRoutes, route: Route) -> bool:
    """Have the brake let go where it holds, and count from nothing; return whether it held."""
    return bool(held_by_brake(replication, route)) and lift_brake(replication, route, seconds=0)


def lift_brake(replication: SourceRoutes, route: Route, *, seconds: float = LIFTED_SECONDS) -> bool:
    """Have the brake let go and not count for so long; return whether there is one."""
    table = _table(replication, route)
    with explained(f"The brake of the route to {route.target} can't be released"):
        if table:
            table.release(lifted_until=time.time() + seconds)
    return table is not None


def _table(replication: SourceRoutes, route: Route) -> BrakeTable | None:
    name = route.spec.brake_table
    return BrakeTable(dynamodb=replication.client("dynamodb", region=replication.region), name=name) if name else None
