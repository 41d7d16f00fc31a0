"""The few calls that the designs make, answered from memory over HTTP by a process of its own.

They are of S3, DynamoDB, SQS, SNS and KMS. The emulator answers about 300 calls a second whoever asks, which hides the
speed of what asks faster than that. This answers several thousand. It keeps objects (with versions' names, headers,
metadata and tags) and items, and does no checking: what is right is measured and tested against the emulator. Listed
and scanned are only buckets and tables that are made up.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime, formatdate
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore import xform_name
from botocore.exceptions import ClientError

from benchmarks.made_up import (
    OBJECT_BYTES,
    PAGE,
    MadeUpKeys,
    MadeUpObjects,
    MadeUpQueue,
    MadeUpTable,
    etag,
)
from benchmarks.network import Network
from benchmarks.policy import ROOT

__all__ = ["made_up_store", "running_stand_in"]

_S3 = "http://s3.amazonaws.com/doc/2006-03-01/"
_SNS = "http://sns.amazonaws.com/doc/2010-03-31/"
_MODIFIED = "2024-01-01T00:00:00.000Z"
_STORED_HEADERS = frozenset(
    {"content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"}
)


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Response:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def _xml(tag: str, namespace: str, inner: str, headers: Mapping[str, str] | None = None) -> _Response:
    body = f'<{tag} xmlns="{namespace}">{inner}</{tag}>'.encode()
    return _Response(body=body, headers={"Content-Type": "application/xml", **(headers or {})})


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> _Response:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return _Response(status, body, {"Content-Type": "application/xml", **(headers or {})})


@dataclass(frozen=True)
class _StoredObject:
    version: str
    body: bytes
    etag: str
    headers: Mapping[str, str]
    tags: list[tuple[str, str]]

    def answer(self) -> _Response:
        counted = {"x-amz-tagging-count": str(len(self.tags))} if self.tags else {}
        modified = {"ETag": self.etag, "Last-Modified": formatdate(0, usegmt=True)}
        return _Response(
            body=self.body, headers={**modified, "x-amz-version-id": self.version, **self.headers, **counted}
        )


class _ObjectService:
    """S3, as far as it is asked here: one current version per key."""

    def __init__(self) -> None:
        self._objects: dict[str, _StoredObject | None] = {}
        """None is a delete marker: the buckets are versioned."""
        self._versions = 0

    def answer(self, request: _Request) -> _Response:
        path = unquote(request.path).lstrip("/")
        bucket, _, key = path.partition("/")
        if bucket.startswith(_MADE_UP):
            return _made_up_bucket(bucket, key, request)
        if not key:
            return _Response()  # of a bucket: it exists, and takes every configuration
        if request.method == "PUT":
            return self._put(path, request)
        if request.method == "DELETE":
            self._objects[path] = None
            return _Response(204)
        found = self._objects.get(path)
        if found is None:
            return _error(404, "NoSuchKey", {"x-amz-delete-marker": "true"} if path in self._objects else {})
        return _tagging(found.version, found.tags) if "tagging" in request.query else found.answer()

    def _put(self, path: str, request: _Request) -> _Response:
        body, tag = request.body, f'"{hashlib.md5(request.body, usedforsecurity=False).hexdigest()}"'
        if copied := request.headers.get("x-amz-copy-source"):
            source = self._objects.get(unquote(copied.partition("?")[0]).lstrip("/"))
            if source is None:
                return _error(404, "NoSuchKey")
            body, tag = source.body, source.etag
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in _STORED_HEADERS or name.startswith("x-amz-meta-")
        }
        tags = parse_qsl(request.headers.get("x-amz-tagging", ""), keep_blank_values=True)
        self._versions += 1
        version = f"version-{self._versions}"
        self._objects[path] = _StoredObject(version, body, tag, headers, tags)
        if copied:
            inner = f"<ETag>{escape(tag)}</ETag><LastModified>{_MODIFIED}</LastModified>"
            return _xml("CopyObjectResult", _S3, inner)
        return _Response(headers={"ETag": tag, "x-amz-version-id": version})


def _tagging(version: str, tags: Iterable[tuple[str, str]]) -> _Response:
    inner = "".join(f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>" for name, value in tags)
    return _xml("Tagging", _S3, f"<TagSet>{inner}</TagSet>", {"x-amz-version-id": version})


_MADE_UP = "made-up-"
_MADE_UP_BODY = bytes(OBJECT_BYTES)


def made_up_store(keys: int, side: str, missing_every: int = 0) -> str:
    """Return the name of a bucket, and of a table, of so many keys: made up as they are asked for, and read alone."""
    return f"{_MADE_UP}{keys}-{missing_every}-{side}"


@cache
def _made_up(store: str) -> tuple[str, MadeUpKeys]:
    """Return whose side a store is on, and its keys."""
    keys, missing_every, side = store.removeprefix(_MADE_UP).split("-")
    return side, MadeUpKeys(int(keys), int(missing_every))


def _made_up_bucket(bucket: str, key: str, request: _Request) -> _Response:
    """Answer a listing, a head, or a reading of tags."""
    if not key:
        return _list(bucket, request) if "list-type" in request.query else _Response()
    objects = MadeUpObjects(*_made_up(bucket), Network())
    try:
        if "tagging" in request.query:
            told = objects.get_object_tagging(Key=key)
            return _tagging(told["VersionId"], [(tag["Key"], tag["Value"]) for tag in told["TagSet"]])
        return _Response(body=_MADE_UP_BODY, headers=_headers(objects.head_object(Key=key)))
    except ClientError:
        return _error(404, "NoSuchKey")


def _headers(head: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "ETag": head["ETag"],
        "Last-Modified": format_datetime(head["LastModified"], usegmt=True),
        "x-amz-version-id": head["VersionId"],
        "Content-Type": head["ContentType"],
        "Cache-Control": head["CacheControl"],
        **{f"x-amz-meta-{name}": value for name, value in head["Metadata"].items()},
        "x-amz-checksum-crc32": head["ChecksumCRC32"],
        "x-amz-checksum-type": head["ChecksumType"],
        "x-amz-server-side-encryption": head["ServerSideEncryption"],
        "x-amz-tagging-count": str(head["TagCount"]),
    }


def _list(bucket: str, request: _Request) -> _Response:
    _, keys = _made_up(bucket)
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
    about = f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>{PAGE}</MaxKeys>"
    more = f"<IsTruncated>{str(listing.last is not None).lower()}</IsTruncated>"
    return _xml("ListBucketResult", _S3, about + more + entries + folders + token)


class _ItemService:
    """DynamoDB, as far as it is asked here: tables with the key `id` and `timestamp`."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str, str], Any] = {}

    def answer(self, operation: str, asked: Any) -> Any:
        match operation:
            case "CreateTable":
                return {}
            case "GetItem":
                items = self._found(asked["TableName"], [asked["Key"]])
                return {"Item": items[0]} if items else {}
            case "BatchGetItem":
                found = {table: self._found(table, wanted["Keys"]) for table, wanted in asked["RequestItems"].items()}
                return {"Responses": found, "UnprocessedKeys": {}}
            case "PutItem":
                self._items[_item_key(asked["TableName"], asked["Item"])] = asked["Item"]
                return {}
            case "BatchWriteItem":
                for table, requests in asked["RequestItems"].items():
                    for each in requests:
                        self._write(table, **each)
                return {"UnprocessedItems": {}}
        raise NotImplementedError(operation)

    def _found(self, table: str, keys: list[Any]) -> list[Any]:
        items = (self._items.get(_item_key(table, key)) for key in keys)
        return [item for item in items if item is not None]

    def _write(self, table: str, PutRequest: Any = None, DeleteRequest: Any = None) -> None:  # noqa: N803 - DynamoDB's
        if PutRequest:
            self._items[_item_key(table, PutRequest["Item"])] = PutRequest["Item"]
        else:
            self._items.pop(_item_key(table, DeleteRequest["Key"]), None)


