"""Clients of the services that a command asks: AWS's by the user's own session, or a local cloud's."""

import functools
from typing import Any, Protocol

import boto3
from botocore.config import Config

__all__ = ["ClientMaker", "aws_client"]


class ClientMaker(Protocol):
    """Whatever makes boto3 clients."""

    def __call__(self, service: str, /, *, region: str, config: Config | None = None) -> Any:
        """Return a boto3 client of the service in the region."""


def aws_client(service: str, /, *, region: str, config: Config | None = None) -> Any:
    """Return a client of the user's own session."""
    return _session().client(service, region_name=region, config=config)  # type: ignore[call-overload] # known by literals


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session()
