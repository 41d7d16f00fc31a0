"""The names that a deployment shares with the functions, so that none is written twice: standard library only."""

from queue_worker.messages import MAX_RECEIVES

__all__ = [
    "BRAKED_METRIC",
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
    "SHADOWED_METRIC",
    "SHADOW_CHANGES_METRIC",
    "SHADOW_REFUSALS_METRIC",
    "TARGET_DIMENSION",
    "UNMASKED_METRIC",
    "VERIFIER_HANDLER",
]

REPLICATOR_HANDLER = "replicator_lambda.handler.handle"
"""The function that applies a queue's notices to its target."""

NOTIFIER_HANDLER = "replicator_lambda.notifier.handle"
"""The function that turns the source table's stream into notices on every route's queue."""

VERIFIER_HANDLER = "replicator_lambda.verifier.handle"
"""The function that compares a sample of a target with its source, on a schedule."""

METRICS_NAMESPACE = "DataPipeline/Replication"
TARGET_DIMENSION = "target"
"""The dimension of every metric; its value is the target environment's name, or its instance's."""

LATENCY_METRIC = "ReplicationLatency"
"""Milliseconds from the change at the source until the replica was written and confirmed."""

CHANGES_METRIC = "ReplicatedChanges"
"""Keys brought level with their source, deletes included."""

BYTES_METRIC = "ReplicatedBytes"
"""Sizes of the objects copied, in bytes."""

DELETES_METRIC = "ReplicatedDeletes"
"""Keys whose replica was deleted because the source has none."""

BRAKED_METRIC = "BrakedDeletes"
"""Keys whose replica the route's brake did not let be deleted."""

FAILURES_METRIC = "ReplicationFailures"
"""Notices that ended as an envelope in the dead-letter queue."""

REREADS_METRIC = "ReplicationRereads"
"""Times that a source was found changed by the confirming read, and was reconciled again."""

DRIFT_METRIC = "ReplicaDrift"
"""Keys of a sample whose replica differs from its source, or could not be compared with it."""

SAMPLED_METRIC = "SampledKeys"
"""Keys of the source that a sample has compared."""

UNMASKED_METRIC = "UnmaskedReplicas"
"""Keys of a sample whose replica no policy has made, where the route masks; one that can't be compared is not among
them."""

SHADOWED_METRIC = "ShadowedRecords"
"""Records that the route's next policy was tried on, where it has one."""

SHADOW_CHANGES_METRIC = "ShadowChanges"
"""Those that it would make another replica of, or one more or less."""

SHADOW_REFUSALS_METRIC = "ShadowRefusals"
"""Those that it alone would refuse."""
