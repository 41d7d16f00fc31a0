"""What a replica's metadata tells of its source, and how much of it has room."""

from collections.abc import Mapping

from lambda_common.replicas import PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION
from replicator_lambda.object_states import Head

__all__ = ["METADATA_BYTES", "replica_metadata", "tells_version", "version_text"]

METADATA_BYTES = 2048
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: names and values of user metadata."""


def version_text(head: Head) -> str:
    """Return the source version's name, or its ETag where the bucket has no versions."""
    return str(head.version_id) if head.pinned else head.etag.strip('"')


def replica_metadata(head: Head, environment: str) -> Mapping[str, str]:
    """Return the replica's user metadata: the source's own, and the provenance as far as there is room for it.

    The source's metadata wins, also over a name of the provenance that it happens to have; nothing fails for want
    of room. The version goes before the environment, since it is what tells two replicas apart.
    """
    metadata = dict(head.metadata)
    for name, value in ((PROVENANCE_VERSION, version_text(head)), (PROVENANCE_ENVIRONMENT, environment)):
        if name not in metadata and _size(metadata) + _size({name: value}) <= METADATA_BYTES:
            metadata[name] = value
    return metadata


def tells_version(metadata: Mapping[str, str], head: Head) -> bool:
    """Tell whether this metadata's provenance is of this version, and is the replicator's own."""
    return PROVENANCE_VERSION not in dict(head.metadata) and metadata.get(PROVENANCE_VERSION) == version_text(head)


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
