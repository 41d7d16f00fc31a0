"""The replication from production into the environments below it."""

from pathlib import Path

import pulumi

from pipeline_common.infra.aws_provider import aws_provider
from pipeline_common.infra.exports import export
from pipeline_common.infra.lambda_archive import function_archive
from pipeline_common.infra.stack_config import current_environment, load
from replication_project.config import ReplicationConfig, source_environment
from replication_project.replication import Replication
from replication_project.sizes import check_sizes

source = source_environment(current_environment())
config = load(ReplicationConfig)
check_sizes(config, source)
replication = Replication(
    "replication",
    config,
    source=source,
    code=function_archive("replicator_lambda", repository=Path(__file__).resolve().parents[2]),
    opts=pulumi.ResourceOptions(providers=[aws_provider()]),
)
export(replication.outputs())
