"""The processor's dashboard: what came in, what became of it, how long it took and what waits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_common.infra.dashboards import Graph, page
from processor_lambda.settings import (
    ENVIRONMENT_DIMENSION,
    FAILED_RUNS_METRIC,
    METRICS_NAMESPACE,
    READ_METRIC,
    REJECTED_METRIC,
    RUNS_METRIC,
    WRITTEN_METRIC,
)

__all__ = ["Watched", "dashboard_body"]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The names of what the dashboard shows."""

    region: str
    environment: str
    function: str
    queue: str
    dead_letter_queue: str
    alarm_arns: Sequence[str]
    timeout_seconds: int
    queue_age_alarm_seconds: int


def dashboard_body(watched: Watched) -> dict[str, Any]:
    """Return the dashboard as CloudWatch has it."""
    function = ("FunctionName", watched.function)
    queue = ("QueueName", watched.queue)
    own = (ENVIRONMENT_DIMENSION, watched.environment)
    graphs = [
        Graph(
            "Records read, rejected and written",
            [
                (METRICS_NAMESPACE, name, *own, {"stat": "Sum"})
                for name in (READ_METRIC, REJECTED_METRIC, WRITTEN_METRIC)
            ],
        ),
        Graph(
            "Runs, and those that failed",
            [(METRICS_NAMESPACE, name, *own, {"stat": "Sum"}) for name in (RUNS_METRIC, FAILED_RUNS_METRIC)],
        ),
        Graph(
            "Invocations, errors and throttles",
            [("AWS/Lambda", name, *function, {"stat": "Sum"}) for name in ("Invocations", "Errors", "Throttles")],
        ),
        Graph(
            "Duration, against the timeout",
            [
                ("AWS/Lambda", "Duration", *function, {"stat": statistic, "label": statistic})
                for statistic in ("p50", "p99", "Maximum")
            ],
            line=("timeout", watched.timeout_seconds * 1000),  # the metric is in milliseconds
        ),
        Graph(
            "Files that wait, and those being processed",
            [
                ("AWS/SQS", f"ApproximateNumberOfMessages{state}", *queue, {"stat": "Maximum"})
                for state in ("Visible", "NotVisible")
            ],
        ),
        Graph(
            "Age of the oldest that waits",
            [("AWS/SQS", "ApproximateAgeOfOldestMessage", *queue, {"stat": "Maximum"})],
            line=("alarm", watched.queue_age_alarm_seconds),
        ),
        Graph(
            "Functions at the same time",
            [("AWS/Lambda", "ConcurrentExecutions", *function, {"stat": "Maximum"})],
        ),
        Graph(
            "Dead letters of the environment",
            [
                (
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    "QueueName",
                    watched.dead_letter_queue,
                    {"stat": "Maximum"},
                )
            ],
        ),
    ]
    return page(watched.alarm_arns, graphs, region=watched.region)