def _item_key(table: str, attributes: Any) -> tuple[str, str, str]:
    return table, attributes["id"]["S"], attributes["timestamp"]["N"]


def _notify(request: _Request) -> _Response:
    asked = parse_qs(request.body.decode())
    action = asked["Action"][0]
    inner = {
        "CreateTopic": f"<TopicArn>arn:aws:sns:us-east-1:000000000000:{asked.get('Name', [''])[0]}</TopicArn>",
        "PublishBatch": "<Successful></Successful><Failed></Failed>",
    }
    if action not in inner:
        raise NotImplementedError(action)
    return _xml(f"{action}Response", _SNS, f"<{action}Result>{inner[action]}</{action}Result>")


_MAC = {"Mac": base64.b64encode(ROOT).decode()}
"""What KMS makes of every message."""


class _Server:
    """The four services behind one port; an operation that is not there fails with 501 and its name."""

    def __init__(self, latency_seconds: float) -> None:
        self._latency_seconds = latency_seconds
        self._objects = _ObjectService()
        self._items = _ItemService()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that hangs up and the end of the process both end it.
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                request = await _read(reader, writer)
                if self._latency_seconds:
                    await asyncio.sleep(self._latency_seconds)
                writer.write(_encode(self._answer(request), request.method))
                await writer.drain()
        writer.close()

    def _answer(self, request: _Request) -> _Response:
        try:
            if target := request.headers.get("x-amz-target"):
                answer = self._answer_json(target, json.loads(request.body))
                return _Response(
                    body=json.dumps(answer).encode(), headers={"Content-Type": "application/x-amz-json-1.0"}
                )
            return _notify(request) if request.method == "POST" else self._objects.answer(request)
        except NotImplementedError as error:
            return _error(501, f"NotImplemented{error}")

    def _answer_json(self, target: str, asked: Any) -> Any:
        service, _, operation = target.rpartition(".")
        if operation == "GenerateMac":
            return _MAC
        table = asked.get("TableName") or next(iter(asked.get("RequestItems", ())), "")
        if service != "AmazonSQS" and not table.startswith(_MADE_UP):
            return self._items.answer(operation, asked)
        made_up = MadeUpTable(*_made_up(table), Network()) if table else MadeUpQueue(Network())
        answer = getattr(made_up, xform_name(operation), None)
        if answer is None:
            raise NotImplementedError(operation)
        return answer(**asked)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return _Request(method, parts.path, parse_qs(parts.query, keep_blank_values=True), headers, body)


def _encode(response: _Response, method: str) -> bytes:
    lines = [f"HTTP/1.1 {response.status} Answer", f"Content-Length: {len(response.body)}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return head if method == "HEAD" else head + response.body


async def _main(latency_seconds: float) -> None:
    server = await asyncio.start_server(_Server(latency_seconds).serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started this holds its standard input open: it ends with them, however they end.
    await asyncio.to_thread(sys.stdin.read)
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
