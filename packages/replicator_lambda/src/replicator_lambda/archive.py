"""What travels in a function's archive beside its code: the specifications of the routes that it works for."""

import json
from pathlib import Path

from replication_core.route_spec import ROUTE_FILE, ROUTES_FILE, RouteSpec, parse_routes

__all__ = ["read_route", "read_routes"]

_ROOT = Path(__file__).resolve().parents[1]


def read_route() -> RouteSpec:
    """Return the specification of the route that the function is of; raises RouteSpecError, or OSError without one."""
    return RouteSpec.parse(json.loads((_ROOT / ROUTE_FILE).read_text()))


def read_routes() -> list[RouteSpec]:
    """Return the specifications of all the routes that the function serves. Raises likewise."""
    return parse_routes((_ROOT / ROUTES_FILE).read_text())
