"""Heads and tags are read as botocore reads them, whatever an answer is, and asked of it where one is not plain."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from unittest.mock import patch

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from replication_core.aws.errors import StoreError
from replication_core.objects.heads import Absent, keep_empty_expires, read_head, read_tags
from replication_core.objects.lean_reads import read_lean
from replication_core.objects.states import Head, TagsRead

BUCKET, KEY = "a-bucket", "folder/a key"
MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
HEAD = {"ETag": '"e"', "Content-Length": "7", "Last-Modified": MODIFIED, "x-amz-version-id": "v1"}
T = TypeVar("T")
XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass
class Answer:
    status_code: int = 200
    headers: Any = field(default_factory=lambda: dict(HEAD))
    content: bytes = b""
    raw: Any = None

    def __post_init__(self) -> None:
        self.headers = HeadersDict(self.headers)


def tagging(inner: str, *, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> bytes:
    return f'{head}<Tagging xmlns="{XMLNS}"><TagSet>{inner}</TagSet></Tagging>'.encode()


def tag(name: str, value: str) -> str:
    return f"<Tag><Key>{name}</Key><Value>{value}</Value></Tag>"


def is_lean(request: Any) -> bool:
    """Tell it from botocore's own, each of which is numbered."""
    return "amz-sdk-invocation-id" not in request.headers


def client(session: Any = boto3, **config: Any) -> Any:
    given: Any = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"} if session is boto3 else {}
    settings_ = Config(retries={"mode": "standard", "total_max_attempts": 1}, **config)
    made = session.client("s3", region_name="eu-west-1", config=settings_, **given)
    keep_empty_expires(made)
    return made


class Answered:
    """A client whose every request is answered by the same function, and one that reads lean beside it."""

    def __init__(self, plain: Any = None) -> None:
        self.answer: Callable[[Any], Any] = lambda _: Answer()
        self.sent: list[Any] = []
        self.plain = plain or client()
        self.plain.meta.events.register("before-send.s3", self._send)
        self.lean = read_lean(self.plain)
        self.head()  # by which botocore shows the way
        self.sent.clear()

    def _send(self, request: Any, **_: Any) -> Any:
        self.sent.append(request)
        return self.answer(request)

    def head(self, key: str = KEY, version_id: str | None = None, *, lean: bool = True) -> Head | Absent | str:
        return told(lambda: read_head(self.lean if lean else self.plain, BUCKET, key, version_id))

    def tags(self, key: str = KEY, version_id: str | None = None, *, lean: bool = True) -> TagsRead | str | None:
        return told(lambda: read_tags(self.lean if lean else self.plain, BUCKET, key, version_id))

    def asked(self) -> list[bool]:
        """Return of each request since the last time whether it was lean."""
        sent = [is_lean(request) for request in self.sent]
        self.sent.clear()
        return sent


def told(read: Callable[[], T]) -> T | str:
    try:
        return read()
    except StoreError as error:
        return f"{error.kind} {error.permanent}"


@pytest.fixture
def answered() -> Answered:
    return Answered()


shared = Answered()
"""For properties, since making a client takes a while."""

shared.head()


@pytest.mark.parametrize("version_id", [None, "v1", "null"])
def test_what_is_plain_is_asked_for_once_and_not_of_botocore(answered: Answered, version_id: str | None) -> None:
    head = answered.head(version_id=version_id)
    answered.answer = lambda _: Answer(content=tagging(tag("a b", "1+1=2") + tag("c", "")))
    assert answered.tags(version_id=version_id) == TagsRead("v1", (("a b", "1+1=2"), ("c", "")))
    assert answered.asked() == [True, True]
    assert isinstance(head, Head)
    assert (head.etag, head.size, head.last_modified) == ('"e"', 7, "2026-01-01T00:00:00+00:00")


def test_a_name_that_would_have_to_be_quoted_is_left_to_botocore(answered: Answered) -> None:
    assert isinstance(answered.head(version_id="a b"), Head)
    assert answered.asked() == [False]


@pytest.mark.parametrize("marker", [{}, {"x-amz-delete-marker": "true"}])
def test_that_nothing_is_there_is_plain_too(answered: Answered, marker: dict[str, str]) -> None:
    answered.answer = lambda _: Answer(404, marker)
    assert answered.head() == Absent(marked=bool(marker))
    assert answered.asked() == [True]


