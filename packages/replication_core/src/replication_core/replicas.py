"""The marks by which a replica is known, and the one decision that rests on them."""

from collections.abc import Callable, Collection, Mapping

__all__ = [
    "ADDED_ATTRIBUTES",
    "ADDED_METADATA",
    "PROVENANCE_ENVIRONMENT",
    "PROVENANCE_POLICY",
    "PROVENANCE_VERSION",
    "REPLICATED_FROM",
    "REPLICATED_POLICY",
    "REPLICATION_TIMESTAMP",
    "REPLICA_TAG",
    "is_replica",
]

PROVENANCE_ENVIRONMENT = "replicated-from"
"""The user metadata of a replicated object that names the environment of its source."""

PROVENANCE_VERSION = "replicated-from-version"
"""The user metadata of a replicated object that names the version of its source, or its ETag without versions."""

PROVENANCE_POLICY = "replicated-policy"
"""The user metadata of a masked object with the mark of the policy that it was masked by: see `masking.marks`."""

REPLICA_TAG = "replicated-from"
"""The tag of a replicated object whose metadata has no room for a mark: it names the environment of its source.

The replicator's own: a source's tag of this name is not replicated, and compared with nothing.
"""

REPLICATED_FROM = "replicatedFrom"
"""The attribute of a replicated item that names the environment of its source."""

REPLICATED_POLICY = "replicatedPolicy"
"""The attribute of a masked item with that mark."""

REPLICATION_TIMESTAMP = "replicationTimestamp"
"""The attribute of a replicated item that tells when it was written."""

ADDED_ATTRIBUTES = frozenset({"environment", REPLICATED_FROM, REPLICATED_POLICY, REPLICATION_TIMESTAMP})
ADDED_METADATA = frozenset({PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION, PROVENANCE_POLICY})
"""What every masked replica has of its own, of items and of objects, whatever its source has so named."""


def is_replica(metadata: Mapping[str, str], tag_names: Callable[[], Collection[str]]) -> bool:
    """Tell whether the replication made an object that has this metadata and these tags.

    The tags are read only where the metadata does not tell, and whatever the head counts: not every S3-compatible store
    counts them there, nor S3 for who may not read them.
    """
    return bool({PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION} & metadata.keys()) or REPLICA_TAG in tag_names()
