"""The brake of a route, as an operator sees and releases it."""

import time

from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from replication_core.delete_brake import BrakeTable

__all__ = ["LIFTED_SECONDS", "held_by_brake", "release_brake"]

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


def release_brake(replication: SourceRoutes, route: Route, *, deletes: bool) -> bool:
    """Have the brake let go where it holds, and with `deletes` not count for an hour; return whether it did either.

    Raises OperatorError, as misuse, where deletes are to be let through and the route has no brake.
    """
    table = _table(replication, route)
    if table is None and deletes:
        raise OperatorError(f"The route to {route.target} has no brake: leave --deletes out.", MISUSED)
    if table is None or not (deletes or held_by_brake(replication, route)):
        return False
    with explained(f"The brake of the route to {route.target} can't be released"):
        table.release(lifted_until=time.time() + LIFTED_SECONDS if deletes else 0)
    return True


def _table(replication: SourceRoutes, route: Route) -> BrakeTable | None:
    name = route.spec.brake_table
    return BrakeTable(dynamodb=replication.client("dynamodb", region=replication.region), name=name) if name else None
