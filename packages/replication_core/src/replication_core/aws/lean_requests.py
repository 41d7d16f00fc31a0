"""Requests for objects, made once over connections that are kept, on the way that botocore was seen to take."""

import os
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPSConnection
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.exceptions import NoCredentialsError
from botocore.hooks import first_non_none_response
from botocore.httpsession import get_cert_path
from botocore.session import Session
from botocore.utils import get_environ_proxies
from urllib3.util import wait_for_read

from replication_core.aws.sigv4 import signed

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.signers import RequestSigner
    from mypy_boto3_s3 import S3Client

__all__ = ["HttpAnswer", "Way"]

_SECONDS = 3
"""Silence after which a request is given up: what botocore waits after it still fits into the reserve of a deadline."""

_UNPROVEN = 8
"""Requests of an operation that may come to nothing on a way before any has succeeded."""

_SIGNATURE = "s3v4"
_SIGNED_FOR = frozenset({"region", "signing_name", "disableDoubleEncoding"})
_HEADERS = frozenset({"user-agent", "x-amz-checksum-mode", "x-amzn-trace-id"})
"""What botocore has put into a request when it signs it; where there is more, somebody has added to it."""


class HttpAnswer(NamedTuple):
    """An HTTP answer, whole."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class _Connections:
    """Connections to a server, as many as were ever in use at a time, which are kept for the next request."""

    def __init__(self, connect: Callable[[], HTTPConnection]) -> None:
        self._connect = connect
        self._free: deque[HTTPConnection] = deque()

    def send(self, request: AWSPreparedRequest, target: str) -> HttpAnswer:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._connect()
        try:
            # The server has closed it since, or has said there what nobody has asked for.
            if connection.sock is not None and wait_for_read(connection.sock, timeout=0):
                connection.close()
            connection.request(request.method, target, headers=dict(request.headers.items()))
            answer = connection.getresponse()
            found = HttpAnswer(answer.status, answer.getheaders(), answer.read())
        except BaseException:
            connection.close()
            raise
        if found.status < HTTPStatus.OK:
            # The final answer is still to come there, and would be taken for the next request's.
            connection.close()
        self._free.append(connection)
        return found


@dataclass(slots=True)
class Way:
    """How a client's requests reach a bucket."""

    client: "S3Client" = field(compare=False)
    signer: "RequestSigner" = field(compare=False)
    scope: tuple[str, str]
    """The region and the service that requests are signed for."""

    server: str
    """Scheme, host and port, as in a URL."""

    path: str
    """The bucket's, up to and including the slash before a key."""

    user_agent: str = field(compare=False)
    connections: _Connections = field(compare=False)
    tries: dict[str, float] = field(default_factory=dict, compare=False)
    """Requests of each operation that may still come to nothing: without end once one has succeeded."""

    @classmethod
    def seen(cls, client: "S3Client", request: "AWSRequest", signer: "RequestSigner", signature: str) -> "Way | None":
        """Return the way of a request that botocore is about to sign; None where it can't be gone without botocore.

        So it is with a proxy, with a certificate of the client's own, and with any but the common signature.
        """
        url, context, config = str(request.url), request.context, client.meta.config
        parts, signing = urlsplit(url), context.get("signing", {})
        key = context.get("input_params", {}).get("Key", "")
        # Of a bucket itself the path has no slash at its end.
        path = parts.path.removesuffix(quote(key, safe="/~")) if key else f"{parts.path.rstrip('/')}/"
        proxies: Any = getattr(config, "proxies", None) or get_environ_proxies(url)
        odd = (
            signature != _SIGNATURE
            or not signing.keys() <= _SIGNED_FOR
            or not {name.lower() for name in request.headers.keys()} <= _HEADERS  # noqa: SIM118 - it is no mapping
            or proxies.get(parts.scheme)
            or getattr(config, "client_cert", None)
        )
        if odd or not path.endswith("/"):
            return None
        return cls(
            client,
            signer,
            (signing.get("region") or signer.region_name, signing.get("signing_name") or signer.signing_name),
            f"{parts.scheme}://{parts.netloc}",
            path,
            request.headers["User-Agent"],
            _Connections(partial(_connection, parts.scheme, parts.hostname or "", parts.port)),
        )

    def ask(self, operation: str, method: str, key: str, query: str, **headers: str) -> HttpAnswer:
        """Ask for an object, or of the bucket where no key is told.

        Raises what comes of a connection, and of credentials that can't be renewed.

        Whoever has told the client to look at what it sends, or to answer it, does so here.
        """
        self.tries[operation] = self.tries.get(operation, _UNPROVEN) - 1
        path = self.path + quote(key, safe="/~") if key else self.path.rstrip("/") or "/"
        region, service = self.scope
        # Frozen for this request alone, so that they are renewed as they are for botocore's own.
        credentials = self.signer.get_auth_instance(service, region, _SIGNATURE).credentials
        if credentials is None:
            raise NoCredentialsError
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        told = {"host": self.server.partition("://")[2], **headers}
        signed_ = signed(credentials, self.scope, stamp, (method, path, query), told)
        sent: Any = HeadersDict({**signed_, "user-agent": self.user_agent})
        target = f"{path}?{query}" if query else path
        request = AWSPreparedRequest(method, self.server + target, sent, b"", stream_output=False)
        answer = first_non_none_response(self.client.meta.events.emit(f"before-send.s3.{operation}", request=request))
        if answer is None:
            return self.connections.send(request, target)
        return HttpAnswer(answer.status_code, list(answer.headers.items()), answer.content)

    def leads_to(self, operation: str) -> bool:
        """Tell whether a request of an operation is worth a try: a store may answer some in a form of its own."""
        return self.tries.get(operation, _UNPROVEN) > 0

    def succeeded(self, operation: str) -> None:
        """Note that this way leads to an operation, whatever may come of later requests."""
        self.tries[operation] = inf


def _connection(scheme: str, host: str, port: int | None) -> HTTPConnection:
    if scheme == "http":
        return HTTPConnection(host, port, timeout=_SECONDS)
    return HTTPSConnection(host, port, timeout=_SECONDS, context=_trust())


@cache
def _trust() -> ssl.SSLContext:
    """Return the trust in certificates that botocore's clients have where they are given no other."""
    told: Any = Session().get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or True
    return ssl.create_default_context(cafile=get_cert_path(told))
