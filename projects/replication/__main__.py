"""The replication from the environment that the stack is named after into others."""

from pathlib import Path

import pulumi

from pipeline_common.infra.aws_provider import aws_provider
from pipeline_common.infra.every_resource import govern_resources
from pipeline_common.infra.lambda_archive import function_archive
from pipeline_common.infra.part import current_part
from pipeline_common.infra.stack_config import current_environment, load
from replication_project.config import ReplicationConfig, require_capture_as_deployed, require_other_targets
from replication_project.masking import read_policies
from replication_project.replication import Replication

source = current_environment()
govern_resources(source)
config = load(ReplicationConfig)
if source.suffix:
    config = config.of_an_instance()
part = current_part()
require_other_targets(config, source)
require_capture_as_deployed(config, part)
folder = Path(__file__).resolve().parent
config = config if part.is_whole else config.only(part.routes)
replication = Replication(
    "replication",
    config,
    source=source,
    policies=read_policies(config, folder),
    part=part,
    code=function_archive("replicator_lambda", repository=folder.parents[1]),
    opts=pulumi.ResourceOptions(providers=[aws_provider()]),
)
for name, value in replication.exports().items():
    pulumi.export(name, value)
