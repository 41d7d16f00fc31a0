"""Heads, tags and listings of objects, read beside botocore, whose own time is most of what such a call costs.

An answer counts here where it has, to the letter, the form in which S3 writes it. Whatever else comes of a request is
left to botocore, which asks again: it has the retries, the redirects, and the words for what is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import parse_timestamp

from replication_core.aws.lean_requests import HttpAnswer, Way
from replication_core.objects.heads import EXPIRES
from replication_core.objects.listing_answers import read_listing, read_listings_fast

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.signers import RequestSigner
    from mypy_boto3_s3 import S3Client

__all__ = ["read_lean"]

# Texts are printable ASCII without markup, which means the same whether or not it is parsed as XML.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
_TAG = re.compile(rb"<Tag><Key>([ -%'-;=?-~]*)</Key><Value(?:>([ -%'-;=?-~]*)</Value|/)></Tag>")
_FIELDS = _TAG.groups
_TAGGING = re.compile(
    rb'(?:<\?xml version="1\.0" encoding="(?i:utf-8)"\?>\s*)?<Tagging(?: xmlns="[^"<&]*")?>'
    rb"<TagSet(?:>(.*)</TagSet|/)></Tagging>\s*"
)

_READS = frozenset({"HeadObject", "GetObjectTagging", "ListObjectsV2"})
_LISTED_BY = frozenset({"Bucket", "Prefix", "StartAfter", "ContinuationToken"})
_METADATA = "x-amz-meta-"
_REQUIRED = frozenset({"ETag", "ContentLength", "LastModified"})
_UNQUOTED = frozenset(ascii_letters + digits + "._-")


def read_lean(client: "S3Client") -> "S3Client":
    """Return this client, but for heads, tags and listings: it answers them as it would, without botocore's own time.

    Left out are what botocore tells of the answer itself, and Expires but for its text.
    """
    read_listings_fast(client)  # for those that are left to botocore
    return cast("S3Client", _LeanClient(client))


class _LeanClient:
    def __init__(self, client: "S3Client") -> None:
        self._client = client
        self._ways: dict[str, Way] = {}
        self._members = list(_members(client))
        # The last of all handlers, so that it sees what any other has added.
        client.meta.events.register_last("before-sign", self._see)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def head_object(self, **asked: Any) -> Any:
        return self._answer("HeadObject", self._head, self._client.head_object, asked)

    def get_object_tagging(self, **asked: Any) -> Any:
        return self._answer("GetObjectTagging", _tags, self._client.get_object_tagging, asked)

    def list_objects_v2(self, **asked: Any) -> Any:
        if not asked.keys() <= _LISTED_BY:
            return self._client.list_objects_v2(**asked)
        return self._answer("ListObjectsV2", _listing, self._client.list_objects_v2, asked)

    def _answer(
        self, operation: str, lean: Callable[..., Any], botocore: Callable[..., Any], asked: Mapping[str, Any]
    ) -> Any:
        way = self._ways.get(asked["Bucket"])
        if way is not None and way.leads_to(operation):
            with suppress(OSError, HTTPException, BotoCoreError, ValueError, RuntimeError):
                return lean(way, **asked)
        return botocore(**asked)

    def _see(
        self,
        request: "AWSRequest",
        request_signer: "RequestSigner",
        signature_version: str,
        operation_name: str,
        **_: Any,
    ) -> None:
        if operation_name not in _READS:
            return
        bucket = request.context.get("input_params", {}).get("Bucket", "")
        way = Way.seen(self._client, request, request_signer, signature_version)
        if way is None:
            self._ways.pop(bucket, None)
        elif way != self._ways.get(bucket):
            self._ways[bucket] = way

    def _head(self, way: Way, *, Key: str, ChecksumMode: str = "", **asked: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        answer = way.ask("HeadObject", "HEAD", Key, _query(**asked), **{"x-amz-checksum-mode": ChecksumMode})
        told = _by_name(answer)
        if answer.status == HTTPStatus.NOT_FOUND:
            way.succeeded("HeadObject")
            raise _not_found(told)
        found = {name: read(told[header]) for header, name, read in self._members if header in told}
        if answer.status != HTTPStatus.OK or not found.keys() >= _REQUIRED:
            raise ValueError("not a head")
        way.succeeded("HeadObject")
        if "expires" in told:
            found[EXPIRES] = told["expires"]
        names = (name for name, _ in answer.headers if name.lower().startswith(_METADATA))
        return {**found, "Metadata": {name[len(_METADATA) :]: told[name.lower()] for name in names}}


def _tags(way: Way, *, Key: str, **asked: str) -> dict[str, Any]:  # noqa: N803 - boto3's
    answer = way.ask("GetObjectTagging", "GET", Key, _query("tagging", **asked))
    told, body = _by_name(answer), _TAGGING.fullmatch(answer.body)
    parts = _TAG.split(body[1] or b"") if body else [b"other"]
    if answer.status != HTTPStatus.OK or any(parts[:: _FIELDS + 1]):
        raise ValueError("not the tags of an object")
    way.succeeded("GetObjectTagging")
    pairs = zip(parts[1 :: _FIELDS + 1], parts[2 :: _FIELDS + 1], strict=True)
    found = {"TagSet": [{"Key": name.decode(), "Value": (value or b"").decode()} for name, value in pairs]}
    return {**found, "VersionId": told["x-amz-version-id"]} if "x-amz-version-id" in told else found


def _listing(
    way: Way,
    *,
    Bucket: str,  # noqa: N803, ARG001 - boto3's
    Prefix: str = "",  # noqa: N803
    StartAfter: str = "",  # noqa: N803
    ContinuationToken: str = "",  # noqa: N803
) -> Mapping[str, Any]:
    told = {"continuation-token": ContinuationToken, "prefix": Prefix, "start-after": StartAfter}
    asked = {"encoding-type": "url", "list-type": "2", **{name: value for name, value in told.items() if value}}
    query = "&".join(f"{name}={quote(asked[name], safe='')}" for name in sorted(asked))
    answer = way.ask("ListObjectsV2", "GET", "", query)
    if answer.status != HTTPStatus.OK:
        raise ValueError("not a listing")
    found = read_listing(answer.body)
    way.succeeded("ListObjectsV2")
    return found


def _query(*parts: str, Bucket: str, VersionId: str | None = None) -> str:  # noqa: N803, ARG001 - boto3's
    if VersionId is None:
        return "&".join(parts)
    if not (VersionId and _UNQUOTED.issuperset(VersionId)):
        raise ValueError("a version's name to be quoted")
    return "&".join((*parts, f"versionId={VersionId}"))


def _by_name(answer: HttpAnswer) -> Mapping[str, str]:
    """Return an answer's headers by their names in small letters.

    Raises ValueError where one is there twice or goes on in the next line, of which botocore makes one value.
    """
    found = {name.lower(): value for name, value in answer.headers}
    if len(found) != len(answer.headers) or "\n" in "".join(found.values()):
        raise ValueError("a header in several lines")
    return found


def _not_found(headers: Mapping[str, str]) -> ClientError:
    """Return what botocore raises where a head's answer is that nothing is there."""
    status = HTTPStatus.NOT_FOUND
    told: Any = {
        "Error": {"Code": str(status.value), "Message": status.phrase},
        "ResponseMetadata": {"HTTPStatusCode": status.value, "HTTPHeaders": dict(headers)},
    }
    return ClientError(told, "HeadObject")


def _instant(text: str) -> datetime:
    """Return what an instant is to botocore, which takes longer for the usual form.

    https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
    """
    with suppress(ValueError):
        found = parsedate_to_datetime(text)
        if format_datetime(found, usegmt=True) == text:
            return found
    return parse_timestamp(text)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": "true".__eq__,
    "timestamp": _instant,
}


def _members(client: "S3Client") -> Iterator[tuple[str, str, Callable[[str], Any]]]:
    """Yield what a head may tell in one header: the header, the name that boto3 has for it, and how it is read."""
    shape = client.meta.service_model.operation_model("HeadObject").output_shape
    for name, member in (shape.members if shape else {}).items():
        if member.serialization["location"] == "header" and name != "Expires":
            yield member.serialization["name"].lower(), name, _READERS[member.type_name]
