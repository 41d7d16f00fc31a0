"""The storage that is replicated from and to, as its stacks promise it, and whether it fits together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from pipeline_common.contracts import StorageOutputs
from pipeline_common.environments import Environment
from pipeline_common.infra.stack_config import StackConfigError
from pipeline_common.infra.stack_references import read

__all__ = ["Stores", "check", "read_stores"]


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The source's storage and each target's."""

    source: StorageOutputs
    targets: Mapping[str, StorageOutputs]


def read_stores(
    source: Environment,
    targets: Sequence[str],
    *,
    region: pulumi.Input[str],
    account_id: pulumi.Input[str],
) -> pulumi.Output[Stores]:
    """Read the contracts of all storage, checked before anything uses them.

    `region` and `account_id` are where the replication is deployed. Raises, when read, StackOutputError for storage
    that is not deployed and StackConfigError for storage that can't be replicated.
    """
    return pulumi.Output.all(
        source=read(StorageOutputs, source),
        targets=pulumi.Output.all(**{name: read(StorageOutputs, source.beside(name)) for name in targets}),
        region=region,
        account_id=account_id,
    ).apply(lambda known: _checked(**known))


def _checked(source: StorageOutputs, targets: Mapping[str, StorageOutputs], region: str, account_id: str) -> Stores:
    stores = Stores(source=source, targets=targets)
    check(stores, region=region, account_id=account_id)
    return stores


def check(stores: Stores, *, region: str, account_id: str) -> None:
    """Raise StackConfigError unless the replication can run where it is deployed, from the source to each target.

    The rule and the functions have to be in the region of the source's bucket and stream. A target may be in another
    region, but not in another account: that needs policies on the target's side, which its storage does not have.
    """
    source = stores.source
    if source.region != region:
        raise StackConfigError(
            f"The storage of {source.environment} is in {source.region}, but replication is deployed to {region}: "
            f"set aws:region in projects/replication/Pulumi.{source.environment}.yaml to {source.region}."
        )
    for store in (source, *stores.targets.values()):
        if store.account_id != account_id:
            raise StackConfigError(
                f"The storage of {store.environment} is in account {store.account_id}, but replication is deployed to "
                f"{account_id}: replication works within one account."
            )
    for target in stores.targets.values():
        for what in ("bucket_arn", "table_arn"):
            if getattr(target, what) == getattr(source, what):
                raise StackConfigError(
                    f"The storage of {target.environment} and of {source.environment} have the same "
                    f"{what.removesuffix('_arn')}, {getattr(source, what)}: a target must not be its own source."
                )
