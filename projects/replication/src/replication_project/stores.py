"""The storage that is replicated from and to, as its stacks promise it, and whether it fits together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_common.environments import Environment
from pipeline_common.infra.stack_config import StackConfigError, stack_file
from pipeline_common.infra.stack_references import read
from replication_project.config import ReplicationConfig
from replication_project.dataset_pairs import DatasetPair, dataset_pairs, pairing_faults
from replication_project.masking import Policies, masking_faults
from replication_project.sizes import size_faults

__all__ = ["Stores", "read_stores"]


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The source's storage and each target's, and what each target gets, by the targets' environments."""

    source: StorageOutputs
    targets: Mapping[str, StorageOutputs]
    pairs: Mapping[str, Sequence[DatasetPair]]

    @property
    def replicated(self) -> list[StoredDataset]:
        """The datasets of the source that some target gets, in their order."""
        names = {pair.source.dataset.name for pairs in self.pairs.values() for pair in pairs}
        return [stored for name, stored in self.source.datasets.items() if name in names]

    @property
    def replicated_tables(self) -> list[StoredDataset]:
        """Those of them that are tables."""
        return [stored for stored in self.replicated if not stored.dataset.is_bucket]


def read_stores(
    config: ReplicationConfig,
    source: Environment,
    *,
    policies: Policies,
    region: pulumi.Input[str],
    account_id: pulumi.Input[str],
) -> pulumi.Output[Stores]:
    """Read the contracts of all storage, checked before anything uses them.

    `region` and `account_id` are where the replication is deployed. Raises, when read, StackOutputError for storage
    that is not deployed and StackConfigError for storage that can't be replicated as configured.
    """
    targets = [target.environment for target in config.targets]
    return pulumi.Output.all(
        source=read(StorageOutputs, source),
        targets=pulumi.Output.all(**{name: read(StorageOutputs, source.beside(name)) for name in targets}),
        region=region,
        account_id=account_id,
    ).apply(lambda known: _checked(config, policies, **known))


def _checked(
    config: ReplicationConfig,
    policies: Policies,
    source: StorageOutputs,
    targets: Mapping[str, StorageOutputs],
    region: str,
    account_id: str,
) -> Stores:
    _check_places(source, targets, region=region, account_id=account_id)
    faults = [
        f"replication:targets[{place}]{fault}"
        for place, target in enumerate(config.targets)
        for fault in pairing_faults(target, source=source, replica=targets[target.environment])
    ]
    pairs = {
        target.environment: dataset_pairs(target, source=source, replica=targets[target.environment])
        for target in config.targets
    }
    if faults := faults or list(size_faults(config, source, pairs)):
        raise StackConfigError("\n".join(f"{stack_file()}: {fault}" for fault in faults))
    if unmasked := list(dict.fromkeys(masking_faults(config, policies, source, pairs))):
        raise StackConfigError("\n".join(unmasked))
    return Stores(source=source, targets=targets, pairs=pairs)


def _check_places(
    source: StorageOutputs, targets: Mapping[str, StorageOutputs], *, region: str, account_id: str
) -> None:
    """Raise StackConfigError unless the replication can run where it is deployed, from the source to each target.

    The rule and the functions have to be in the region of the source's buckets and streams. A target may be in another
    region, but not in another account: that needs policies on the target's side, which its storage does not have.
    """
    if source.region != region:
        raise StackConfigError(
            f"The storage of {source.environment} is in {source.region}, but replication is deployed to {region}: "
            f"set aws:region in {stack_file()} to {source.region}."
        )
    for store in (source, *targets.values()):
        if store.account_id != account_id:
            raise StackConfigError(
                f"The storage of {store.environment} is in account {store.account_id}, but replication is deployed to "
                f"{account_id}: replication works within one account."
            )