TEXTS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=12)
STORED = {
    "Last-Modified": st.sampled_from([MODIFIED, "Thu, 32 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00Z", "0", "never"]),
    "Content-Length": st.sampled_from(["0", "7", "-1", " 7", "1_0", "seven", ""]),
    "x-amz-version-id": TEXTS,
    "x-amz-missing-meta": st.sampled_from(["0", "2", "x"]),
    "x-amz-tagging-count": st.sampled_from(["0", "2", "x"]),
    "Expires": st.sampled_from(["", "0", "never", MODIFIED]),
    "x-amz-expiration": st.sampled_from([f'expiry-date="{MODIFIED}", rule-id="r"', "expiry-date", ""]),
    "x-amz-restore": st.sampled_from(['ongoing-request="false"', 'ongoing-request="true"']),
    "x-amz-storage-class": st.sampled_from(["GLACIER", "STANDARD_IA", ""]),
    "x-amz-archive-status": st.just("ARCHIVE_ACCESS"),
    "x-amz-checksum-crc32": TEXTS,
    "x-amz-checksum-sha256": TEXTS,
    "x-amz-checksum-type": TEXTS,
    "x-amz-server-side-encryption": st.sampled_from(["AES256", "aws:kms"]),
    "x-amz-server-side-encryption-bucket-key-enabled": st.sampled_from(["true", "True", ""]),
    "x-amz-object-lock-retain-until-date": st.sampled_from(["2030-01-01T00:00:00Z", "never"]),
    **dict.fromkeys(("ETag", "Cache-Control", "CONTENT-TYPE", "content-language", "x-amz-delete-marker"), TEXTS),
    **dict.fromkeys(("x-amz-meta-", "x-amz-meta-name", "X-Amz-Meta-Name", "x-amz-meta-\xe9", "x-unknown"), TEXTS),
}


STATUSES = st.sampled_from([200] * 6 + [404, 301, 400, 403, 405, 412, 500, 503])


@settings(max_examples=60, deadline=None)
@given(STATUSES, st.fixed_dictionaries({}, optional=STORED))
def test_a_head_is_read_as_botocore_reads_it(status: int, headers: dict[str, str]) -> None:
    shared.answer = lambda _: Answer(status, {**HEAD, **headers})
    assert shared.head() == shared.head(lean=False)


XML = st.text("ab <>&\"'=\t\n\r\x00\x7f\xe9\u2028\ud7ff\uffff]/!?", max_size=4) | st.sampled_from(
    ["&amp;", "&#65;", "&lt;", "<![CDATA[x]]>", "<!-- x -->", "%41", "a+b", "<b/>", "]]>"]
)
TAGGINGS = st.one_of(
    st.lists(st.builds(tag, XML, XML), max_size=4).map("".join).map(tagging),
    st.lists(XML, max_size=4).map("".join).map(tagging),
    st.builds(tagging, st.just(tag("a", "b")), head=st.sampled_from(["", "<!-- x -->", "\ufeff", "x", "<a>", "\n"])),
    st.sampled_from(
        [
            b"",
            b"<Tagging><TagSet/></Tagging>",
            b"<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>",
            b"<Tagging></Tagging>",
            b"<Error><Code>InternalError</Code></Error>",
            b"<Error><Code>SlowDown</Code><Tagging><TagSet></TagSet></Tagging></Error>",
            b"<Tagging><TagSet><Tag><Value>b</Value><Key>a</Key></Tag></TagSet></Tagging>",
            b"<Tagging>\n <TagSet>\n  <Tag><Key>a</Key><Value>b</Value></Tag>\n </TagSet>\n</Tagging>",
        ]
    ),
)


@settings(max_examples=100, deadline=None)
@given(STATUSES, TAGGINGS, st.none() | st.integers(0, 300))
def test_tags_are_read_as_botocore_reads_them(status: int, body: bytes, cut: int | None) -> None:
    shared.answer = lambda _: Answer(status, HEAD, body[:cut])
    assert shared.tags() == shared.tags(lean=False)


NUMBERED = {"amz-sdk-invocation-id", "amz-sdk-request"}
"""Headers that number botocore's requests and their retries."""


