"""What holds for every resource of a stack, whichever component declares it."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime.stack import register_stack_transformation

from pipeline_common.environments import Environment
from pipeline_common.infra.stack_config import StackConfigError
from pipeline_common.tags import resource_tags

__all__ = ["govern_resources"]

ENGINE_SUFFIX = "-1a2b3c4"
"""What the engine puts behind a name, by the pattern in `projects/<project>/Pulumi.yaml`."""

ROLE = "aws:iam/role:Role"

NAME_CHARACTERS: Mapping[str, int] = {
    "aws:cloudwatch/eventRule:EventRule": 64,
    ROLE: 64,
    "aws:lambda/function:Function": 64,
    "aws:s3/bucket:Bucket": 63,
    "aws:sqs/queue:Queue": 80,
}
"""How long a name may be, by type, where AWS takes less than ours could come to.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
"""


def govern_resources(environment: Environment) -> None:
    """Have every resource that is declared from here on tagged, where it can be, and its name's length checked.

    A tag that the resource is given itself stays. Where `pipeline:permissionsBoundary` names a policy, it bounds every
    role: whoever deploys from a workflow may make no other (docs/delivery.md). A pull request's instance, which has
    its environment's settings and not its data, is bounded by the policy of that name with `-instances` behind it.
    Declaring a resource whose name would be too long raises StackConfigError; that stops the program before anything
    is made.

    A transformation in this process, not one of the engine's transforms: those would be asked over the network for
    each resource, and no mock of the engine runs them.
    """
    prefix = f"{pulumi.get_project()}-{environment}"
    boundary = pulumi.Config("pipeline").get("permissionsBoundary")
    if boundary and environment.is_pull_requests:
        boundary += "-instances"

    def govern(declared: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        _check_name(declared.type_, f"{prefix}-{declared.name}{ENGINE_SUFFIX}", environment)
        if "tags" not in declared.props:
            return None
        own: Any = declared.props["tags"]
        tags = {**resource_tags(pulumi.get_project(), environment, declared.name), **(own or {})}
        bound = {"permissions_boundary": boundary} if boundary and declared.type_ == ROLE else {}
        return pulumi.ResourceTransformationResult({**declared.props, "tags": tags, **bound}, declared.opts)

    register_stack_transformation(govern)


def _check_name(kind: str, name: str, environment: Environment) -> None:
    most = NAME_CHARACTERS.get(kind)
    if most is None or len(name) <= most:
        return
    what = "a suffix" if environment.suffix else "an environment's name"
    raise StackConfigError(
        f"A {kind.rpartition(':')[2]} of {environment} would be called {name}, {len(name)} characters long, and AWS "
        f"takes {most}: use {what} that is shorter by {len(name) - most} or more."
    )
