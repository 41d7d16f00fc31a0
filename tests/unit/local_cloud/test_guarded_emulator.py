"""The guard before the emulator: what it lets through, and what it refuses and why."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_cloud.guarded_emulator import Guard

PORT = 4566
HOME = f"http://127.0.0.1:{PORT}"
KEY = Credentials("LOCALKEY", "the secret")


@dataclass
class Asked:
    """What reached the application behind the guard, and what the guard's client got."""

    bodies: list[bytes] = field(default_factory=list)
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    read_before: int = -1
    """Parts of the body that were read before the application was called; -1 where it was not."""

    @property
    def refusal(self) -> str:
        assert self.sent[0]["status"] == 403
        return str(self.sent[1]["body"].decode())


def ask(
    method: str = "GET",
    target: str = "/",
    headers: Mapping[str, str] | None = None,
    body: tuple[bytes, ...] = (b"",),
    kind: str = "http",
) -> Asked:
    """Send one request through a guard."""
    asked = Asked()
    path, _, query = target.partition("?")
    named = {"host": f"127.0.0.1:{PORT}", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(body) - 1} for number, part in enumerate(body)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Mapping[str, Any]) -> None:
        asked.sent.append(message)

    async def application(_scope: object, receive: Any, _send: object) -> None:
        asked.read_before = len(body) - len(messages)
        message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            asked.bodies.append(message["body"])

    asyncio.run(Guard(application, PORT, KEY.secret_key)(scope, receive, send))
    return asked


