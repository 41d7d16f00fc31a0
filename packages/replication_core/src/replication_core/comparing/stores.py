"""Both sides of a route, to be read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from replication_core.clients import Clients
from replication_core.route_spec import ReplicatorSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

__all__ = ["Stores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a route replicates from and to, by its own settings, and the clients to read either with.

    The clients should allow a connection for every thread that reads by them.
    """

    settings: ReplicatorSettings
    source_s3: "S3Client"
    target_s3: "S3Client"
    source_dynamodb: "DynamoDBClient"
    target_dynamodb: "DynamoDBClient"

    @classmethod
    def of(cls, settings: ReplicatorSettings, clients: Clients) -> Self:
        """Take from a route's clients those that read."""
        return cls(
            settings=settings,
            source_s3=clients.source_s3,
            target_s3=clients.target_s3,
            source_dynamodb=clients.source_dynamodb,
            target_dynamodb=clients.target_dynamodb,
        )
