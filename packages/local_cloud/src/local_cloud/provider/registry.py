"""Every resource type that the stand-in implements, by its token: what the services' modules have in `__all__`."""

from collections.abc import Mapping

from local_cloud.provider import (
    cloudtrail,
    cloudwatch,
    dynamodb,
    event_sources,
    events,
    iam,
    kms,
    lambda_,
    logs,
    s3,
    sns,
    sqs,
)
from local_cloud.provider.resource import Resource

__all__ = ["RESOURCES"]

_MODULES = (cloudtrail, cloudwatch, dynamodb, event_sources, events, iam, kms, lambda_, logs, s3, sns, sqs)
_TYPES: list[type[Resource]] = [getattr(module, name) for module in _MODULES for name in module.__all__]

RESOURCES: Mapping[str, type[Resource]] = {each.type_name: each for each in _TYPES}
