"""What the configuration makes of the function's rights and environment and of its rule, and whether AWS takes it."""

from dataclasses import replace

from pipeline_common.environments import Environment
from pipeline_common.infra.limits import (
    function_faults,
    longest_queue_arn,
    longest_queue_url,
    longest_storage,
    pattern_fault,
)
from pipeline_common.infra.stack_config import StackConfigError, stack_file
from processing_project.config import OwnStorage, ProcessingConfig
from processing_project.policies import processor_rights
from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind

__all__ = ["check_sizes"]

_LONGEST_TABLE = Dataset(
    "n" * 24, Kind.TABLE, (KeyAttribute("n" * 255, KeyType.STRING), KeyAttribute("m" * 255, KeyType.STRING))
)
"""Which table another one is by its key is known when its storage is read, and is then in the function's environment.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: 255 characters of a key's name
"""


_LONGEST_RELEASE = "v100.100.100+10000.g1234567.dirty"
"""As long as a version may well become."""


def check_sizes(config: ProcessingConfig, environment: Environment) -> None:
    """Raise StackConfigError, with the sums, where the schema and the prefix make more than AWS takes."""
    contract = longest_storage(environment)
    table = contract.datasets[ITEMS.name]
    store = OwnStorage(
        contract=contract,
        bucket=contract.datasets[OBJECTS.name],
        table=table if config.table == ITEMS.name else replace(table, dataset=_LONGEST_TABLE),
    )
    found = function_faults(
        rights=processor_rights(store=store, input_prefix=config.input_prefix, queue_arn=longest_queue_arn()),
        environment=config.settings(store=store, queue_url=longest_queue_url(), release=_LONGEST_RELEASE).to_env(),
    )
    if pattern := pattern_fault(config.arrivals(store.bucket.name)):
        found.append(pattern)
    if found:
        raise StackConfigError(
            f"{stack_file()}: processing:schema (fields: {len(config.declared)}) and processing:inputPrefix "
            f"(characters: {len(config.input_prefix)}) give {' and '.join(found)}: declare fewer fields, shorter names "
            "or a shorter prefix."
        )
