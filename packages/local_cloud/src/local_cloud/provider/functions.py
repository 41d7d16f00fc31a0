"""The data sources that the projects use: who is asking, where, in which partition, and what was made by others."""

from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.provider.dynamodb import Table
from local_cloud.provider.resource import RefusedError, Resource
from local_cloud.provider.s3 import Bucket
from local_cloud.provider.schema import Properties
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


def _bucket(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_arguments("getBucket", arguments, "bucket", "region")
    return _live(Bucket, session, arguments["bucket"], arguments.get("region"))


def _table(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_arguments("getTable", arguments, "name", "region")
    table = _live(Table, session, arguments["name"], arguments.get("region"))
    # A data source has an index's keys in both forms.
    indexes = [
        {**index, **{f"{key['keyType'].lower()}Key": key["attributeName"] for key in reversed(index["keySchemas"])}}
        for index in table["globalSecondaryIndexes"]
    ]
    return {**table, "globalSecondaryIndexes": indexes}


def _live(resource_type: type[Resource], session: Session, identifier: str, region: str | None) -> Properties:
    region = region or session.settings.region
    told = resource_type(session, region, {}, lambda _: None).read(identifier)
    if told is None:
        raise RefusedError(f"there is no {resource_type.__name__.lower()} named {identifier} in {region}")
    return {**told, "id": identifier, "region": region}


def _refuse_arguments(function: str, arguments: Mapping[str, Any], *implemented: str) -> None:
    for name, value in arguments.items():
        if value is not None and name not in implemented:
            raise RefusedError(f"{function}: the local stand-in does not implement the argument {name!r}")


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:s3/getBucket:getBucket": _bucket,
    "aws:dynamodb/getTable:getTable": _table,
}
