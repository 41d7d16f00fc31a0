"""The storage of one environment, the one that the stack is named after."""

import pulumi

from environment_store import EnvironmentStore
from pipeline_common.infra.aws_provider import aws_provider
from pipeline_common.infra.exports import export
from pipeline_common.infra.stack_config import current_environment, load
from storage_config import StorageConfig

environment = current_environment()
config = load(StorageConfig)
store = EnvironmentStore(
    "store", config, environment=environment, opts=pulumi.ResourceOptions(providers=[aws_provider()])
)
export(store.outputs())
