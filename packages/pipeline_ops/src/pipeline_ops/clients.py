"""Clients of the services that a command asks: AWS's by the user's own session, or a local cloud's."""

import functools
from datetime import datetime
from typing import Any, Protocol

import boto3
import botocore.session
from botocore.config import Config
from botocore.utils import parse_timestamp

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
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    return boto3.Session(botocore_session=session)


def _timestamp(value: Any) -> datetime:
    """Read an instant as botocore does, but the form that listings have a thousand of in a page without dateutil.

    That takes two thirds of the time that a page's answer is read in.
    """
    if isinstance(value, str) and value[10:11] == "T" and value.endswith("Z"):
        return datetime.fromisoformat(value)
    instant: datetime = parse_timestamp(value)
    return instant
