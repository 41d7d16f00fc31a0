"""The storage that the processor works on: its own environment's, as its stack promises it."""

import pulumi

from pipeline_common.contracts import StorageOutputs
from pipeline_common.environments import Environment
from pipeline_common.infra.stack_config import StackConfigError
from pipeline_common.infra.stack_references import read
from processing_project.config import OwnStorage, ProcessingConfig

__all__ = ["check", "read_own_storage"]


def read_own_storage(
    config: ProcessingConfig, environment: Environment, *, region: pulumi.Input[str], account_id: pulumi.Input[str]
) -> pulumi.Output[OwnStorage]:
    """Read the environment's contract, checked before anything uses it.

    `region` and `account_id` are where the processor is deployed. Raises, when read, StackOutputError for storage
    that lacks an output and StackConfigError for storage that is elsewhere or is not as the configuration needs it.
    """

    def checked(store: StorageOutputs, region: str, account_id: str) -> OwnStorage:
        check(store, region=region, account_id=account_id)
        return config.own_storage(store)

    store = read(StorageOutputs, environment)
    return pulumi.Output.all(store=store, region=region, account_id=account_id).apply(lambda known: checked(**known))


def check(store: StorageOutputs, *, region: str, account_id: str) -> None:
    """Raise StackConfigError unless the storage is in the region and the account that the processor is deployed to.

    The bucket's events reach the rules of its own account and region alone.
    """
    if store.region != region:
        raise StackConfigError(
            f"The storage of {store.environment} is in {store.region}, but processing is deployed to {region}: "
            f"set aws:region in projects/processing/Pulumi.{store.environment}.yaml to {store.region}."
        )
    if store.account_id != account_id:
        raise StackConfigError(
            f"The storage of {store.environment} is in account {store.account_id}, but processing is deployed to "
            f"{account_id}: deploy both to the same one."
        )
