"""The processing of one environment, the one that the stack is named after."""

from pathlib import Path

import pulumi

from pipeline_common.infra.aws_provider import aws_provider
from pipeline_common.infra.every_resource import govern_resources
from pipeline_common.infra.exports import export
from pipeline_common.infra.lambda_archive import function_archive
from pipeline_common.infra.stack_config import current_environment, load
from processing_project.config import ProcessingConfig
from processing_project.processor import Processor
from processing_project.sizes import check_sizes

environment = current_environment()
govern_resources(environment)
config = load(ProcessingConfig)
check_sizes(config, environment)
processor = Processor(
    "processor",
    config,
    environment=environment,
    code=function_archive("processor_lambda", repository=Path(__file__).resolve().parents[2]),
    opts=pulumi.ResourceOptions(providers=[aws_provider()]),
)
export(processor.outputs())