@settings(max_examples=40, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.sampled_from([None, "null", "v.1_-"]),
    st.none() | st.text("abc/+=", min_size=1),
)
def test_a_request_is_botocores_and_signed_as_it_signs(key: str, version_id: str | None, token: str | None) -> None:
    frozen = ReadOnlyCredentials("access", "secret/+", token)
    for read in (shared.head, shared.tags):
        shared.sent.clear()
        shared.answer = lambda request: Answer(content=tagging("") if request.method == "GET" else b"")
        with patch.object(Credentials, "get_frozen_credentials", lambda _: frozen):
            read(key, version_id)
            read(key, version_id, lean=False)
        lean, plain = shared.sent[0], shared.sent[-1]
        headers = {name.lower(): value for name, value in lean.headers.items()}
        assert (lean.method, lean.url) == (plain.method, plain.url)
        assert {"host", *map(str.lower, plain.headers)} - NUMBERED == set(headers)
        unsigned = AWSRequest(lean.method, lean.url, {"x-amz-date": headers["x-amz-date"]})
        if "x-amz-checksum-mode" in headers:
            unsigned.headers["x-amz-checksum-mode"] = headers["x-amz-checksum-mode"]
            auth = S3SigV4Auth(frozen, "s3", "eu-west-1")
        stamp = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        with patch("botocore.auth.get_current_datetime", return_value=stamp):
            auth.add_auth(unsigned)
        assert headers["authorization"] == unsigned.headers["Authorization"]
        assert headers["x-amz-content-sha256"] == unsigned.headers["X-Amz-Content-SHA256"]


class Provider:
    """Credentials that expire at once, and are new each time."""

    def __init__(self) -> None:
        self.made = 0

    def refresh(self) -> dict[str, str]:
        self.made += 1
        expiry = datetime.now(UTC) + timedelta(minutes=1)
        keys = {"access_key": f"access-{self.made}", "secret_key": "secret", "token": f"token-{self.made}"}
        return {**keys, "expiry_time": expiry.isoformat()}


def test_credentials_are_renewed_as_for_botocore() -> None:
    provider = Provider()
    session: Any = Session()
    session._credentials = RefreshableCredentials.create_from_metadata(provider.refresh(), provider.refresh, "test")
    answered = Answered(client(boto3.Session(botocore_session=session)))
    answered.head()
    answered.head()
    first, second = (request.headers["authorization"].partition("/")[0] for request in answered.sent)
    assert first != second
    assert first.startswith("AWS4-HMAC-SHA256 Credential=access-")
    assert answered.asked() == [True, True]


def test_that_there_are_no_credentials_is_said_as_botocore_says_it(answered: Answered) -> None:
    signer = answered.plain._request_signer
    with patch.object(signer, "_credentials", None):
        assert answered.head() == answered.head(lean=False) == "NoCredentialsError False"


@pytest.mark.parametrize(
    "odd",
    [
        {"proxies": {"https": "http://127.0.0.1:9"}},
        {"client_cert": "client.pem"},
        {"signature_version": "s3"},
    ],
)
def test_a_way_that_only_botocore_knows_is_left_to_it(odd: dict[str, Any]) -> None:
    answered = Answered(client(**odd))
    assert isinstance(answered.head(), Head)
    assert answered.asked() == [False]


def test_what_somebody_adds_to_requests_is_in_each(answered: Answered) -> None:
    answered.plain.meta.events.register_first(
        "before-sign.s3", lambda request, **_: request.headers.add_header("x-amz-request-payer", "requester")
    )
    answered.head(lean=False)
    answered.sent.clear()
    answered.head()
    assert "x-amz-request-payer" in answered.sent[0].headers


def test_a_way_that_never_leads_there_is_not_tried_for_ever(answered: Answered) -> None:
    answered.answer = lambda request: Answer(403 if is_lean(request) else 200)
    for _ in range(20):
        assert isinstance(answered.head(), Head)
    asked = answered.asked()
    assert asked.count(False) == 20
    assert 0 < asked.count(True) < 10


def test_a_way_that_has_led_there_is_tried_again_after_any_trouble(answered: Answered) -> None:
    answered.head()
    answered.answer = lambda request: Answer(503 if is_lean(request) else 200)
    for _ in range(20):
        assert isinstance(answered.head(), Head)
    answered.answer = lambda _: Answer()
    answered.sent.clear()
    answered.head()
    assert answered.asked() == [True]
