"""Headers of the request that makes an object's replica."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from replication_core.aws.errors import StoreError
from replication_core.masking.refusals import Unclassified
from replication_core.objects.provenance import (
    TAGS,
    own_tags,
    recorded_etag,
    replica_metadata,
    tells_version,
    with_mark,
)
from replication_core.objects.states import Head, ObjectState, Tags
from replication_core.replicas import PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION, REPLICA_TAG

__all__ = ["HEADER_BYTES", "TAGGING_BYTES", "Telling", "copy_source_bytes", "tell", "tell_masked"]

HEADER_BYTES = 8192
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: a PUT request's headers, all together.

S3 answers RequestHeaderSectionTooLarge to more, which no retry helps.
"""

TAGGING_BYTES = 2048
"""Encoded tags that are sent with a copy at most: a quarter of the headers.

Ten tags of full length are 3,840 characters, and up to nine times as many bytes when they are percent-encoded.
"""

_OTHER_BYTES = 3072
"""Kept for what every request has: signature, date, agent and trace are below 1,300, the rest is the role's token."""

_PREFIX_BYTES = len("x-amz-meta-")
_PUNCTUATION_BYTES = len(": \r\n;")
_REDIRECT = "WebsiteRedirectLocation"


@dataclass(frozen=True, slots=True)
class Telling:
    """What a replica has of headers, metadata and tags, and how it gets there."""

    arguments: Mapping[str, Any]
    """The arguments of CopyObject, PutObject and CreateMultipartUpload that the request's headers are made of."""

    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    tags: Tags
    exact: bool
    """False where the request can't say all headers and metadata as they are: S3 has to take them from the source."""

    tags_apart: bool
    """True where the tags have to be put by a call of their own, whose body has room for all of them.

    The mark goes with the copy even so: nobody may see a replica that has none.
    """

    version: str
    """The source's version, where the metadata tells it; else empty."""

    def recorded(self, replica: Head, tags: Tags) -> str | None:
        """Return the ETag that a replica, whose tags these are, had when it was made of the source's version.

        None where it does not tell that it was.
        """
        is_of_version = self.version and dict(replica.metadata).get(PROVENANCE_VERSION) == self.version
        return recorded_etag(tags) if is_of_version else None


def tell(state: ObjectState, environment: str, *, used: int = 0) -> Telling:
    """Decide how a replica of this state, whose source is this environment's, is asked for.

    `used` is what the request's other headers of variable length take, in bytes. Raises StoreError for what
    neither a request nor S3's own copy keeps, and for what leaves no room for a mark.
    """
    headers = dict(state.head.headers)
    metadata = replica_metadata(state.head, environment)
    room = HEADER_BYTES - _OTHER_BYTES - used
    exact = _is_exact(state.head) and _bytes(headers) + _bytes(metadata) <= room
    if not exact:
        metadata = dict(state.head.metadata)
    arguments: dict[str, Any] = {**headers, "Metadata": dict(metadata)} if exact else _redirect(headers)
    room -= _bytes(headers) + _bytes(metadata) if exact else _bytes(arguments)
    tags = _tags(state.tags, metadata, environment)
    tagging, apart = _tagging(tags, room)
    version = metadata[PROVENANCE_VERSION] if tells_version(metadata, state.head) else ""
    return Telling(arguments | tagging, headers, metadata, tags, exact, apart, version)


def tell_masked(headers: Mapping[str, str], metadata: Mapping[str, str], tags: Tags, *, used: int = 0) -> Telling:
    """Decide how a masked replica of these headers, metadata and tags is asked for: exactly, or Unclassified is raised.

    The metadata has all of the provenance. `used` is as of `tell`.
    """
    room = HEADER_BYTES - _OTHER_BYTES - used - _bytes(headers) - _bytes(metadata)
    if room < 0:
        raise Unclassified("its headers and metadata are longer than those of a request")
    tagging, apart = _tagging(tags, room)
    arguments = {**headers, "Metadata": dict(metadata), **tagging}
    return Telling(arguments, headers, metadata, tags, True, apart, metadata[PROVENANCE_VERSION])


def _tagging(tags: Tags, room: int) -> tuple[dict[str, str], bool]:
    """Return the argument that tells the tags, and whether all but a mark have to be put apart."""
    tagging = urlencode(tags)
    apart = len(tagging) > min(TAGGING_BYTES, room)
    return {"Tagging": urlencode([tag for tag in tags if tag[0] == REPLICA_TAG]) if apart else tagging}, apart


def _tags(tags: Tags, metadata: Mapping[str, str], environment: str) -> Tags:
    """Return a replica's tags, with the mark where its metadata has none."""
    if PROVENANCE_ENVIRONMENT in metadata:
        return own_tags(tags)
    marked = with_mark(tags, environment)
    if marked is None:
        raise StoreError(
            "NoRoomForMark",
            f"neither its metadata nor its {TAGS} tags have room for a replica's mark; make room in either",
            permanent=True,
        )
    return marked


def copy_source_bytes(bucket: str, key: str, version_id: str | None) -> int:
    """Return the length of the header that names the source of a copy."""
    return len(f"{bucket}/{quote(key, safe='/~')}?versionId={version_id or ''}")


def _is_exact(head: Head) -> bool:
    """Tell whether a request with these values says what is stored.

    Stored bytes beyond ASCII are read as Latin-1 and would be written as UTF-8, and a head leaves out the metadata
    that it can't print.
    """
    return not head.missing_metadata and all(
        name.isascii() and value.isascii() for name, value in (*head.headers, *head.metadata)
    )


def _redirect(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the one header that S3 doesn't take from the source, where there is one."""
    if _REDIRECT not in headers:
        return {}
    if not headers[_REDIRECT].isascii():
        raise StoreError("NotCopyable", "the website redirect has characters beyond ASCII", permanent=True)
    return {_REDIRECT: headers[_REDIRECT]}


def _bytes(headers: Mapping[str, str]) -> int:
    """Return what headers take at most: a name is told twice, since the signature lists it."""
    return sum(
        2 * (_PREFIX_BYTES + len(name)) + len(value.encode()) + _PUNCTUATION_BYTES for name, value in headers.items()
    )
