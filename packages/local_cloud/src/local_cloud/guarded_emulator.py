"""Serves the emulator to those alone who have its key.

Started as a script by the emulator's own Python, with what is installed there: `python -I guarded_emulator.py`. It
is the emulator's one address, so there is none beside it that goes unguarded; AWS_SECRET_ACCESS_KEY in its
environment is the secret of the key. The emulator runs functions as the user who started it, and by itself answers
everybody: any page in a browser (a form posts `text/plain` anywhere without being asked), and any user of the machine.

What comes through has the emulator's own Host, so that no name of another's that was made to lead here does; nothing
of a browser's page in its headers; and a Signature Version 4 under the key, over all headers that say what is asked
for, and over the body's digest where one is told or the service is another than S3. The id of the key is free, since
the emulator takes one of twelve digits for an account; its own functions sign like that. Only the health pages are
answered without a signature.

What remains: whoever can read this user's files or the environment of its processes has the key. A signature's age is
not looked at, nor a chunk's own signature. A body is held in memory before its signature is known to be wrong. What
AWS answers without a signature (public objects, function URLs, roles taken with a web identity), signatures of other
kinds, and keys that IAM or STS of the emulator gave out are refused.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import re
import resource
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

__all__ = ["Guard", "main"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
Application = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_HEALTH = frozenset({"/_ministack/health", "/_localstack/health"})
_OWN_NAMES = re.compile(r"127\.0\.0\.1|([a-z0-9.-]+\.)?localhost")
"""A name below localhost is this machine's, whoever resolves it (RFC 6761): clients put a bucket there."""

_OWN_PAGES = frozenset({"none", "same-origin"})
_ALGORITHM = "AWS4-HMAC-SHA256"
_OWN_KEY = "this local cloud answers only what is signed with its own key"
_DIGEST = "x-amz-content-sha256"
_KEEP_ALIVE_SECONDS = 75
"""What the emulator gives a connection when it serves itself."""


class _RefusedError(Exception):
    """Why a request is not let through, with AWS's code for it."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Guard:
    """An ASGI application that hands to another one what has the right Host, no Origin, and the key's signature.

    All else is answered 403, with the reason, in a form that the service's clients read. `port` is the port of this
    machine that it is served on.
    """

    def __init__(self, application: Application, port: int, secret_access_key: str) -> None:
        self._application = application
        self._port = port
        self._secret = secret_access_key

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "lifespan":
            headers = _headers(scope)
            try:
                self._check_sender(headers)
                if scope["path"] not in _HEALTH or scope.get("method") != "GET":
                    receive = await self._check_signature(scope, headers, receive)
            except _RefusedError as refusal:
                await _refuse(scope, headers, refusal, send)
                return
        await self._application(scope, receive, send)

    def _check_sender(self, headers: Mapping[str, str]) -> None:
        name, _, port = headers.get("host", "").rpartition(":")
        if port != str(self._port) or not _OWN_NAMES.fullmatch(name):
            raise _RefusedError("AccessDenied", f"this local cloud is 127.0.0.1:{self._port} or localhost:{self._port}")
        if "origin" in headers or headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
            raise _RefusedError("AccessDenied", "this local cloud answers no page in a browser")

    async def _check_signature(self, scope: _Message, headers: Mapping[str, str], receive: _Receive) -> _Receive:
        claim = _Claim.of(scope, headers)
        if unsigned := claim.unsigned(headers):
            raise _RefusedError("AccessDenied", f"the signature has to cover {', '.join(unsigned)}, as AWS asks")
        digest = claim.digest(headers)
        if digest is None:
            body, receive = await _read(receive)
            digest = hashlib.sha256(body).hexdigest()
        expected = claim.signature_by(self._secret, scope, headers, digest)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise _RefusedError(
                "SignatureDoesNotMatch",
                f"{_OWN_KEY}, which is another at each start: whoever started it was given the key with the address",
            )
        return receive


@dataclass(frozen=True)
class _Claim:
    """What a request says of its signature, in its Authorization header or, presigned, in its query."""

    access_key_id: str
    region: str
    service: str
    time: str
    signed_headers: tuple[str, ...]
    signature: str
    presigned: bool

    @classmethod
    def of(cls, scope: _Message, headers: Mapping[str, str]) -> "_Claim":
        """Read it; raises _RefusedError where there is none of Signature Version 4."""
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
        algorithm, _, listed = headers.get("authorization", "").partition(" ")
        presigned = not algorithm
        if presigned:
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            fields = {name.removeprefix("X-Amz-"): value for name, value in query if name.startswith("X-Amz-")}
            algorithm = fields.get("Algorithm", "")
        else:
            fields = {name: value for name, _, value in (part.strip().partition("=") for part in listed.split(","))}
            fields["Date"] = headers.get("x-amz-date", "")
        try:
            access_key_id, day, region, service, _ = fields["Credential"].split("/")
            time, signed, signature = fields["Date"], fields["SignedHeaders"], fields["Signature"]
        except (KeyError, ValueError):
            algorithm = day = time = ""
        if algorithm != _ALGORITHM or not day or not time.startswith(day):
            raise _RefusedError("MissingAuthenticationToken", f"{_OWN_KEY}, by {_ALGORITHM}")
        return cls(access_key_id, region, service, time, tuple(signed.split(";")), signature, presigned)

    @property
    def is_s3(self) -> bool:
        """Whether it is signed as S3 has it, which has names of its own for parts of it."""
        return self.service.startswith("s3")

    def unsigned(self, headers: Mapping[str, str]) -> list[str]:
        """Return the headers that say what is asked for, and that the signature does not cover.

        The emulator takes a request's service and operation from some of them, so that a presigned URL, which others
        are given, would else ask for anything. AWS wants the same ones to be signed.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        """
        said = {name for name in headers if name in {"host", "content-type"} or name.startswith("x-amz-")}
        return sorted(said - set(self.signed_headers))

    def digest(self, headers: Mapping[str, str]) -> str | None:
        """Return what stands for the body in the signature; None where the body's own digest does."""
        return headers.get(_DIGEST) or ("UNSIGNED-PAYLOAD" if self.is_s3 and self.presigned else None)

    def signature_by(self, secret: str, scope: _Message, headers: Mapping[str, str], digest: str) -> str:
        """Return the signature that the request would have if the secret had signed it."""
        query = scope["query_string"].decode("latin-1").split("&")
        signed_query = "&".join(part for part in query if not part.startswith("X-Amz-Signature="))
        target = scope["raw_path"].decode("latin-1") + ("?" + signed_query if signed_query else "")
        request = AWSRequest(
            method=scope.get("method", "GET"),
            url="http://" + headers["host"] + target,
            headers={name: headers.get(name, "") for name in self.signed_headers},
        )
        request.context["timestamp"] = self.time
        signing = _S3Signer if self.is_s3 else _Signer
        signer = signing(Credentials(self.access_key_id, secret), self.service, self.region, digest)
        return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


