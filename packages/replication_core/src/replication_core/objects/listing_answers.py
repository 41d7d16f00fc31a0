"""A reader of ListObjectsV2's answers, beside botocore's own, whose time is most of what a listing costs.

It takes an answer's entries out before botocore parses the rest, and reads of each what a listing is asked for. It does
so only where the answer has, to the letter, the form in which S3 writes it; any other is left whole to botocore.
"""

import re
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from replication_core.objects.listings import PAGE, ListingPage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["read_listing", "read_listings_fast"]

# Texts are printable ASCII without markup, which means the same whether or not it is parsed as XML.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html: the elements, in the order of S3's answers
_ENTRY = re.compile(
    r"<Contents><Key>([ -%'-;=?-~]+)</Key>"
    r"<LastModified>([0-9-]{10}T[0-9:]{8}(?:\.[0-9]{3})?Z)</LastModified>"
    r'<ETag>(?:&quot;|")([0-9a-zA-Z-]+)(?:&quot;|")</ETag>'
    r"(?:<ChecksumAlgorithm>[A-Z0-9]+</ChecksumAlgorithm>)*(?:<ChecksumType>[A-Z_]+</ChecksumType>)?"
    r"<Size>([0-9]{1,16})</Size><StorageClass>([A-Z_]+)</StorageClass></Contents>"
)
_FIELDS = _ENTRY.groups

_FLAGS = {"true": True, "false": False}
_HELD = b"<Contents/>"
"""Where the entries were that are taken out."""

_LEAF = re.compile(rb"<([A-Za-z]\w*)>([ -%'-;=?-~]*)</\1>")


def _leaves(name: bytes) -> bytes:
    return rb"(?:<(?!Contents\b)(?P<%b>[A-Za-z]\w*)(?:>[ -%%'-;=?-~]*</(?P=%b)>| ?/>))*" % (name, name)


def _whole(inner: bytes) -> re.Pattern[bytes]:
    return re.compile(
        rb'(?:<\?xml version="1\.0" encoding="(?i:utf-8)"\?>[ \t\r\n]*)?'
        rb'<ListBucketResult(?: xmlns="http://s3\.amazonaws\.com/doc/2006-03-01/")?>'
        + inner
        + rb"</ListBucketResult>[ \t\r\n]*"
    )


_MEMBERS = ("Key", "Size", "ETag", "LastModified", "StorageClass")
"""What botocore names the columns of a page."""

_AROUND, _EMPTY = _whole(_leaves(b"before") + _HELD + _leaves(b"after")), _whole(_leaves(b"name"))


def read_listings_fast(client: "S3Client") -> None:
    """Let this client's ListObjectsV2 read keys, times, ETags, sizes and storage classes a page at a time.

    They are what botocore reads. A checksum's algorithm and type, which botocore reads too, are left out.
    """
    # By such a name botocore calls it before its own handlers of S3's events, one of which parses each answer to see
    # whether it is an error. Named, so that it is registered once with a client that several share.
    client.meta.events.register_first("before-parse.*.ListObjectsV2", _take_entries_out, "read-listings-fast")


def read_listing(body: bytes) -> dict[str, Any]:
    """Return what a client tells of an answer, its page and how to go on; raises ValueError where it takes botocore."""
    rest, page = _taken_out(body)
    leaves = _LEAF.findall(rest)
    told = {name.decode(): text.decode() for name, text in leaves}
    if page is None or len(told) < len(leaves) or told.get("IsTruncated") not in _FLAGS:
        raise ValueError("not a listing as S3 writes it")
    return {**told, "IsTruncated": _FLAGS[told["IsTruncated"]], PAGE: page}


def _take_entries_out(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    rest, page = _taken_out(response_dict["body"])
    if page is not None and page.keys:
        response_dict["body"] = rest
        # As botocore has them, since others may read by the same client.
        customized_response_dict["Contents"] = [dict(zip(_MEMBERS, each, strict=True)) for each in page.listed()]


def _taken_out(body: bytes) -> tuple[bytes, ListingPage | None]:
    """Return an answer without its entries, and those; all of it, and None, where it is not as S3 writes it."""
    begin, end = body.find(b"<Contents>"), body.rfind(b"</Contents>") + len(b"</Contents>")
    if begin < 0:
        return body, ListingPage() if _EMPTY.fullmatch(body) else None
    before, after = body[:begin], body[end:]
    page = _page(body[begin:end]) if _AROUND.fullmatch(before + _HELD + after) else None
    return (body, None) if page is None else (before + after, page)


def _page(between: bytes) -> ListingPage | None:
    """Return the objects as botocore reads them; None where anything of it is in another form."""
    parts = _ENTRY.split(between.decode("latin-1"))
    if any(parts[:: _FIELDS + 1]):
        return None
    keys, times, etags, sizes, classes = (parts[position :: _FIELDS + 1] for position in range(1, _FIELDS + 1))
    try:
        modified = list(map(datetime.fromisoformat, times))
    except ValueError:  # no such day or hour
        return None
    return ListingPage(keys, list(map(int, sizes)), [f'"{etag}"' for etag in etags], modified, classes)
