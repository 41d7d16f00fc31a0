"""An emulator's endpoint: how it is written, whether it is healthy, and that it can never be AWS."""

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from local_cloud.aws_domains import is_aws
from local_cloud.errors import LocalCloudError

__all__ = ["identity", "is_healthy", "normalize", "wait_until_healthy"]

_HEALTH_PATHS = ("/_ministack/health", "/_localstack/health", "/_localemu/health")
_REQUEST_SECONDS = 5.0
_POLL_SECONDS = 0.1

# A proxy of the user's must neither see nor answer what is meant for this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def normalize(given: str) -> str:
    """Return the endpoint as a URL of a host and a port, the host in small letters.

    `host` and `host:port` are read as LocalStack's client reads them.
    Raises LocalCloudError for what is no endpoint, and for any of AWS's own domains.
    """
    if "://" not in given:
        from localstack_client.config import parse_localstack_host  # noqa: PLC0415 - brings boto3 with it

        try:
            host, port = parse_localstack_host(given)
        except RuntimeError as error:
            raise LocalCloudError(f"{given!r} is no endpoint: write it as http://localhost:4566") from error
        given = f"http://{host}:{port}"
    try:
        parts = urlsplit(given)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        # Nothing but the host and its port is ever called.
        valid = valid and parts.path in {"", "/"} and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        valid = False
    if not valid:
        raise LocalCloudError(f"{given!r} is no endpoint: write it as http://localhost:4566")
    if is_aws(parts.hostname or ""):
        raise LocalCloudError(f"{given!r} is AWS itself, not a local cloud: leave the endpoint out")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def identity(endpoint: str) -> str:
    """Return the one text that stands for what answers at a normalized endpoint, by either name of this machine.

    It is to tell endpoints apart by, not to call: a certificate may be for `localhost` alone.
    """
    return re.sub("^(https?://)localhost(?=:|$)", r"\g<1>127.0.0.1", endpoint)


def is_healthy(endpoint: str) -> bool:
    """Tell whether a MiniStack or LocalStack answers at the endpoint, at most seconds later."""
    return any(_answers(endpoint + path) for path in _HEALTH_PATHS)


def wait_until_healthy(endpoint: str, seconds: float, is_alive: Callable[[], bool]) -> bool:
    """Wait until the endpoint is healthy; False when the deadline passes or what serves it is no longer alive."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and is_alive():
        if is_healthy(endpoint):
            return is_alive()
        time.sleep(_POLL_SECONDS)
    return False


def _answers(url: str) -> bool:
    try:
        with _opener.open(url, timeout=_REQUEST_SECONDS) as response:
            answer = json.load(response)
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and "services" in answer
