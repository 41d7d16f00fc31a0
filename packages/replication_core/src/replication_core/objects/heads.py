"""Heads and tags of objects, read without their bytes."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import code_of, told, translated
from replication_core.objects.states import Head, TagsRead
from replication_core.replicas import PROVENANCE_ENVIRONMENT, REPLICA_TAG, is_replica

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = [
    "ABSENT",
    "ARCHIVE_CLASSES",
    "DELETE_MARKER",
    "EXPIRES",
    "Absent",
    "checksum_of",
    "is_marked",
    "keep_empty_expires",
    "read_head",
    "read_tags",
]

DELETE_MARKER = frozenset({"MethodNotAllowed", "405"})
"""S3's answer where a delete marker is what is asked for: by version, or, for tags, as the current one.

As a code, or as the status where the answer names a key that no XML can hold, so that the code can't be read.
"""

EXPIRES = "ExpiresString"
"""The header Expires as it is stored, whatever text that is."""

_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "WebsiteRedirectLocation",
    EXPIRES,
)
_CHECKSUM = "Checksum"
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects can't be read before they are restored."""

ABSENT = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
"""What is answered for an object, or a version of it, that is not there."""


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such object."""

    marked: bool
    """Whether a delete marker says so; else the bucket may be missing as well."""


def read_head(client: "S3Client", bucket: str, key: str, version_id: str | None = None) -> Head | Absent:
    """Read the head of a version, or of the current one; raises StoreError where S3 refuses or fails."""
    pinned: Any = {} if version_id is None else {"VersionId": version_id}
    with translated("HeadObject"):
        try:
            return _head(client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **pinned))
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
            headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            return Absent(marked=headers.get("x-amz-delete-marker") == "true")


def read_tags(client: "S3Client", bucket: str, key: str, version_id: str | None) -> TagsRead | None:
    """Read the tags of a version, or of the current one; None where there is no such object."""
    pinned: Any = {} if version_id is None else {"VersionId": version_id}
    try:
        with translated("GetObjectTagging"):
            answer = client.get_object_tagging(Bucket=bucket, Key=key, **pinned)
            tags = sorted((tag["Key"], tag["Value"]) for tag in told("GetObjectTagging", answer, "TagSet"))
    except StoreError as error:
        if error.kind in ABSENT | DELETE_MARKER:
            return None
        raise
    return TagsRead(answer.get("VersionId"), tuple(tags))


def keep_empty_expires(client: "S3Client") -> None:
    """Let heads by this client tell an Expires header without a value, which botocore does not read.

    botocore puts any other text that is no instant aside before it parses an answer, under the name of EXPIRES.
    """
    # Named, so that it is registered once with a client that several share.
    client.meta.events.register("before-parse.s3.HeadObject", _put_empty_expires_aside, "keep-empty-expires")


def _put_empty_expires_aside(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["headers"].get("Expires") == "":
        customized_response_dict[EXPIRES] = response_dict["headers"].pop("Expires")


def is_marked(
    client: "S3Client", bucket: str, key: str, head: Head, version_id: str | None = None, *, source: str | None = None
) -> bool:
    """Tell whether an object of this head is a replica, by its tags too where its metadata does not tell.

    Where a source is named, what another one's route has made is none.
    """
    metadata, tags = dict(head.metadata), dict[str, str]()

    def tag_names() -> Collection[str]:
        found = read_tags(client, bucket, key, version_id)
        tags.update(found.tags if found else ())
        return tags

    if not is_replica(metadata, tag_names):
        return False
    named = metadata.get(PROVENANCE_ENVIRONMENT) or tags.get(REPLICA_TAG, "").partition(" ")[0]
    return source is None or named in {"", source}


def _head(answer: Mapping[str, Any]) -> Head:
    algorithm, checksum = checksum_of(answer)
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: x-amz-expiration
    expiry = re.search(r'expiry-date="([^"]+)"', answer.get("Expiration", ""))
    return Head(
        version_id=answer.get("VersionId"),
        etag=told("HeadObject", answer, "ETag"),
        size=told("HeadObject", answer, "ContentLength"),
        last_modified=told("HeadObject", answer, "LastModified").isoformat(),
        headers=tuple((name, answer[name]) for name in _HEADERS if answer.get(name) is not None),
        metadata=tuple(sorted(answer.get("Metadata", {}).items())),
        missing_metadata=bool(answer.get("MissingMeta")),
        checksum_algorithm=algorithm,
        checksum_type=answer.get("ChecksumType"),
        checksum=checksum,
        encryption=answer.get("ServerSideEncryption"),
        tag_count=answer.get("TagCount", 0),
        archived=_is_archived(answer),
        expires=expiry and expiry[1],
    )


def checksum_of(answer: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the algorithm and the value, in base64, of the checksum that an answer tells; None for either if none."""
    names = (name for name in answer if name.startswith(_CHECKSUM) and name != "ChecksumType")
    name = next(names, None)
    return (name.removeprefix(_CHECKSUM), answer[name]) if name else (None, None)


def _is_archived(answer: Mapping[str, Any]) -> bool:
    """Tell whether a copy would be refused until somebody restores the object."""
    kept_away = answer.get("StorageClass") in ARCHIVE_CLASSES or bool(answer.get("ArchiveStatus"))
    # A restore that is finished says 'ongoing-request="false"'; one that is under way, or none, leaves it archived.
    return kept_away and 'ongoing-request="false"' not in answer.get("Restore", "")
