"""How a replica differs from what its source asks for. Pure: states in, the names of what differs out."""

import re
from collections.abc import Iterator, Mapping

from lambda_common.errors import StoreError
from lambda_common.replicas import PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION, REPLICATION_TIMESTAMP
from replicator_lambda.item_states import Item, ordered
from replicator_lambda.items import ADDED_ATTRIBUTES
from replicator_lambda.object_states import Head, ObjectState
from replicator_lambda.provenance import replica_metadata, tells_version
from replicator_lambda.request_headers import tell

__all__ = ["item_differences", "object_differences"]

_MD5 = re.compile(r'"?[0-9a-f]{32}"?')
_DIGEST_ENCRYPTIONS = {None, "AES256"}
_PROVENANCE = {PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION}


def object_differences(
    original: ObjectState, replica: ObjectState, *, environment: str, used: int = 0
) -> tuple[str, ...]:
    """Return what of a replica is not as the replicator would make it from this original; nothing if all is.

    `environment` is the source's, and `used` what the copy's request needs for naming its source, in bytes. Bytes are
    compared by size and ETag, else by checksum; where S3 tells of neither in a comparable way, by whether the replica's
    provenance names the original's very version; and where that could not be told, by size alone.
    """
    wanted = _wanted_metadata(original, environment, used)
    return (
        *_content(original.head, replica.head, wanted),
        *_names("header", dict(original.head.headers), dict(replica.head.headers)),
        *_metadata(wanted, dict(replica.head.metadata), dict(original.head.metadata)),
        *_names("tag", dict(original.tags), dict(replica.tags)),
    )


def _wanted_metadata(original: ObjectState, environment: str, used: int) -> Mapping[str, str]:
    metadata = replica_metadata(original.head, environment)
    try:
        exact = tell(original, metadata, used=used).exact
    except StoreError:
        exact = False
    return metadata if exact else dict(original.head.metadata)


def _content(original: Head, replica: Head, wanted: Mapping[str, str]) -> Iterator[str]:
    if original.size != replica.size:
        yield "size"
    elif not _same_bytes(original, replica, wanted):
        yield "bytes"
    if original.missing_metadata != replica.missing_metadata:
        yield "metadata that can't be told"


def _same_bytes(original: Head, replica: Head, wanted: Mapping[str, str]) -> bool:
    if original.etag == replica.etag:
        return True
    if original.checksum is not None and original.checksum_algorithm == replica.checksum_algorithm:
        if original.checksum == replica.checksum:
            return True
        if original.checksum_type == replica.checksum_type == "FULL_OBJECT":
            return False
    if _is_digest(original) and _is_digest(replica):
        return False
    return not tells_version(wanted, original) or tells_version(dict(replica.metadata), original)


def _is_digest(head: Head) -> bool:
    """Tell whether the ETag is the MD5 of the bytes.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: of an object that was not put in parts, and is
    not encrypted or encrypted by keys that S3 manages.
    """
    return head.encryption in _DIGEST_ENCRYPTIONS and _MD5.fullmatch(head.etag) is not None


def _metadata(wanted: Mapping[str, str], found: Mapping[str, str], own: Mapping[str, str]) -> Iterator[str]:
    """Yield what differs; what the replicator added to the source's `own` is told as one, the provenance."""
    added = _PROVENANCE - own.keys()
    if any(wanted.get(name) != found.get(name) for name in added):
        yield "provenance"
    kept = {name: value for name, value in found.items() if name not in added}
    yield from _names("metadata", own, kept)


def item_differences(original: Item, replica: Item, *, source: str, target: str) -> tuple[str, ...]:
    """Return what of a replica is not as the replicator would make it from this original; nothing if all is.

    `source` and `target` are the environments' names. Sets are compared whatever their order.
    """
    added = dict(zip(ADDED_ATTRIBUTES, ({"S": target}, {"S": source}), strict=False))
    wanted = {name: value for name, value in {**original, **added}.items() if name != REPLICATION_TIMESTAMP}
    found = {name: value for name, value in replica.items() if name != REPLICATION_TIMESTAMP}
    stamp = () if "S" in replica.get(REPLICATION_TIMESTAMP, {}) else (f"attribute {REPLICATION_TIMESTAMP!r}",)
    return (*_names("attribute", wanted, found), *stamp)


def _names(what: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(name), found.get(name)
        # Most are equal as they are: only for what is not is it worth sorting the sets in it.
        if one != other and ordered(one) != ordered(other):
            yield f"{what} {name!r}"
