"""The storage of one environment, the one that the stack is named after."""

import pulumi

from pipeline_common.infra.aws_provider import aws_provider
from pipeline_common.infra.every_resource import govern_resources
from pipeline_common.infra.exports import export
from pipeline_common.infra.stack_config import current_environment, load
from storage_project.config import StorageConfig
from storage_project.environment_store import EnvironmentStore

environment = current_environment()
govern_resources(environment)
config = load(StorageConfig)
if environment.suffix:
    config = config.of_an_instance()
store = EnvironmentStore(
    "store", config, environment=environment, opts=pulumi.ResourceOptions(providers=[aws_provider()])
)
export(store.outputs())
