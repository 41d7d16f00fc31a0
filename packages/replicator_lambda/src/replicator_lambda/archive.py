"""What travels in a function's archive beside its code: the specifications of the routes that it works for."""

import json
from pathlib import Path
from typing import Any

from replication_core.route_spec import ROUTE_FILE, ROUTES_FILE, RouteSpec

__all__ = ["read_route", "read_routes"]


def read_route() -> RouteSpec:
    """Return the specification of the route that the function is of; raises RouteSpecError, or OSError without one."""
    return RouteSpec.parse(_document(ROUTE_FILE))


def read_routes() -> list[RouteSpec]:
    """Return the specifications of all the routes that the function serves. Raises likewise."""
    return [RouteSpec.parse(each) for each in _document(ROUTES_FILE)]


def _document(name: str) -> Any:
    return json.loads((Path(__file__).resolve().parents[1] / name).read_text())
