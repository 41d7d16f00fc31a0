"""Lean reads over real connections: kept, broken, odd and encrypted ones, beside botocore's."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from replication_core.aws import lean_requests
from replication_core.aws.clients import read_any_headers
from replication_core.aws.errors import StoreError
from replication_core.objects.heads import read_head, read_tags
from replication_core.objects.lean_reads import read_lean
from replication_core.objects.states import Head, TagsRead

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nETag: e\r\n"
    b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nx-amz-version-id: v1\r\n\r\n"
)
TAGGING = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
TAGS = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nx-amz-version-id: v1\r\n\r\n%b" % (len(TAGGING), TAGGING)
READ = TagsRead("v1", (("a", "b"),))
CLOSE = b""
"""The connection is closed instead of an answer."""


def plain(request: bytes) -> bytes:
    return HEAD if request.startswith(b"HEAD") else TAGS


@dataclass
class Scripted:
    """A server that answers each request, whatever it is, with the bytes that a function returns."""

    endpoint: str = ""
    answer: Callable[[bytes], bytes] = plain
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def lean(self) -> list[bool]:
        """Return of each request so far whether it was lean: botocore numbers its own."""
        return [b"amz-sdk-invocation-id" not in request for request in self.requests]


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, scripted: Scripted) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripted = scripted


class _Handler(StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        scripted = self.server.scripted
        scripted.connections += 1
        while line := self.rfile.readline():
            request = line + b"".join(iter(self.rfile.readline, b"\r\n"))
            scripted.requests.append(request)
            answer = scripted.answer(request)
            self.wfile.write(answer)
            if b"\r\n\r\n" not in answer or b"\r\nConnection: close\r\n" in answer:
                return


@contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    scripted = Scripted()
    with _Server(scripted) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        scripted.endpoint = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield scripted
        finally:
            server.shutdown()
            thread.join()


def client(endpoint: str, **more: Any) -> Any:
    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(proxies={}, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        **more,
    )


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with running() as made:
        yield made


@pytest.fixture
def lean(scripted: Scripted) -> Any:
    """A client that has been shown the way, and has gone it."""
    made = read_lean(client(scripted.endpoint))
    for _ in range(2):
        read_head(made, "bucket", "key")
    assert scripted.lean() == [False, True]
    scripted.requests.clear()
    scripted.connections = 0
    return made


def test_a_connection_is_kept_for_the_next_request(scripted: Scripted, lean: Any) -> None:
    for _ in range(3):
        assert isinstance(read_head(lean, "bucket", "key"), Head)
        assert read_tags(lean, "bucket", "key", None) == READ
    assert scripted.lean() == [True] * 6
    assert scripted.connections == 0


def test_a_connection_that_was_closed_while_nobody_used_it_is_made_again(scripted: Scripted, lean: Any) -> None:
    scripted.answer = lambda _: HEAD.replace(b"ETag", b"Connection: close\r\nETag")
    for _ in range(3):
        assert isinstance(read_head(lean, "bucket", "key"), Head)
    assert scripted.lean() == [True] * 3


@pytest.mark.parametrize(
    "trouble",
    [
        CLOSE,
        b"HTTP/1.1 200 OK\r\nContent-Le",
        TAGS[:-10].replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        b"garbage\r\n\r\n",
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
        b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
    ],
)
def test_any_trouble_is_botocores_and_the_next_request_is_lean_again(
    scripted: Scripted, lean: Any, trouble: bytes
) -> None:
    def answer(request: bytes) -> bytes:
        return plain(request) if b"amz-sdk-invocation-id" in request else trouble

    for read in (lambda: read_tags(lean, "bucket", "key", None), lambda: read_head(lean, "bucket", "key")):
        scripted.answer = plain
        expected = read()
        scripted.answer = answer
        assert read() == expected
    assert scripted.lean() == [True, True, False, True, True, False]


def test_what_may_follow_an_interim_answer_is_not_taken_for_the_next_requests(scripted: Scripted, lean: Any) -> None:
    late = HEAD.replace(b"ETag: e", b"ETag: another-objects")

    def answer(request: bytes) -> bytes:
        if b"amz-sdk-invocation-id" in request or scripted.connections:
            return plain(request)
        return late if b"/other" in request else b"HTTP/1.1 103 Early Hints\r\n\r\n"

    scripted.answer = answer
    read_head(lean, "bucket", "key")
    found = read_head(lean, "bucket", "other")
    assert isinstance(found, Head)
    assert found.etag == "e"
    assert scripted.lean() == [True, False, True]


def test_silence_is_waited_for_by_botocore_alone(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_requests, "_SECONDS", 0.05)
    lean, heard = read_lean(client(scripted.endpoint)), Event()

    def answer(request: bytes) -> bytes:
        if b"amz-sdk-invocation-id" not in request:
            heard.wait(10)
        return plain(request)

    read_head(lean, "bucket", "key")
    scripted.answer = answer
    assert isinstance(read_head(lean, "bucket", "key"), Head)
    heard.set()
    assert scripted.lean() == [False, True, False]


LINES = HEAD.removesuffix(b"\r\n")
ODD_HEADS = {
    "bytes that are no ASCII": LINES + b"x-amz-meta-name: \xc3\xa9\xff\x85\r\nCache-Control: \xe9\r\n\r\n",
    "folded": LINES + b"x-amz-meta-name: one\r\n two\r\nx-amz-meta-other: three\r\n\r\n",
    "twice": LINES + b"x-amz-meta-name: one\r\nX-Amz-Meta-Name: two\r\n\r\n",
    "large letters": LINES + b"X-AMZ-META-Name: one\r\nCACHE-CONTROL: no-store\r\n\r\n",
    "white space": LINES + b"x-amz-meta-name: \t one \t \r\nx-amz-meta-empty:\r\n\r\n",
    "very many": LINES + b"".join(b"x-amz-meta-%d: value\r\n" % number for number in range(300)) + b"\r\n",
    "no colon": LINES + b"nothing\r\nx-amz-meta-name: one\r\n\r\n",
    "control characters": LINES + b"x-amz-meta-name: a\x01b\x00c\x0bd\r\nx-amz-meta-other: two\r\n\r\n",
    "no length": HEAD.replace(b"Content-Length: 7\r\n", b""),
    "no ETag": HEAD.replace(b"ETag: e\r\n", b""),
    "chunked": HEAD.replace(b"Content-Length: 7", b"Content-Length: 7\r\nTransfer-Encoding: chunked"),
    "old": HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nx-amz-delete-marker: true\r\n\r\n",
}
ODD_TAGS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(TAGGING), TAGGING),
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 37\r\n\r\n<Error><Code>NoSuchKey</Code></Error>",
}


@pytest.mark.parametrize("odd", ODD_HEADS)
def test_an_odd_head_is_read_as_botocore_reads_it(scripted: Scripted, lean: Any, odd: str) -> None:
    read_any_headers()
    scripted.answer = lambda _: ODD_HEADS[odd]
    found = outcome(lambda: read_head(lean, "bucket", "key"))
    assert found == outcome(lambda: read_head(client(scripted.endpoint), "bucket", "key"))


@pytest.mark.parametrize("odd", ODD_TAGS)
def test_odd_tags_are_read_as_botocore_reads_them(scripted: Scripted, lean: Any, odd: str) -> None:
    scripted.answer = lambda _: ODD_TAGS[odd]
    found = outcome(lambda: read_tags(lean, "bucket", "key", None))
    assert found == outcome(lambda: read_tags(client(scripted.endpoint), "bucket", "key", None))


def test_a_store_whose_tags_are_in_a_form_of_its_own_is_soon_asked_once_for_them(scripted: Scripted, lean: Any) -> None:
    spaced = TAGGING.replace(b"<TagSet>", b"\n <TagSet>")
    tags = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nx-amz-version-id: v1\r\n\r\n%b" % (len(spaced), spaced)
    scripted.answer = lambda request: HEAD if request.startswith(b"HEAD") else tags
    for _ in range(20):
        assert isinstance(read_head(lean, "bucket", "key"), Head)
        assert read_tags(lean, "bucket", "key", None) == READ
    assert scripted.lean().count(True) == 20 + 8
    assert scripted.lean().count(False) == 20


def outcome(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except StoreError as error:
        return error.kind, error.permanent


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return what a server on this machine shows, and the certificate as a file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown, secret = folder / "certificate.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    shown.write_bytes(certificate.public_bytes(pem))
    secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, secret)
    return context, shown


@pytest.mark.parametrize("trusted", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", None])
def test_a_server_is_trusted_where_the_users_settings_trust_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str | None
) -> None:
    context, certificate = self_signed(tmp_path)
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    if trusted:
        monkeypatch.setenv(trusted, str(certificate))
    lean_requests._trust.cache_clear()
    try:
        with running(context) as scripted:
            # botocore's client is told by name, so that it gets through either way.
            lean = read_lean(client(scripted.endpoint, verify=str(certificate)))
            for _ in range(3):
                assert isinstance(read_head(lean, "bucket", "key"), Head)
            assert scripted.lean() == ([False, True, True] if trusted else [False] * 3)
    finally:
        lean_requests._trust.cache_clear()
