"""The delivery to one account, the one that the stack is named after."""

import pulumi

from delivery_project.config import DeliveryConfig
from delivery_project.delivery import Delivery
from pipeline_common.infra.aws_provider import aws_provider
from pipeline_common.infra.every_resource import govern_resources
from pipeline_common.infra.exports import export
from pipeline_common.infra.stack_config import current_environment, load

account = current_environment()
govern_resources(account)
delivery = Delivery(
    "delivery", load(DeliveryConfig), account=account, opts=pulumi.ResourceOptions(providers=[aws_provider()])
)
export(delivery.outputs())
