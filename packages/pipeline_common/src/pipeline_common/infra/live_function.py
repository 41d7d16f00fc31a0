"""A Lambda function that callers reach by its `live` alias."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pulumi
import pulumi_aws as aws
from pydantic import Field

from pipeline_common.infra.alarms import alarm
from pipeline_common.infra.lambda_archive import ARCHITECTURE, RUNTIME
from pipeline_common.infra.limits import AlarmCount, RetentionDays
from pipeline_common.infra.part import Shift
from pipeline_common.infra.policies import Statement, assume_role, function_policy, service
from pipeline_common.infra.stack_config import StackConfig
from pipeline_common.release import deployed_version, with_version

__all__ = ["LIVE_ALIAS", "FunctionSettings", "LiveFunction"]

LIVE_ALIAS = "live"
"""The alias that event sources invoke: a release moves it, and moving it back is the way back."""


class FunctionSettings(StackConfig):
    """What a stack's functions may use, and how many of their failures alarm."""

    memory_mb: int
    timeout_seconds: int
    log_retention_days: RetentionDays
    errors_alarm_count: AlarmCount = Field(
        default=5, description="a function's errors in five minutes that alarm", examples=[5]
    )
    throttles_alarm_count: AlarmCount = Field(
        default=20, description="a function's throttles in five minutes that alarm", examples=[20]
    )


class LiveFunction(pulumi.ComponentResource):
    """A function and its `live` alias, with role, log group and alarms (`pipeline:infra:LiveFunction`).

    Guarantees: every change is a published version, whose description says of which release it is; the role has the
    given rights and may write to its own log group, nothing more; logs are kept for as long as configured; errors and
    throttles alarm. `ready` are the resources that an event source mapping has to wait for, since Lambda checks the
    role's rights when the mapping is made. The alias is of the newest version, or stays at the one that it is
    `held_at`; with a `shift` the newest one has a part of the invocations.

    Leaves out: what invokes it, tracing (it needs a right on every resource) and a VPC.
    """

    TOKEN: ClassVar[str] = "pipeline:infra:LiveFunction"  # noqa: S105 - a resource type's token

    function: aws.lambda_.Function
    alias: aws.lambda_.Alias
    log_group: aws.cloudwatch.LogGroup
    alarms: Sequence[aws.cloudwatch.MetricAlarm]
    ready: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        settings: FunctionSettings,
        *,
        handler: str,
        description: str,
        code: pulumi.Input[pulumi.Archive],
        environment: pulumi.Input[Mapping[str, str]],
        rights: pulumi.Input[Sequence[Statement]],
        alarm_topic_arn: pulumi.Input[str],
        held_at: str | None = None,
        shift: Shift | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self.log_group = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            retention_in_days=settings.log_retention_days,
            opts=pulumi.ResourceOptions(parent=self),
        )
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=pulumi.Output.json_dumps(assume_role(service("lambda"))),
            opts=pulumi.ResourceOptions(parent=self),
        )
        policy = aws.iam.RolePolicy(
            f"{name}-rights",
            role=role.name,
            policy=pulumi.Output.json_dumps(
                pulumi.Output.all(rights=rights, log_group_arn=self.log_group.arn).apply(
                    lambda known: function_policy(**known)
                )
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.function = aws.lambda_.Function(
            name,
            description=with_version(description, deployed_version()),
            role=role.arn,
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler=handler,
            code=code,
            memory_size=settings.memory_mb,
            timeout=settings.timeout_seconds,
            publish=True,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=environment),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="Text", log_group=self.log_group.name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.alias = aws.lambda_.Alias(
            f"{name}-{LIVE_ALIAS}",
            name=LIVE_ALIAS,
            description="What event sources invoke",
            function_name=self.function.name,
            function_version=held_at or (shift.former if shift else self.function.version),
            routing_config=_routing(self.function.version, shift) if shift and not held_at else None,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ready = (policy, self.alias)
        self.alarms = [
            alarm(
                f"{name}-{metric.lower()}",
                namespace="AWS/Lambda",
                metric=metric,
                dimensions={"FunctionName": self.function.name},
                statistic="Sum",
                threshold=threshold,
                period_seconds=300,
                description=f"{metric} of the function {name} within five minutes: {threshold} or more.",
                runbook=f"function-{metric.lower()}",
                topic_arn=alarm_topic_arn,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for metric, threshold in (
                ("Errors", settings.errors_alarm_count),
                ("Throttles", settings.throttles_alarm_count),
            )
        ]
        self.register_outputs({"alias_arn": self.alias.arn, "function_name": self.function.name})


def _routing(version: pulumi.Output[str], shift: Shift) -> aws.lambda_.AliasRoutingConfigArgs:
    """Share an alias's invocations, unless the version is the former one still.

    https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
    """
    return aws.lambda_.AliasRoutingConfigArgs(
        additional_version_weights=version.apply(lambda new: {} if new == shift.former else {new: shift.share})
    )
