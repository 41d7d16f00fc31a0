"""What the datasets and prefixes of the targets make of rights and patterns, and whether AWS takes it."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline_common.contracts import StorageOutputs
from pipeline_common.infra.limits import (
    function_faults,
    longest_key_arn,
    longest_queue_arn,
    longest_table_arn,
    pattern_fault,
)
from replication_project.config import ReplicationConfig, TargetConfig
from replication_project.dataset_pairs import DatasetPair
from replication_project.policies import brake_rights, notifier_rights, replicator_rights, verifier_rights
from replication_project.rule_patterns import change_pattern

__all__ = ["size_faults"]

Pairs = Mapping[str, Sequence[DatasetPair]]
"""What each target gets, by its environment."""


def size_faults(config: ReplicationConfig, source: StorageOutputs, pairs: Pairs) -> Iterator[str]:
    """Say, with the sums, of each target, and of all together, what makes more than AWS takes: its key first."""
    for place, target in enumerate(config.targets):
        gets = pairs[target.environment]
        if faults := _target_faults(config, target, source, gets):
            prefixes = [prefix for pair in gets for prefix in (*pair.selection.include, *pair.selection.exclude)]
            sums = f"datasets: {len(gets)}, prefixes: {len(prefixes)}, characters in all: {sum(map(len, prefixes)):,}"
            yield (
                f"replication:targets[{place}] ({sums}) gives {' and '.join(faults)}: "
                "name fewer datasets, or fewer or shorter prefixes."
            )
    tables = {pair.source.arn: pair.source for gets in pairs.values() for pair in gets if not pair.is_bucket}
    rights = notifier_rights(
        list(tables.values()), source=source, queue_arns=[longest_queue_arn()] * len(config.targets)
    )
    if config.capture == "native" and (faults := function_faults(rights=rights, environment={})):
        yield (
            f"replication:targets (targets: {len(pairs)}, tables: {len(tables)}) gives the notifier "
            f"{' and '.join(faults)}: name fewer datasets."
        )


def _target_faults(
    config: ReplicationConfig, target: TargetConfig, source: StorageOutputs, gets: Sequence[DatasetPair]
) -> list[str]:
    key_arn = longest_key_arn() if target.is_masked else ""
    # Whether the policy has a brake, too, is not known here.
    brake = brake_rights(gets, source=source, target=target.environment, table_arn=longest_table_arn())
    rights = replicator_rights(
        gets,
        source=source,
        queue_arn=longest_queue_arn(),
        mask_key_arn=key_arn,
        own_brake=brake if target.is_masked else (),
    )
    # What is too much for one function of a target mostly is so for the other, and is said once.
    faults = function_faults(rights=rights, environment={})
    if not faults and target.verify is not None:
        faults = function_faults(rights=verifier_rights(gets, mask_key_arn=key_arn), environment={})
    pattern = pattern_fault(change_pattern(config.capture, gets))
    return [*faults, *([pattern] if pattern else [])]
