"""The rule that brings events of changes to one route's queue, and its alarms."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from pipeline_common.infra.alarms import AlarmRule, alarm

__all__ = ["ChangeRule", "change_rule"]

UNDELIVERED = (
    (
        "undelivered",
        "FailedInvocations",
        "Events did not reach the queue of {target}: they are dead letters, to be redriven.",
    ),
    (
        "lost",
        "InvocationsFailedToBeSentToDlq",
        "Events reached neither the queue of {target} nor the dead letters, and are lost: compare and repair.",
    ),
)
"""The alarms on the rule: a name, the metric and what it means.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
"""


@dataclass(frozen=True)
class ChangeRule:
    """A rule on the account's default bus, where AWS's services send their events, and what watches it."""

    rule: aws.cloudwatch.EventRule
    alarms: Sequence[aws.cloudwatch.MetricAlarm]


def change_rule(
    name: str,
    *,
    target: str,
    pattern: pulumi.Input[str],
    topic_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> ChangeRule:
    """Register the rule `<name>-rule` for events of the pattern, and an alarm on each way that it can fail."""
    rule = aws.cloudwatch.EventRule(
        f"{name}-rule",
        description=f"Changes of the source that {target} gets, for the queue of its route",
        event_pattern=pattern,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    alarms = [
        alarm(
            f"{name}-{what}",
            AlarmRule(
                namespace="AWS/Events",
                metric=metric,
                statistic="Sum",
                threshold=1,
                period_seconds=300,
                description=meaning.format(target=target),
                runbook="undelivered-events",
            ),
            dimensions={"RuleName": rule.name},
            topic_arn=topic_arn,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for what, metric, meaning in UNDELIVERED
    ]
    return ChangeRule(rule, alarms)
