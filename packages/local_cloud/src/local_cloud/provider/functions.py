"""The data sources that the projects use: who is asking, where, in which partition, and what was made by others."""

from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.provider.dynamodb import Table
from local_cloud.provider.resource import RefusedError, Resource
from local_cloud.provider.s3 import Bucket
from local_cloud.provider.schema import Properties
from local_cloud.provider.session import Session

__all__ = ["invoke"]


def _caller_identity(session: Session, _arguments: Mapping[str, Any]) -> Properties:
    caller = session.caller
    return {"accountId": caller["Account"], "arn": caller["Arn"], "id": caller["Account"], "userId": caller["UserId"]}


def _region(session: Session, arguments: Mapping[str, Any]) -> Properties:
    region = arguments.get("region") or arguments.get("name") or session.settings.region
    # AWS describes a region by its place on Earth; this one has none.
    described = {"description": "local cloud", "endpoint": f"ec2.{region}.amazonaws.com"}
    return {"id": region, "name": region, "region": region, **described}


def _partition(_session: Session, _arguments: Mapping[str, Any]) -> Properties:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _bucket(session: Session, arguments: Mapping[str, Any]) -> Properties:
    return _live(Bucket, session, arguments["bucket"], arguments)


def _table(session: Session, arguments: Mapping[str, Any]) -> Properties:
    table = _live(Table, session, arguments["name"], arguments)
    # A data source has an index's keys in both forms.
    indexes = [
        {**index, **{f"{key['keyType'].lower()}Key": key["attributeName"] for key in reversed(index["keySchemas"])}}
        for index in table.get("globalSecondaryIndexes", ())
    ]
    return {**table, "globalSecondaryIndexes": indexes}


def _live(kind: type[Resource], session: Session, identifier: str, arguments: Mapping[str, Any]) -> Properties:
    region = arguments.get("region") or session.settings.region
    told = kind(session, region, {}, lambda _: None).read(identifier)
    if told is None:
        raise RefusedError(f"there is no {kind.__name__.lower()} named {identifier} in {region}")
    return {**told, "id": identifier, "region": region}


_FUNCTIONS: Mapping[str, tuple[Callable[[Session, Mapping[str, Any]], Properties], tuple[str, ...]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": (_caller_identity, ("id",)),
    "aws:index/getRegion:getRegion": (_region, ("region", "name")),
    "aws:index/getPartition:getPartition": (_partition, ("id",)),
    "aws:s3/getBucket:getBucket": (_bucket, ("bucket", "region")),
    "aws:dynamodb/getTable:getTable": (_table, ("name", "region")),
}


def invoke(session: Session, token: str, arguments: Mapping[str, Any]) -> Properties:
    """Return what the data source tells; raises RefusedError for one, or an argument, that is not implemented."""
    if token not in _FUNCTIONS:
        raise RefusedError(f"the local stand-in for the aws provider does not implement {token!r}")
    function, implemented = _FUNCTIONS[token]
    for name, value in arguments.items():
        if value is not None and name not in implemented:
            raise RefusedError(f"{token}: the local stand-in does not implement the argument {name!r}")
    return function(session, arguments)
