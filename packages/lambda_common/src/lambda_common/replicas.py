"""The marks by which a replica is known."""

__all__ = ["PROVENANCE_ENVIRONMENT", "PROVENANCE_VERSION", "REPLICATED_FROM", "REPLICATION_TIMESTAMP"]

PROVENANCE_ENVIRONMENT = "replicated-from"
"""The user metadata of a replicated object that names the environment of its source."""

PROVENANCE_VERSION = "replicated-from-version"
"""The user metadata of a replicated object that names the version of its source, or its ETag without versions."""

REPLICATED_FROM = "replicatedFrom"
"""The attribute of a replicated item that names the environment of its source."""

REPLICATION_TIMESTAMP = "replicationTimestamp"
"""The attribute of a replicated item that tells when it was written."""