class _Signer(SigV4Auth):
    """Signs the headers that it is given and no others, and a body by its digest."""

    def __init__(self, credentials: Credentials, service: str, region: str, digest: str) -> None:
        super().__init__(credentials, service, region)
        self._digest = digest

    def headers_to_sign(self, request: AWSRequest) -> Any:
        """Return them all."""
        return request.headers

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002
        """Return the body's digest."""
        return self._digest


class _S3Signer(_Signer, S3SigV4Auth):
    """The same for S3, where a path is a key, and signed as it is."""


def _headers(scope: _Message) -> dict[str, str]:
    """Return the headers by their names in lower case; values of one name are joined, as a signature has them."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", errors="replace")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


async def _read(receive: _Receive) -> tuple[bytes, _Receive]:
    """Return the body, and what receives it once more."""
    parts: list[bytes] = []
    message: _Message = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    body = b"".join(parts)
    messages = [message if message["type"] != "http.request" else {"type": "http.request", "body": body}]

    async def receive_again() -> _Message:
        return messages.pop() if messages else await receive()

    return body, receive_again


async def _refuse(scope: _Message, headers: Mapping[str, str], refusal: _RefusedError, send: _Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    kind, text = _error(refusal, headers.get("content-type", ""))
    named = {"content-type": kind, "content-length": str(len(text)), "x-amzn-errortype": refusal.code}
    encoded = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": 403, "headers": encoded})
    await send({"type": "http.response.body", "body": text})


def _error(refusal: _RefusedError, asked_in: str) -> tuple[str, bytes]:
    """Return the refusal as AWS's services tell theirs, by the type of the request's own content."""
    if "json" in asked_in:
        return "application/json", json.dumps({"__type": refusal.code, "message": refusal.reason}).encode()
    text = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.reason)}</Message></Error>"
    return "application/xml", (f"<ErrorResponse>{text}</ErrorResponse>" if "form" in asked_in else text).encode()


def main() -> None:
    """Serve the emulator on the port and address that its own variables name."""
    # What is installed beside the emulator, and not where this is checked and tested.
    emulator, server = import_module("ministack.app"), import_module("hypercorn.asyncio")
    config = import_module("hypercorn.config").Config()
    port = int(os.environ["GATEWAY_PORT"])
    config.bind = [f"{os.environ['BIND_HOST']}:{port}"]
    config.loglevel = os.environ["LOG_LEVEL"]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS takes no unlimited number
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    guard = Guard(emulator.app, port, os.environ["AWS_SECRET_ACCESS_KEY"])
    asyncio.run(server.serve(guard, config))


if __name__ == "__main__":
    main()
