"""Provenance in a replica's metadata and tags, and the room that there is for it."""

from collections.abc import Mapping

from replication_core.masking.refusals import Unclassified
from replication_core.objects.states import Head, Tags
from replication_core.replicas import PROVENANCE_ENVIRONMENT, PROVENANCE_POLICY, PROVENANCE_VERSION, REPLICA_TAG

__all__ = [
    "METADATA_BYTES",
    "TAGS",
    "masked_metadata",
    "own_tags",
    "recorded_etag",
    "replica_metadata",
    "tells_version",
    "with_mark",
]

METADATA_BYTES = 2048
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: names and values of user metadata."""

TAGS = 10
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html: of an object."""


def _version_text(head: Head) -> str:
    """Return the source version's name, or its ETag where the bucket has no versions."""
    return str(head.version_id) if head.pinned else head.etag.strip('"')


def replica_metadata(head: Head, environment: str) -> Mapping[str, str]:
    """Return the replica's user metadata: the source's own, and the provenance as far as there is room for it.

    The source's metadata wins, also over a name of the provenance that it happens to have. The environment goes before
    the version, since it is what tells a replica.
    """
    metadata = dict(head.metadata)
    for name, value in ((PROVENANCE_ENVIRONMENT, environment), (PROVENANCE_VERSION, _version_text(head))):
        if name not in metadata and _size(metadata) + _size({name: value}) <= METADATA_BYTES:
            metadata[name] = value
    return metadata


def masked_metadata(metadata: Mapping[str, str], environment: str, version: str, mark: str) -> Mapping[str, str]:
    """Return a masked replica's user metadata: what the policy made of the source's, and all of the provenance.

    Raises Unclassified where there is no room for both.
    """
    provenance = {
        PROVENANCE_ENVIRONMENT: environment,
        PROVENANCE_VERSION: version,
        PROVENANCE_POLICY: mark,
    }
    told = {**metadata, **provenance}
    if _size(told) > METADATA_BYTES:
        raise Unclassified("its metadata has no room for the provenance of a replica", path="metadata")
    return told


def tells_version(metadata: Mapping[str, str], head: Head) -> bool:
    """Tell whether this metadata's provenance is of this version, and is the replicator's own."""
    return PROVENANCE_VERSION not in dict(head.metadata) and metadata.get(PROVENANCE_VERSION) == _version_text(head)


def own_tags(tags: Tags) -> Tags:
    """Return the tags that a replica has from its source."""
    return tuple((name, value) for name, value in tags if name != REPLICA_TAG)


def with_mark(tags: Tags, environment: str, etag: str | None = None) -> Tags | None:
    """Return a replica's tags with the mark, and with the ETag that it had when it was made; None if there is no room.

    The mark is for a replica whose metadata has no room for it. The ETag is for one whose bytes nothing else proves:
    see `content`. Neither an environment's name nor an ETag has a character that a tag must not have.
    """
    value = environment if etag is None else " ".join((environment, etag.strip('"')))
    marked = tuple(sorted((*own_tags(tags), (REPLICA_TAG, value))))
    return marked if len(marked) <= TAGS else None


def recorded_etag(tags: Tags) -> str | None:
    """Return the ETag that a replica had when it was made, where its tags tell."""
    _, _, etag = dict(tags).get(REPLICA_TAG, "").partition(" ")
    return f'"{etag}"' if etag else None


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
