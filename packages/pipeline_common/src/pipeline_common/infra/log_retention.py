"""How long CloudWatch Logs keeps a log group's events."""

from typing import Annotated

from pydantic import AfterValidator

__all__ = ["RETENTION_DAYS", "RetentionDays"]

# What CloudWatch Logs accepts: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


def _is_cloudwatchs(days: int) -> int:
    if days not in RETENTION_DAYS:
        raise ValueError(f"CloudWatch Logs keeps logs for one of {', '.join(map(str, sorted(RETENTION_DAYS)))} days")
    return days


RetentionDays = Annotated[int, AfterValidator(_is_cloudwatchs)]
"""A number of days that CloudWatch Logs accepts, as the type of a configuration's field."""
