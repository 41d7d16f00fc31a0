"""CloudWatch metric queries."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_ops.routes.route import SourceRoutes

__all__ = ["newest_first"]


def newest_first(
    replication: SourceRoutes,
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    *,
    statistic: str,
    until: datetime,
    window: timedelta,
) -> Iterator[tuple[datetime, float]]:
    """Yield a metric's figures by the minute, each with its instant, back to the beginning of the window."""
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    metric: Any = {"Namespace": namespace, "MetricName": name, "Dimensions": named}
    (result,) = replication.client("cloudwatch", region=replication.region).get_metric_data(
        MetricDataQueries=[{"Id": "figures", "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}}],
        StartTime=until - window,
        EndTime=until,
        ScanBy="TimestampDescending",
    )["MetricDataResults"]
    for when, value in zip(result["Timestamps"], result["Values"], strict=True):
        yield when.astimezone(UTC), float(value)