def signed(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    key: Credentials = KEY,
    service: str = "dynamodb",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers of a request as botocore signs it."""
    host = (headers or {}).get("host", urlsplit(HOME).netloc)
    request = AWSRequest(method, f"http://{host}{target}", headers=dict(headers or {}), data=body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(key, service, "us-east-1").add_auth(request)
    return dict(request.headers)


def test_what_is_signed_with_the_key_comes_through_with_its_body() -> None:
    body = b'{"TableName": "a"}'
    headers = signed("POST", "/", body, headers={"X-Amz-Target": "DynamoDB_20120810.Scan"})
    assert b"".join(ask("POST", "/", headers, (body[:5], body[5:])).bodies) == body


def test_a_body_whose_digest_is_signed_is_streamed() -> None:
    headers = signed("PUT", "/bucket/key", b"abc", service="s3")
    asked = ask("PUT", "/bucket/key", headers, (b"a", b"b", b"c"))
    assert asked.bodies == [b"a", b"b", b"c"]
    assert asked.read_before == 0


@pytest.mark.parametrize(
    ("service", "target"),
    [
        ("s3", "/bucket/a%20b%2Bc//../%C3%A9?versions&prefix=%25&delimiter="),
        ("lambda", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Af%3Alive/invocations?Qualifier=live"),
    ],
)
def test_paths_and_queries_are_signed_as_the_services_clients_sign_them(service: str, target: str) -> None:
    assert ask("GET", target, signed("GET", target, service=service)).bodies == [b""]


def test_a_presigned_url_comes_through() -> None:
    request = AWSRequest("GET", f"{HOME}/bucket/a%20b?response-content-type=text%2Fplain")
    S3SigV4QueryAuth(KEY, "s3", "us-east-1", expires=60).add_auth(request)
    target = str(request.url).removeprefix(HOME)
    assert ask("GET", target).bodies == [b""]
    assert "SignatureDoesNotMatch" in ask("GET", target.replace("a%20b", "another")).refusal
    assert "SignatureDoesNotMatch" in ask("PUT", target).refusal


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"X-Amz-Target": "DynamoDB_20120810.Scan"}),
        ("GET", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("PUT", {"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}),
        ("PUT", {"X-Amz-Copy-Source": "bucket/another"}),
    ],
)
def test_a_presigned_url_is_good_for_nothing_else(method: str, headers: Mapping[str, str]) -> None:
    request = AWSRequest(method, f"{HOME}/bucket/key")
    S3SigV4QueryAuth(KEY, "s3", "us-east-1", expires=60).add_auth(request)
    refusal = ask(method, str(request.url).removeprefix(HOME), headers, (b"Action=CreateQueue&QueueName=a",)).refusal
    assert f"cover {next(iter(headers)).lower()}," in refusal


def test_a_presigned_urls_signature_is_good_in_no_header() -> None:
    request = AWSRequest("GET", f"{HOME}/bucket/key")
    S3SigV4QueryAuth(KEY, "s3", "us-east-1", expires=60).add_auth(request)
    target, _, signature = str(request.url).removeprefix(HOME).partition("&X-Amz-Signature=")
    query = dict(parse_qsl(urlsplit(target).query))
    told = f"Credential={query['X-Amz-Credential']}, SignedHeaders=host, Signature={signature}"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {told}", "X-Amz-Date": query["X-Amz-Date"]}
    assert "cover x-amz-date," in ask("GET", target, headers).refusal


def test_a_host_that_no_address_can_have_is_refused() -> None:
    assert "this local cloud is 127.0.0.1:" in ask("GET", "/", {"Host": f"[x.localhost:{PORT}"}).refusal


def test_the_emulators_own_functions_sign_with_their_account_as_the_keys_id() -> None:
    headers = signed("POST", "/", b"{}", key=Credentials("000000000000", KEY.secret_key))
    assert ask("POST", "/", headers, (b"{}",)).bodies == [b"{}"]


def test_a_bucket_may_stand_before_localhost() -> None:
    headers = signed("GET", "/key", service="s3", headers={"host": f"bucket.localhost:{PORT}"})
    assert ask("GET", "/key", headers).bodies == [b""]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain", "X-Amz-Target": "DynamoDB_20120810.ListTables"},
        {"Authorization": "AWS LOCALKEY:c2lnbmF0dXJl"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=LOCALKEY"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=é"},
        {"Authorization": "AWS4-HMAC-SHA256", "X-Amz-Date": ""},
    ],
)
def test_what_bears_no_signature_is_refused(headers: Mapping[str, str]) -> None:
    asked = ask("POST", "/", headers)
    assert asked.bodies == []
    assert "MissingAuthenticationToken" in asked.refusal
    assert "answers only what is signed with its own key" in asked.refusal


def test_another_key_is_refused_even_with_the_right_id() -> None:
    for key in (Credentials("test", "test"), Credentials(KEY.access_key, "another secret")):
        asked = ask("POST", "/", signed("POST", "/", b"{}", key=key), (b"{}",))
        assert asked.bodies == []
        assert "answers only what is signed with its own key, which is another at each start" in asked.refusal


def test_what_was_changed_after_it_was_signed_is_refused() -> None:
    headers = signed("POST", "/a?b=1", b"{}", headers={"X-Amz-Target": "DynamoDB_20120810.Scan"})
    assert ask("POST", "/a?b=1", headers, (b"{}",)).bodies == [b"{}"]
    changed = [
        ask("POST", "/a?b=1", headers, (b"{} ",)),
        ask("POST", "/a?b=2", headers, (b"{}",)),
        ask("POST", "/b?b=1", headers, (b"{}",)),
        ask("PUT", "/a?b=1", headers, (b"{}",)),
        ask("POST", "/a?b=1", {**headers, "X-Amz-Target": "DynamoDB_20120810.DeleteTable"}, (b"{}",)),
    ]
    assert ["SignatureDoesNotMatch" in one.refusal for one in changed] == [True] * len(changed)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:4566",
        "127.0.0.1",
        "127.0.0.1:80",
        "localhost.evil.example:4566",
        "evillocalhost:4566",
        "",
    ],
)
@pytest.mark.parametrize("target", ["/", "/_ministack/health"])
def test_a_foreign_name_that_leads_here_is_refused_whatever_is_signed(host: str, target: str) -> None:
    asked = ask("GET", target, {**signed("GET", target, headers={"host": host}), "host": host})
    assert asked.bodies == []
    assert "this local cloud is 127.0.0.1:4566 or localhost:4566" in asked.refusal


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("target", ["/", "/_localstack/health"])
def test_a_browsers_page_is_refused_whatever_is_signed(headers: Mapping[str, str], method: str, target: str) -> None:
    asked = ask(method, target, {**signed(method, target), **headers})
    assert asked.bodies == []
    assert "answers no page in a browser" in asked.refusal


def test_health_alone_is_told_without_a_signature_and_only_by_get() -> None:
    assert ask("GET", "/_ministack/health").bodies == [b""]
    assert ask("GET", "/_localstack/health").bodies == [b""]
    assert "MissingAuthenticationToken" in ask("POST", "/_ministack/health").refusal
    assert "MissingAuthenticationToken" in ask("POST", "/_ministack/reset").refusal


def test_a_websocket_is_closed_before_it_is_open() -> None:
    assert ask("GET", "/_aws/execute-api/a", kind="websocket").sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("asked_in", "body"),
    [
        ("application/x-amz-json-1.0", '{"__type": "AccessDenied", "message": "'),
        ("application/x-www-form-urlencoded; charset=utf-8", "<ErrorResponse><Error><Code>AccessDenied</Code>"),
        ("text/csv", "<Error><Code>AccessDenied</Code>"),
    ],
)
def test_a_refusal_is_told_in_the_form_that_the_services_clients_read(asked_in: str, body: str) -> None:
    assert ask("POST", "/", {"Origin": "null", "Content-Type": asked_in}).refusal.startswith(body)
