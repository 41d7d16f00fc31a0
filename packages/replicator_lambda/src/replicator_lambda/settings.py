"""What a deployment tells the functions, and the names it shares with them: standard library only.

The replication project imports this module to write a function's environment, and the function reads it
back at its cold start, so that no variable's name and no metric's name is written twice.
"""

from dataclasses import dataclass
from typing import ClassVar

from queue_worker.messages import MAX_RECEIVES
from replication_core.environment import EnvironmentSettings, SettingsError

__all__ = [
    "BYTES_METRIC",
    "CHANGES_METRIC",
    "DELETES_METRIC",
    "DRIFT_METRIC",
    "FAILURES_METRIC",
    "LATENCY_METRIC",
    "MAX_RECEIVES",
    "METRICS_NAMESPACE",
    "NOTIFIER_HANDLER",
    "REPLICATOR_HANDLER",
    "REREADS_METRIC",
    "SAMPLED_METRIC",
    "TARGET_DIMENSION",
    "VERIFIER_HANDLER",
    "NotifierSettings",
    "VerifierSettings",
]

REPLICATOR_HANDLER = "replicator_lambda.handler.handle"
"""The function that applies a queue's notices to its target."""

NOTIFIER_HANDLER = "replicator_lambda.notifier.handle"
"""The function that turns the source table's stream into notices on every route's queue."""

VERIFIER_HANDLER = "replicator_lambda.verifier.handle"
"""The function that compares a sample of a target with its source, on a schedule."""

METRICS_NAMESPACE = "DataPipeline/Replication"
TARGET_DIMENSION = "target"
"""The one dimension of every metric; its value is the target environment's name, or its instance's."""

LATENCY_METRIC = "ReplicationLatency"
"""Milliseconds from the change at the source until the replica was written and confirmed."""

CHANGES_METRIC = "ReplicatedChanges"
"""Keys brought level with their source, deletes included."""

BYTES_METRIC = "ReplicatedBytes"
"""Sizes of the objects copied, in bytes."""

DELETES_METRIC = "ReplicatedDeletes"
"""Keys whose replica was deleted because the source has none."""

FAILURES_METRIC = "ReplicationFailures"
"""Notices that ended as an envelope in the dead-letter queue."""

REREADS_METRIC = "ReplicationRereads"
"""Times that a source was found changed by the confirming read, and was reconciled again."""

DRIFT_METRIC = "ReplicaDrift"
"""Keys of a sample whose replica differs from its source, or could not be compared with it."""

SAMPLED_METRIC = "SampledKeys"
"""Keys of the source that a sample has compared."""


@dataclass(frozen=True, kw_only=True)
class NotifierSettings(EnvironmentSettings):
    """Where the notifier announces the source table's changes."""

    PREFIX: ClassVar[str] = "NOTIFIER_"

    targets: tuple[str, ...]
    """The targets of the routes that replicate items."""

    queue_urls: tuple[str, ...]
    """Those routes' queues, in the same order."""

    dlq_url: str

    def __post_init__(self) -> None:
        if len(self.targets) != len(self.queue_urls):
            raise SettingsError(f"{len(self.targets)} targets have {len(self.queue_urls)} queues")


@dataclass(frozen=True, kw_only=True)
class VerifierSettings(EnvironmentSettings):
    """How much of a route's target is compared, besides the route's own settings."""

    PREFIX: ClassVar[str] = "VERIFIER_"

    sample_keys: int
    """Objects, and items, that are compared in a run, about."""

    settle_seconds: int
    """How long a replica may differ from an unchanged source before it is drift."""
