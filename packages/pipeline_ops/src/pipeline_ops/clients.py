"""Clients of the services that a command asks: AWS's by the user's own session, or a local cloud's."""

import functools
from typing import Any, Protocol

from botocore.config import Config
from botocore.session import Session, get_session

__all__ = ["ClientMaker", "aws_client"]


class ClientMaker(Protocol):
    """Whatever makes clients."""

    def __call__(self, service: str, /, *, region: str, config: Config | None = None) -> Any:
        """Return a client of the service in the region."""


def aws_client(service: str, /, *, region: str, config: Config | None = None) -> Any:
    """Return a client of the user's own session."""
    return _session().create_client(service, region_name=region, config=config)


@functools.cache
def _session() -> Session:
    # Not boto3's, whose clients are these: to load it, and what it adds to them, takes half as long again.
    return get_session()
