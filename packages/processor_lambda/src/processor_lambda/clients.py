"""The clients of a processor, made once per process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.session import get_session

from replication_core.aws.clients import client_config, is_path_style
from replication_core.objects.heads import keep_empty_expires

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

__all__ = ["ProcessorClients", "connect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorClients:
    """What a processor calls."""

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"


def connect(*, connections: int, environ: Mapping[str, str] = os.environ) -> ProcessorClients:
    """Make the clients, all in the function's own region, where its environment's storage is too."""
    session: Any = get_session()
    s3 = session.create_client("s3", config=client_config(connections, path_style=is_path_style(environ)))
    keep_empty_expires(s3)
    return ProcessorClients(
        s3=s3,
        dynamodb=session.create_client("dynamodb", config=client_config(connections)),
        sqs=session.create_client("sqs", config=client_config(connections)),
    )
