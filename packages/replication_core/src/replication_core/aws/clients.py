"""Configuration of the functions' clients."""

import http.client
import logging
from collections.abc import Mapping

from botocore.config import Config

__all__ = ["client_config", "is_path_style", "read_any_headers"]

_CONNECT_SECONDS = 5

_READ_SECONDS = 10
"""One call that is never answered, and its retry, still fit into the reserve of a deadline, 15 seconds at most."""

_ATTEMPTS = 3
"""Tries of one call, waits below a second between them; what needs longer goes back to the queue."""

_MAX_HEADERS = 2048 + 100
"""Headers of an answer that are read at most: an entry for each byte of metadata, and the other ones.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: names and values have 2 KB together, and
there is no limit of their number.
"""


def read_any_headers() -> None:
    """Let this process read the answers to heads of objects with more than about 80 metadata entries, and log none.

    urllib3 warns of headers that it can't parse, and quotes them: an object's metadata would be in the log.

    http.client refuses more than 100 headers, and nothing but this constant of its changes that: the parameter that a
    connection has from Python 3.15 on is not passed on by urllib3 and botocore
    (https://docs.python.org/3.15/library/http.client.html#http.client.HTTPConnection).
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    http.client._MAXHEADERS = max(_MAX_HEADERS, http.client._MAXHEADERS)  # type: ignore[attr-defined] # noqa: SLF001


def client_config(
    connections: int, *, read_seconds: float = _READ_SECONDS, attempts: int = _ATTEMPTS, path_style: bool = False
) -> Config:
    """Return a client's configuration: retries and timeouts explicit, and a connection for every thread."""
    read_any_headers()
    return Config(
        max_pool_connections=connections,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        # A copy has the checksum that its source has, not one that the SDK adds to every upload by default.
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path" if path_style else "auto"},
    )


def is_path_style(environ: Mapping[str, str]) -> bool:
    """Tell whether buckets are addressed by path.

    They are where AWS_ENDPOINT_URL names another endpoint than AWS's: the host's name has no subdomains then.
    """
    return bool(environ.get("AWS_ENDPOINT_URL") or environ.get("AWS_ENDPOINT_URL_S3"))
