"""The clients of one route, made once per process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.session import get_session

from replication_core.aws.clients import client_config, is_path_style
from replication_core.items.answers import read_items_fast
from replication_core.objects.heads import keep_empty_expires
from replication_core.route_spec import RouteSpec

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

__all__ = ["Clients", "connect", "connect_queues"]

_COPY_SECONDS = 60
_COPY_ATTEMPTS = 2
"""How long a copy may be silent, and how often it is tried.

S3 keeps a long copy's connection alive with white space; without any, an object of 512 MiB has to be copied at 9 MiB/s,
and a part at 1.1. What bounds a copy's whole time is its size: see DEFAULT_LARGE_FROM and DEFAULT_PART_SIZE.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """What a route calls; source and target may share clients where their region is the same."""

    source_s3: "S3Client"
    target_s3: "S3Client"
    copying_s3: "S3Client"
    """For copies into the target, which may keep silent for longer than any other call."""

    source_dynamodb: "DynamoDBClient"
    target_dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    sns: "SNSClient"
    kms: Any = None
    """Where the route's key is, the source's region; None where the route masks nothing."""

    lambda_: Any = None
    """By which a route pauses itself; None where no brake makes it."""


def connect(route: RouteSpec, *, connections: int, environ: Mapping[str, str] = os.environ) -> Clients:
    """Make a route's clients, each in its own region."""
    session: Any = get_session()
    path_style = is_path_style(environ)
    calling = client_config(connections, path_style=path_style)
    copying = client_config(connections, read_seconds=_COPY_SECONDS, attempts=_COPY_ATTEMPTS, path_style=path_style)
    made: dict[tuple[str, str], Any] = {}

    def client(service: Any, region: str) -> Any:
        if (service, region) not in made:
            made[service, region] = session.create_client(service, region_name=region, config=calling)
            if service == "s3":
                keep_empty_expires(made[service, region])
            elif service == "dynamodb":
                read_items_fast(made[service, region])
        return made[service, region]

    return Clients(
        source_s3=client("s3", route.source_region),
        target_s3=client("s3", route.target_region),
        copying_s3=session.create_client("s3", region_name=route.target_region, config=copying),
        source_dynamodb=client("dynamodb", route.source_region),
        target_dynamodb=client("dynamodb", route.target_region),
        sqs=client("sqs", route.source_region),
        sns=client("sns", route.failure_topic_arn.split(":")[3]),
        kms=client("kms", route.source_region) if route.masking else None,
        lambda_=client("lambda", route.source_region) if route.brake_table else None,
    )


def connect_queues(*, connections: int) -> "SQSClient":
    """Make a client for queues in the function's own region."""
    client: Any = get_session().create_client("sqs", config=client_config(connections))
    queues: SQSClient = client
    return queues
