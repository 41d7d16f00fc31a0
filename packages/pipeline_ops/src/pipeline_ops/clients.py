"""Clients of the services that a command asks: AWS's by the user's own session, or a local cloud's."""

from typing import Any, Protocol

import boto3
from botocore.config import Config

__all__ = ["Clients", "aws_client"]


class Clients(Protocol):
    """Whatever makes boto3 clients."""

    def __call__(self, service: str, /, *, region: str, config: Config | None = None) -> Any:
        """Return a boto3 client of the service in the region."""


def aws_client(service: str, /, *, region: str, config: Config | None = None) -> Any:
    """Return a client of the user's own session."""
    return boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload] # known by literals
