"""The few calls of S3, DynamoDB and SNS that the designs make, answered from memory over HTTP by a process of its own.

The emulator answers about 300 calls a second whoever asks, which hides the speed of what asks faster than that. This
answers several thousand. It keeps objects (with versions' names, headers, metadata and tags) and items, and does no
checking: what is right is measured and tested against the emulator. Listed are only buckets that are made up.
"""

import asyncio
import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from benchmarks.made_up import OBJECT_BYTES, PAGE, MadeUpKeys, etag

__all__ = ["made_up_bucket", "running_stand_in"]

_S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_SNS_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_MODIFIED = "2024-01-01T00:00:00.000Z"
_STORED_HEADERS = frozenset(
    {"content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"}
)


@dataclass(frozen=True)
class Request:
    """One HTTP request, read whole."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """One HTTP answer; a head's announces the length of what it leaves out."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object's current version."""

    version: str
    body: bytes
    etag: str
    headers: Mapping[str, str]
    tags: list[tuple[str, str]]

    def answer_headers(self) -> dict[str, str]:
        """Return what a head or a get tells of it."""
        counted = {"x-amz-tagging-count": str(len(self.tags))} if self.tags else {}
        modified = {"ETag": self.etag, "Last-Modified": formatdate(0, usegmt=True)}
        return {**modified, "x-amz-version-id": self.version, **self.headers, **counted}


class ObjectService:
    """S3, as far as it is asked here: one current version per key."""

    def __init__(self) -> None:
        self._objects: dict[str, StoredObject | None] = {}
        """None is a delete marker: the buckets are versioned."""
        self._versions = 0

    def answer(self, request: Request) -> Response:
        """Answer a request of the path style."""
        path = unquote(request.path).lstrip("/")
        if "list-type" in request.query:
            return _list(path.rstrip("/"), request)
        if "/" not in path.rstrip("/"):
            return Response()  # of a bucket: it exists, and takes every configuration
        if "tagging" in request.query:
            return self._tags(path)
        handlers: Mapping[str, Callable[[str, Request], Response]] = {
            "HEAD": self._get,
            "GET": self._get,
            "PUT": self._put,
            "DELETE": self._delete,
        }
        return handlers[request.method](path, request)

    def _get(self, path: str, request: Request) -> Response:
        found = self._objects.get(path)
        if found is None:
            marked = {"x-amz-delete-marker": "true"} if path in self._objects else {}
            return _error(404, "NoSuchKey", marked)
        body = b"" if request.method == "HEAD" else found.body
        return Response(body=body, headers=found.answer_headers(), length=len(found.body))

    def _put(self, path: str, request: Request) -> Response:
        copied = request.headers.get("x-amz-copy-source")
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in _STORED_HEADERS or name.startswith("x-amz-meta-")
        }
        tags = parse_qsl(request.headers.get("x-amz-tagging", ""), keep_blank_values=True)
        self._versions += 1
        version = f"version-{self._versions}"
        if copied is None:
            etag = f'"{hashlib.md5(request.body, usedforsecurity=False).hexdigest()}"'
            self._objects[path] = StoredObject(version, request.body, etag, headers, tags)
            return Response(headers={"ETag": etag, "x-amz-version-id": version})
        source = self._objects.get(unquote(copied.partition("?")[0]).lstrip("/"))
        if source is None:
            return _error(404, "NoSuchKey")
        self._objects[path] = StoredObject(version, source.body, source.etag, headers, tags)
        parts = f"<ETag>{escape(source.etag)}</ETag><LastModified>{_MODIFIED}</LastModified>"
        return _xml(f'<CopyObjectResult xmlns="{_S3_NAMESPACE}">{parts}</CopyObjectResult>')

    def _delete(self, path: str, _request: Request) -> Response:
        self._objects[path] = None
        return Response(204)

    def _tags(self, path: str) -> Response:
        found = self._objects.get(path)
        if found is None:
            return _error(404, "NoSuchKey")
        tags = "".join(
            f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>" for name, value in found.tags
        )
        answer = _xml(f'<Tagging xmlns="{_S3_NAMESPACE}"><TagSet>{tags}</TagSet></Tagging>')
        return Response(answer.status, answer.body, {**answer.headers, "x-amz-version-id": found.version})


def made_up_bucket(keys: int, side: str) -> str:
    """Return the name of a bucket that lists so many keys, made up as they are asked for: there are no objects."""
    return f"made-up-{keys}-{side}"


def _list(bucket: str, request: Request) -> Response:
    """List a bucket that is made up, the only kind that is listed here."""
    if not bucket.startswith("made-up-"):
        return _error(501, "NotImplementedListObjectsV2")
    keys = MadeUpKeys(int(bucket.split("-")[2]))
    asked = {name: values[0] for name, values in request.query.items()}
    prefix, after = asked.get("prefix", ""), asked.get("continuation-token") or asked.get("start-after", "")
    listing = keys.page(prefix, after, asked.get("delimiter", ""))
    entries = "".join(
        f"<Contents><Key>{keys.key(number)}</Key><LastModified>{_MODIFIED}</LastModified><ETag>{etag(number)}</ETag>"
        f"<Size>{OBJECT_BYTES}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in listing.numbers
    )
    folders = "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in listing.folders)
    token = "" if listing.last is None else f"<NextContinuationToken>{listing.last}</NextContinuationToken>"
    more = str(listing.last is not None).lower()
    return _xml(
        f'<ListBucketResult xmlns="{_S3_NAMESPACE}"><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>'
        f"<MaxKeys>{PAGE}</MaxKeys><IsTruncated>{more}</IsTruncated>{entries}{folders}{token}</ListBucketResult>"
    )


class ItemService:
    """DynamoDB, as far as it is asked here: tables with the key `id` and `timestamp`."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str, str], Any] = {}

    def answer(self, request: Request) -> Response:
        """Answer a request of the JSON protocol."""
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        handlers: Mapping[str, Callable[[Any], Any]] = {
            "CreateTable": lambda _asked: {},
            "GetItem": self._get,
            "PutItem": self._put,
            "BatchGetItem": self._batch_get,
            "BatchWriteItem": self._batch_write,
        }
        answer = handlers[operation](json.loads(request.body))
        return Response(body=json.dumps(answer).encode(), headers={"Content-Type": "application/x-amz-json-1.0"})

    def _get(self, asked: Any) -> Any:
        item = self._items.get(_item_key(asked["TableName"], asked["Key"]))
        return {} if item is None else {"Item": item}

    def _put(self, asked: Any) -> Any:
        self._items[_item_key(asked["TableName"], asked["Item"])] = asked["Item"]
        return {}

    def _batch_get(self, asked: Any) -> Any:
        found = {
            table: [item for key in wanted["Keys"] if (item := self._items.get(_item_key(table, key))) is not None]
            for table, wanted in asked["RequestItems"].items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def _batch_write(self, asked: Any) -> Any:
        for table, requests in asked["RequestItems"].items():
            for each in requests:
                if "PutRequest" in each:
                    self._put({"TableName": table, "Item": each["PutRequest"]["Item"]})
                else:
                    self._items.pop(_item_key(table, each["DeleteRequest"]["Key"]), None)
        return {"UnprocessedItems": {}}


def _item_key(table: str, attributes: Any) -> tuple[str, str, str]:
    return table, attributes["id"]["S"], attributes["timestamp"]["N"]


def _notify(request: Request) -> Response:
    asked = parse_qs(request.body.decode())
    action = asked["Action"][0]
    inner = {
        "CreateTopic": f"<TopicArn>arn:aws:sns:us-east-1:000000000000:{asked.get('Name', [''])[0]}</TopicArn>",
        "PublishBatch": "<Successful></Successful><Failed></Failed>",
    }[action]
    result = f"<{action}Result>{inner}</{action}Result>"
    return _xml(f'<{action}Response xmlns="{_SNS_NAMESPACE}">{result}</{action}Response>')


def _xml(text: str) -> Response:
    return Response(body=text.encode(), headers={"Content-Type": "application/xml"})


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> Response:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Response(status, body, {"Content-Type": "application/xml", **(headers or {})})


class Server:
    """The three services behind one port; an operation that is not there fails with 501 and its name."""

    def __init__(self, latency_seconds: float = 0.0) -> None:
        self._latency_seconds = latency_seconds
        self._objects = ObjectService()
        self._items = ItemService()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it closes."""
        # A client that hangs up and the end of the process both end it.
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                request = await _read(reader, writer)
                if self._latency_seconds:
                    await asyncio.sleep(self._latency_seconds)
                writer.write(_encode(self._answer(request), request.method))
                await writer.drain()
        writer.close()

    def _answer(self, request: Request) -> Response:
        try:
            if "x-amz-target" in request.headers:
                return self._items.answer(request)
            if request.method == "POST":
                return _notify(request)
            return self._objects.answer(request)
        except KeyError as error:
            return _error(501, f"NotImplemented{error}")


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(method, parts.path, parse_qs(parts.query, keep_blank_values=True), headers, body)


def _encode(response: Response, method: str) -> bytes:
    length = len(response.body) if response.length is None else response.length
    lines = [f"HTTP/1.1 {response.status} Answer", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return head if method == "HEAD" else head + response.body


async def _main(latency_seconds: float) -> None:
    server = await asyncio.start_server(Server(latency_seconds).serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    # Whoever started this holds its standard input open: it ends with them, however they end.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextlib.contextmanager
def running_stand_in(latency_seconds: float = 0.0) -> Iterator[str]:
    """Start it in a process of its own, and give its endpoint; it ends with the context, or with this process.

    It waits so long before each answer, for callers that can't be made to wait themselves.
    """
    command = [sys.executable, "-m", "benchmarks.stand_in", str(latency_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the stand-in has no pipes")
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1])))
