"""The policies that the targets name: read and compiled, and held against the datasets that each target gets."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pulumi

from masking_policy.compiler import compile_policy
from masking_policy.faults import Faults, PolicyFileError
from masking_policy.stored import KnownDataset, StoredData, check_stored
from pipeline_common.contracts import StorageOutputs
from pipeline_common.infra.stack_config import StackConfigError, stack_file
from replication_core.masking.policy import MaskingPolicy
from replication_project.config import ReplicationConfig
from replication_project.dataset_pairs import DatasetPair

__all__ = ["Policies", "masking_faults", "read_policies"]

Policies = Mapping[str, MaskingPolicy]
"""By their files, as the targets name them."""


def read_policies(config: ReplicationConfig, folder: Path) -> Policies:
    """Return the policies, whose files the configuration names from the project's folder.

    What may be meant otherwise is warned of. Raises StackConfigError with all that is wrong in all of them.
    """
    policies: dict[str, MaskingPolicy] = {}
    warnings: dict[str, None] = {}
    faults: dict[str, None] = {}
    for place, target in enumerate(config.targets):
        for setting, file in target.policies.items():
            try:
                checked = compile_policy(_text(folder, file), _shown(file))
                policies[file] = checked.policy
                warnings |= dict.fromkeys(map(str, checked.warnings))
            except PolicyFileError as error:
                faults[str(error)] = None
            except ValueError as error:
                faults[f"{stack_file()}: replication:targets[{place}].{setting} is {file!r}: {error}"] = None
    if faults:
        raise StackConfigError("\n".join(faults))
    for warning in warnings:
        pulumi.log.warn(warning)
    return policies


def masking_faults(
    config: ReplicationConfig,
    policies: Policies,
    source: StorageOutputs,
    pairs: Mapping[str, Sequence[DatasetPair]],
) -> Iterator[str]:
    """Say what the policies can't mask of what the targets get, and which of their rules are for nothing there is."""
    for target in config.targets:
        gets = [KnownDataset(dataset=pair.source.dataset) for pair in pairs[target.environment]]
        for name in target.policies.values():
            file, policy = _shown(name), policies[name]
            faults = Faults(file)
            check_stored(policy, StoredData(datasets=gets), faults)
            yield from map(str, faults.errors)
            # Another target's dataset is fine, of which the same file may be.
            if unknown := sorted({*policy.tables, *policy.buckets} - source.datasets.keys()):
                yield (
                    f"{file}: it has rules for {', '.join(unknown)}, and the storage of {source.environment} has no "
                    f"such dataset: its datasets are {', '.join(source.datasets)}."
                )


def _text(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("it leaves the project's folder, with which a release goes: name a file in it.")
    if not path.is_file():
        raise ValueError(f"{_shown(name)} is not there: write it, or name the file that is meant.")
    return path.read_bytes()


def _shown(name: str) -> str:
    return f"projects/{pulumi.get_project()}/{name}"
