"""The replication from the environment that the stack is named after into others."""

from pathlib import Path

import pulumi

from pipeline_common.infra.aws_provider import aws_provider
from pipeline_common.infra.every_resource import govern_resources
from pipeline_common.infra.exports import export
from pipeline_common.infra.lambda_archive import function_archive
from pipeline_common.infra.stack_config import current_environment, load
from replication_project.config import ReplicationConfig, require_other_targets
from replication_project.replication import Replication

source = current_environment()
govern_resources(source)
config = load(ReplicationConfig)
require_other_targets(config, source)
replication = Replication(
    "replication",
    config,
    source=source,
    code=function_archive("replicator_lambda", repository=Path(__file__).resolve().parents[2]),
    opts=pulumi.ResourceOptions(providers=[aws_provider()]),
)
export(replication.outputs())
