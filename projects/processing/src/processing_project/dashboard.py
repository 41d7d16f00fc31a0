"""The graphs of the processor's dashboard: what came in, what became of it, how long it took and what waits. Pure."""

from typing import Any

from pipeline_common.infra.dashboards import Graph, queue_metric
from processor_lambda.settings import ENVIRONMENT_DIMENSION, METRICS_NAMESPACE, Metric

__all__ = ["processing_graphs"]


def processing_graphs(
    *, environment: str, function: str, queue: str, timeout_seconds: int, queue_age_alarm_seconds: int
) -> list[Graph]:
    """Return the graphs of an environment's processor, whose function and queue have these names."""

    def own(*names: str) -> list[tuple[Any, ...]]:
        return [(METRICS_NAMESPACE, name, ENVIRONMENT_DIMENSION, environment, {"stat": "Sum"}) for name in names]

    def of_function(name: str, statistic: str, **drawn: str) -> tuple[Any, ...]:
        return ("AWS/Lambda", name, "FunctionName", function, {"stat": statistic, **drawn})

    return [
        Graph("Records read, rejected and written", own(Metric.READ, Metric.REJECTED, Metric.WRITTEN)),
        Graph("Runs, and those that failed", own(Metric.RUNS, Metric.FAILED_RUNS)),
        Graph(
            "Invocations, errors and throttles",
            [of_function(name, "Sum") for name in ("Invocations", "Errors", "Throttles")],
        ),
        Graph(
            "Duration, against the timeout",
            [of_function("Duration", statistic, label=statistic) for statistic in ("p50", "p99", "Maximum")],
            line=("timeout", timeout_seconds * 1000),  # the metric is in milliseconds
        ),
        Graph(
            "Files that wait, and those being processed",
            [queue_metric(f"ApproximateNumberOfMessages{state}", queue) for state in ("Visible", "NotVisible")],
        ),
        Graph(
            "Age of the oldest that waits",
            [queue_metric("ApproximateAgeOfOldestMessage", queue)],
            line=("alarm", queue_age_alarm_seconds),
        ),
        Graph("Functions at the same time", [of_function("ConcurrentExecutions", "Maximum")]),
    ]
