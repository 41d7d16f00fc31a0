"""What the selection of a target makes of a function's rights and environment, and whether AWS takes it."""

from collections.abc import Iterator, Sequence

from pipeline_common.environments import Environment
from pipeline_common.infra.limits import function_faults, longest_queue_arn, longest_storage
from pipeline_common.infra.policies import Statement
from pipeline_common.infra.stack_config import StackConfigError, stack_file
from replication_project.config import ReplicationConfig, TargetConfig
from replication_project.policies import replicator_rights, verifier_rights

__all__ = ["check_sizes", "size_faults"]


def check_sizes(config: ReplicationConfig, source: Environment) -> None:
    """Raise StackConfigError, with the sums, for a target whose prefixes make more than AWS takes."""
    if found := size_faults(config, source):
        raise StackConfigError("\n".join(f"{stack_file()}: {fault}" for fault in found))


def size_faults(config: ReplicationConfig, source: Environment) -> list[str]:
    """Return a sentence, with the sums, for each target whose prefixes make more than AWS takes."""
    sentences = []
    for place, target in enumerate(config.targets):
        faults = _first_faults(target, source)
        if faults:
            prefixes = [*target.objects.include, *target.objects.exclude]
            sentences.append(
                f"replication:targets[{place}].objects (prefixes: {len(prefixes)}, characters in all: "
                f"{sum(map(len, prefixes)):,}) gives {' and '.join(faults)}: name fewer or shorter prefixes."
            )
    return sentences


def _first_faults(target: TargetConfig, source: Environment) -> list[str]:
    # What is too much for one function of a target mostly is so for the other, and is said once.
    for rights in _rights(target, source):
        if faults := function_faults(rights=rights, environment={}):
            return faults
    return []


def _rights(target: TargetConfig, source: Environment) -> Iterator[Sequence[Statement]]:
    original, replica = longest_storage(source), longest_storage(source.beside(target.environment))
    yield replicator_rights(target, source=original, replica=replica, queue_arn=longest_queue_arn())
    if target.verify is not None:
        yield verifier_rights(target, source=original, replica=replica)
