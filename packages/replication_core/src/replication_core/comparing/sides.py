"""Both sides of a route, for reading."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from replication_core.clients import Clients
from replication_core.objects.lean_reads import read_lean
from replication_core.route_mask import Masking, route_mask, unmasked
from replication_core.route_spec import RouteSpec

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

__all__ = ["Sides"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The source and the target of a route, and the clients that read them.

    The clients should allow a connection for every thread that reads by them.
    """

    route: RouteSpec
    source_s3: "S3Client"
    target_s3: "S3Client"
    source_dynamodb: "DynamoDBClient"
    target_dynamodb: "DynamoDBClient"
    mask: Masking = unmasked
    """Makes the mask that the route's replicas are made by."""

    @classmethod
    def of(cls, route: RouteSpec, clients: Clients) -> Self:
        """Take from a route's clients those that read."""
        return cls(
            route=route,
            source_s3=read_lean(clients.source_s3),
            target_s3=read_lean(clients.target_s3),
            source_dynamodb=clients.source_dynamodb,
            target_dynamodb=clients.target_dynamodb,
            mask=route_mask(route, clients.kms),
        )
