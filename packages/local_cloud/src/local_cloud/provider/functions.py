"""The data sources that the projects use: who is asking, where, and in which partition."""

from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.provider.resource import RefusedError
from local_cloud.provider.session import Session

__all__ = ["FUNCTIONS"]

Function = Callable[[Session, Mapping[str, Any]], dict[str, Any]]


def _caller_identity(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_arguments("getCallerIdentity", arguments, "id")
    caller = session.caller
    return {"accountId": caller["Account"], "arn": caller["Arn"], "id": caller["Account"], "userId": caller["UserId"]}


def _region(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_arguments("getRegion", arguments, "region", "name")
    region = arguments.get("region") or arguments.get("name") or session.settings.region
    # AWS describes a region by its place on Earth; this one has none.
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": "local cloud",
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


def _partition(_session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_arguments("getPartition", arguments, "id")
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _refuse_arguments(function: str, arguments: Mapping[str, Any], *implemented: str) -> None:
    for name, value in arguments.items():
        if value is not None and name not in implemented:
            raise RefusedError(f"{function}: the local stand-in does not implement the argument {name!r}")


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
}
