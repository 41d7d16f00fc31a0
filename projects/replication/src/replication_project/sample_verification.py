"""A sample of one target compared with the source on a schedule."""

from collections.abc import Sequence
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.infra.alarms import ONE_DAY_SECONDS, alarm
from pipeline_common.infra.event_target import event_target
from pipeline_common.infra.live_function import LIVE_ALIAS, LiveFunction
from replication_project.config import ReplicationConfig, TargetConfig, VerificationConfig
from replication_project.policies import verifier_rights
from replication_project.stores import Stores
from replicator_lambda.settings import (
    DRIFT_METRIC,
    METRICS_NAMESPACE,
    TARGET_DIMENSION,
    UNMASKED_METRIC,
    VERIFIER_HANDLER,
)

__all__ = ["SampleVerification"]

SETTINGS = {"memory_mb": 512, "timeout_seconds": 900, "errors_alarm_count": 1, "throttles_alarm_count": 1}
"""Of the function, which runs as long as any may: it waits for what may still arrive.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


FINDS = (
    (
        "drift",
        DRIFT_METRIC,
        "A sample of {target} has keys that differ from production: compare all of it, and repair.",
    ),
    (
        "unmasked",
        UNMASKED_METRIC,
        "A sample of {target} has replicas that no policy has masked: they may hold what production does.",
    ),
)
"""The alarms on what a sample finds: a name, the metric and what it means. The second is of a target that is masked."""


class SampleVerification(pulumi.ComponentResource):
    """A function that compares on a schedule, and alarms on what it finds (`pipeline:replication:SampleVerification`).

    Guarantees: its role reads both sides and writes to neither; a single run that fails alarms, and Lambda has tried it
    three times then (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html); what has
    drifted, or is unmasked where the target is masked, alarms for a day.

    Leaves out: repair, which somebody decides on, and all keys that a sample does not have.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:SampleVerification"  # noqa: S105 - a resource type's token

    function: LiveFunction
    alarms: Sequence[aws.cloudwatch.MetricAlarm]

    def __init__(
        self,
        name: str,
        config: ReplicationConfig,
        verification: VerificationConfig,
        *,
        target: TargetConfig,
        stores: pulumi.Output[Stores],
        mask_key_arn: pulumi.Output[str],
        code: pulumi.Input[pulumi.Archive],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        topic_arn = stores.apply(lambda known: known.source.failure_topic_arn)
        self.function = LiveFunction(
            name,
            config.model_copy(update=SETTINGS),
            handler=VERIFIER_HANDLER,
            description=f"Compares a sample of {target.environment} with its source",
            code=code,
            environment={},
            rights=pulumi.Output.all(stores, mask_key_arn).apply(
                lambda known: verifier_rights(known[0].pairs[target.environment], mask_key_arn=known[1])
            ),
            alarm_topic_arn=topic_arn,
            # Its children are found by it too: https://www.pulumi.com/docs/iac/concepts/resources/options/aliases/
            opts=pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(name=f"{name}-verifier")]),
        )
        rule = aws.cloudwatch.EventRule(
            f"{name}-schedule",
            description="When a sample is compared",
            schedule_expression=verification.schedule,
            opts=pulumi.ResourceOptions(parent=self),
        )
        permission = aws.lambda_.Permission(
            f"{name}-schedule-invokes",
            action="lambda:InvokeFunction",
            function=self.function.function.name,
            qualifier=LIVE_ALIAS,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.function.alias]),
        )
        event_target(
            f"{name}-schedule-target",
            rule=rule,
            target_id=name,
            arn=self.function.alias.arn,
            dead_letters_arn=stores.apply(lambda known: known.source.dlq_arn),
            parent=self,
            permission=permission,
        )
        self.alarms = [
            *self.function.alarms,
            *(
                alarm(
                    f"{name}-{what}",
                    namespace=METRICS_NAMESPACE,
                    metric=metric,
                    dimensions={
                        TARGET_DIMENSION: stores.apply(lambda known: str(known.targets[target.environment].instance))
                    },
                    statistic="Maximum",
                    threshold=1,
                    # A day, so that the silence after a run does not tell that all is well again.
                    period_seconds=ONE_DAY_SECONDS,
                    description=meaning.format(target=target.environment),
                    runbook=what,
                    topic_arn=topic_arn,
                    opts=pulumi.ResourceOptions(parent=self),
                )
                for what, metric, meaning in (FINDS if target.is_masked else FINDS[:1])
            ),
        ]
        self.register_outputs({"alias_arn": self.function.alias.arn})
