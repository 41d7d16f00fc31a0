"""CloudWatch alarms that somebody hears."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

__all__ = ["RUNBOOK", "AlarmRule", "alarm"]

RUNBOOK = "docs/runbook.md"
"""Where each alarm's section stands, from the repository's root."""


@dataclass(frozen=True, kw_only=True)
class AlarmRule:
    """When an alarm fires: the statistic is at the threshold or above in each of `periods` times `period_seconds`.

    CloudWatch's missing data means that nothing happened, which alarms nobody.
    """

    namespace: str
    metric: str
    statistic: str
    threshold: float
    description: str
    """What has happened, and what to do about it: the text of the notification."""
    runbook: str
    """The runbook's section on it, as the anchor of its heading; the notification names it."""
    period_seconds: int = 60
    periods: int = 1


def alarm(
    name: str,
    rule: AlarmRule,
    *,
    dimensions: Mapping[str, pulumi.Input[str]],
    topic_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> aws.cloudwatch.MetricAlarm:
    """Register an alarm that tells the topic when it fires and when all is well again."""
    return aws.cloudwatch.MetricAlarm(
        name,
        alarm_description=f"{rule.description} Runbook: {RUNBOOK}#{rule.runbook}",
        namespace=rule.namespace,
        metric_name=rule.metric,
        dimensions=dimensions,
        statistic=rule.statistic,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=rule.threshold,
        period=rule.period_seconds,
        evaluation_periods=rule.periods,
        treat_missing_data="notBreaching",
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        opts=opts,
    )
