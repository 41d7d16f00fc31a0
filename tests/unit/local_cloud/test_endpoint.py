"""Endpoints: how they may be written, and when they count as healthy."""

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local_cloud import start
from local_cloud.endpoint import is_healthy, normalize, wait_until_healthy
from local_cloud.errors import LocalCloudError
from tests.named_endpoint import named_in


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:4566", "http://localhost:4566"),
        ("https://localhost.localstack.cloud:4566/", "https://localhost.localstack.cloud:4566"),
        ("localhost:4577", "http://localhost:4577"),
        ("localstack", "http://localstack:4566"),
        ("http://LocalHost:4566", "http://localhost:4566"),
        ("http://[::1]:4566", "http://[::1]:4566"),
    ],
)
def test_an_endpoint_is_a_url_or_a_host(given: str, url: str) -> None:
    assert normalize(given) == url


@pytest.mark.parametrize(
    "given",
    [
        *("ftp://localhost", "http://", "http://localhost:port", "localhost:port", "http://a/b"),
        *("http://a:1?b=c", "http://a:1/#b", "http://user:secret@a:1", "http://user@a:1"),
    ],
)
def test_what_is_no_endpoint_is_refused(given: str) -> None:
    with pytest.raises(LocalCloudError, match="is no endpoint"):
        normalize(given)


@pytest.mark.parametrize(
    "given",
    [
        "https://s3.amazonaws.com",
        "sqs.eu-west-1.amazonaws.com:443",
        "https://s3.cn-north-1.amazonaws.com.cn.",
        "https://S3.AmazonAWS.com",
        "https://s3.eusc-de-east-1.amazonaws.eu",
        "https://abc.lambda-url.us-east-1.on.aws",
    ],
)
def test_aws_is_no_local_cloud(given: str) -> None:
    with pytest.raises(LocalCloudError, match="AWS itself"):
        normalize(given)


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, None),
        ({"USE_SSL": "1"}, None),
        ({"AWS_ENDPOINT_URL": " "}, None),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4599", "LOCALSTACK_HOST": "other"}, "http://127.0.0.1:4599"),
        ({"LOCALSTACK_HOST": "localhost.localstack.cloud:4566"}, "http://localhost.localstack.cloud:4566"),
        ({"LOCALSTACK_HOST": "localstack"}, "http://localstack:4566"),
        ({"LOCALSTACK_HOST": "localstack", "EDGE_PORT": "4577"}, "http://localstack:4577"),
        ({"LOCALSTACK_HOST": "localstack:1", "EDGE_PORT": "4577"}, "http://localstack:1"),
        ({"EDGE_PORT": "4577"}, "http://localhost:4577"),
        ({"LOCALSTACK_HOST": "localstack", "USE_SSL": "true"}, "https://localstack:4566"),
    ],
)
def test_the_variables_name_an_endpoint_as_localstacks_client_reads_them(
    variables: dict[str, str], endpoint: str | None
) -> None:
    named = named_in(variables)
    assert named == endpoint
    assert named is None or normalize(named) == endpoint


def test_variables_that_name_aws_are_refused() -> None:
    named = named_in({"AWS_ENDPOINT_URL": "https://s3.us-east-1.amazonaws.com"})
    assert named is not None
    with pytest.raises(LocalCloudError, match="AWS itself"):
        normalize(named)


class Health(BaseHTTPRequestHandler):
    path_that_answers = "/_localstack/health"
    body = b'{"services": {"s3": "running"}}'

    def do_GET(self) -> None:
        self.send_response(200 if self.path == self.path_that_answers else 404)
        self.end_headers()
        self.wfile.write(self.body if self.path == self.path_that_answers else b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/_localstack/health", "/_ministack/health", "/_localemu/health"])
def test_an_emulator_is_healthy_by_its_own_path(server: HTTPServer, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(Health, "path_that_answers", path)
    assert is_healthy(f"http://127.0.0.1:{server.server_port}")


def test_a_proxy_of_the_users_is_not_asked(server: HTTPServer) -> None:
    # In a process of its own, because proxies are read when Python's opener is made.
    program = "import sys; from local_cloud.endpoint import is_healthy; print(is_healthy(sys.argv[1]))"
    answer = subprocess.run(
        [sys.executable, "-c", program, f"http://127.0.0.1:{server.server_port}"],
        env={**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "True\n"


def test_a_web_server_that_is_no_emulator_is_not_healthy(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Health, "body", b"<html>welcome</html>")
    assert not is_healthy(f"http://127.0.0.1:{server.server_port}")


@pytest.mark.parametrize("body", [b"5", b"null", b'"services"', b'["services"]', b"[" * 100_000, b"\xff"])
def test_a_health_that_is_no_mapping_is_none(server: HTTPServer, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(Health, "body", body)
    assert not is_healthy(f"http://127.0.0.1:{server.server_port}")


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"services": {}}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
    ],
)
def test_what_speaks_no_http_or_stops_midway_is_not_healthy(said: bytes) -> None:
    class Says(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.wfile.write(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Says) as other, ThreadPoolExecutor(1) as threads:
        threads.submit(other.serve_forever)
        try:
            assert not is_healthy(f"http://127.0.0.1:{other.server_address[1]}")
        finally:
            other.shutdown()


def test_a_healthy_one_that_answers_in_html_is_an_error(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def do_post(self: Health) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><p>welcome<br>")

    monkeypatch.setattr(Health, "do_POST", do_post, raising=False)
    with pytest.raises(LocalCloudError, match="is healthy but does not say whose account it is"):
        start(f"127.0.0.1:{server.server_port}")


def test_nothing_that_answers_ends_the_wait_at_the_deadline_or_when_the_process_ended() -> None:
    assert not wait_until_healthy("http://127.0.0.1:9", 0.3, lambda: True)
    assert not wait_until_healthy("http://127.0.0.1:9", 60, lambda: False)


def test_a_named_endpoint_that_does_not_answer_is_an_error_and_starts_nothing() -> None:
    with pytest.raises(LocalCloudError, match=r"No LocalStack or MiniStack answers at http://127\.0\.0\.1:9"):
        start("127.0.0.1:9")
