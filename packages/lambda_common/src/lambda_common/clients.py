"""How the functions' clients are configured."""

from botocore.config import Config

__all__ = ["client_config"]

_CONNECT_SECONDS = 5

_READ_SECONDS = 10
"""One call that is never answered, and its retry, still fit into the reserve of a deadline, 15 seconds at most."""

_ATTEMPTS = 3
"""Tries of one call, waits below a second between them; what needs longer goes back to the queue."""


def client_config(
    connections: int, *, read_seconds: float = _READ_SECONDS, attempts: int = _ATTEMPTS, path_style: bool = False
) -> Config:
    """Return a client's configuration: retries and timeouts explicit, and a connection for every thread."""
    return Config(
        max_pool_connections=connections,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        # A copy has the checksum that its source has, not one that the SDK adds to every upload by default.
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path" if path_style else "auto"},
    )
