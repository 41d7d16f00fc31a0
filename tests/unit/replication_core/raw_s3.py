"""An S3 of five calls over real HTTP, which keeps headers as the bytes that they came in.

moto answers inside botocore, where no header is ever bytes. This is for what happens to them on the way: it keeps and
returns them raw, and refuses more of them than S3 does.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

__all__ = ["RawObject", "RawS3", "running_raw_s3"]

HEADER_LIMIT = 8192
STORED = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")
META = "x-amz-meta-"
REDIRECT = "x-amz-website-redirect-location"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Tags = tuple[tuple[str, str], ...]


@dataclass
class RawObject:
    """What is stored of an object; its body is left out."""

    headers: dict[str, bytes] = field(default_factory=dict)
    tags: Tags = ()
    unprintable: dict[str, bytes] = field(default_factory=dict)
    """Metadata that heads leave out and only count."""

    size: int = 0


@dataclass
class RawS3:
    """The objects by bucket and key, and the calls that were made."""

    endpoint: str = ""
    objects: dict[tuple[str, str], RawObject] = field(default_factory=dict)
    copied: list[RawObject] = field(default_factory=list)
    """What each copy made, before any other call changed it."""

    calls: list[str] = field(default_factory=list)
    largest: int = 0
    """Bytes of the largest header section that a request had."""


class _Server(ThreadingHTTPServer):
    def __init__(self, s3: RawS3) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        s3.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.s3 = s3


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
        pass

    def _named(self) -> tuple[str, str]:
        bucket, _, key = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        return bucket, key

    def _asked_for_tags(self) -> bool:
        return "tagging" in parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _answer(
        self, status: int = 200, body: str = "", headers: dict[str, bytes] | None = None, size: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value.decode("latin-1"))
        self.send_header("x-amz-version-id", "v1")
        self.send_header("Content-Length", str(len(body.encode()) if size is None else size))
        self.end_headers()
        self.wfile.write(body.encode())

    def _found(self, act: Callable[[RawObject], None]) -> None:
        found = self.server.s3.objects.get(self._named())
        if found is None:
            self._answer(404, "" if self.command == "HEAD" else "<Error><Code>NoSuchKey</Code></Error>")
        else:
            act(found)

    def do_HEAD(self) -> None:
        self.server.s3.calls.append("head")

        def answer(found: RawObject) -> None:
            count = {"x-amz-tagging-count": str(len(found.tags)).encode()} if found.tags else {}
            missing = {"x-amz-missing-meta": str(len(found.unprintable)).encode()} if found.unprintable else {}
            fixed = {"ETag": b'"e"', "Last-Modified": b"Thu, 01 Jan 2026 00:00:00 GMT"}
            self._answer(headers={**found.headers, **fixed, **count, **missing}, size=found.size)

        self._found(answer)

    def do_GET(self) -> None:
        self.server.s3.calls.append("tags")

        def answer(found: RawObject) -> None:
            tags = "".join(
                f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>" for key, value in found.tags
            )
            self._answer(body=f'<Tagging xmlns="{NAMESPACE}"><TagSet>{tags}</TagSet></Tagging>')

        self._found(answer)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        size = sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers.items())
        self.server.s3.largest = max(self.server.s3.largest, size)
        if size > HEADER_LIMIT:
            self.server.s3.calls.append("refused")
            self._answer(400, "<Error><Code>RequestHeaderSectionTooLarge</Code></Error>")
        elif self._asked_for_tags():
            self.server.s3.calls.append("put tags")
            self._found(lambda found: self._retag(found, body))
        else:
            self.server.s3.calls.append("copy")
            made = self._copied()
            self.server.s3.copied.append(replace(made))
            self.server.s3.objects[self._named()] = made
            self._answer(body="<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")

    def _retag(self, found: RawObject, body: bytes) -> None:
        tags = ElementTree.fromstring(body).iter(f"{{{NAMESPACE}}}Tag")
        found.tags = tuple(sorted((tag[0].text or "", tag[1].text or "") for tag in tags))
        self._answer()

    def _copied(self) -> RawObject:
        bucket, _, key = unquote(self.headers["x-amz-copy-source"].partition("?")[0]).partition("/")
        source = self.server.s3.objects[bucket, key]
        sent = {
            name.lower(): value.encode("latin-1")
            for name, value in self.headers.items()
            if name.lower() in (*STORED, REDIRECT) or name.lower().startswith(META)
        }
        tags = tuple(sorted(parse_qsl(self.headers.get("x-amz-tagging", ""), keep_blank_values=True)))
        if self.headers["x-amz-metadata-directive"] == "REPLACE":
            return RawObject(sent, tags)
        kept = {name: value for name, value in source.headers.items() if name != REDIRECT}
        redirect = {REDIRECT: sent[REDIRECT]} if REDIRECT in sent else {}
        return RawObject(kept | redirect, tags, dict(source.unprintable))


@contextmanager
def running_raw_s3() -> Iterator[RawS3]:
    """Yield an empty one that listens on a free port of this machine."""
    s3 = RawS3()
    server = _Server(s3)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
