"""CloudWatch alarms that somebody hears."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

__all__ = ["ONE_DAY_SECONDS", "RUNBOOK", "alarm"]

ONE_DAY_SECONDS = 24 * 3600
"""The period of an alarm on what is told of once: the silence after it must not tell that all is well again."""

RUNBOOK = "docs/runbook.md"
"""Where each alarm's section stands, from the repository's root."""


def alarm(
    name: str,
    *,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, pulumi.Input[str]],
    statistic: str,
    threshold: float,
    period_seconds: int = 60,
    periods: int = 1,
    description: str,
    runbook: str,
    topic_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> aws.cloudwatch.MetricAlarm:
    """Register an alarm that tells the topic when it fires and when all is well again.

    It fires when the statistic is at the threshold or above in each of `periods` times `period_seconds`; missing data
    means that nothing happened. The notification is the `description`, what has happened and what to do about it, and
    names the section of the runbook whose heading's anchor is `runbook`.
    """
    return aws.cloudwatch.MetricAlarm(
        name,
        alarm_description=f"{description} Runbook: {RUNBOOK}#{runbook}",
        namespace=namespace,
        metric_name=metric,
        dimensions=dimensions,
        statistic=statistic,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        period=period_seconds,
        evaluation_periods=periods,
        treat_missing_data="notBreaching",
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        opts=opts,
    )
