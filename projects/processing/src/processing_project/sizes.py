"""What the configuration makes of the function's rights and environment and of its rule, and whether AWS takes it."""

from pipeline_common.environments import Environment
from pipeline_common.infra.limits import (
    function_faults,
    longest_queue_arn,
    longest_queue_url,
    longest_storage,
    pattern_fault,
)
from pipeline_common.infra.stack_config import StackConfigError, stack_file
from processing_project.config import ProcessingConfig
from processing_project.policies import processor_rights

__all__ = ["check_sizes"]


def check_sizes(config: ProcessingConfig, environment: Environment) -> None:
    """Raise StackConfigError, with the sums, where the schema and the prefix make more than AWS takes."""
    store = longest_storage(environment)
    found = function_faults(
        rights=processor_rights(store=store, input_prefix=config.input_prefix, queue_arn=longest_queue_arn()),
        environment=config.settings(store=store, queue_url=longest_queue_url()).to_env(),
    )
    if pattern := pattern_fault(config.arrivals(store.bucket_name)):
        found.append(pattern)
    if found:
        raise StackConfigError(
            f"{stack_file()}: processing:schema (fields: {len(config.declared)}) and processing:inputPrefix "
            f"(characters: {len(config.input_prefix)}) give {' and '.join(found)}: declare fewer fields, shorter names "
            "or a shorter prefix."
        )
