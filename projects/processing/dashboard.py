"""The processor's dashboard: what came in, what became of it, how long it took and what waits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

_WIDTH = 12
_HEIGHT = 6
_COLUMNS = 2
_MINUTE = 60


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
    """Return the dashboard as CloudWatch has it, in two columns under the alarms.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    function = ("FunctionName", watched.function)
    queue = ("QueueName", watched.queue)
    own = (ENVIRONMENT_DIMENSION, watched.environment)
    graphs = [
        _graph(
            watched,
            "Records read, rejected and written",
            [
                (METRICS_NAMESPACE, name, *own, {"stat": "Sum"})
                for name in (READ_METRIC, REJECTED_METRIC, WRITTEN_METRIC)
            ],
        ),
        _graph(
            watched,
            "Runs, and those that failed",
            [(METRICS_NAMESPACE, name, *own, {"stat": "Sum"}) for name in (RUNS_METRIC, FAILED_RUNS_METRIC)],
        ),
        _graph(
            watched,
            "Invocations, errors and throttles",
            [("AWS/Lambda", name, *function, {"stat": "Sum"}) for name in ("Invocations", "Errors", "Throttles")],
        ),
        _graph(
            watched,
            "Duration, against the timeout",
            [
                ("AWS/Lambda", "Duration", *function, {"stat": statistic, "label": statistic})
                for statistic in ("p50", "p99", "Maximum")
            ],
            line=("timeout", watched.timeout_seconds * 1000),  # the metric is in milliseconds
        ),
        _graph(
            watched,
            "Files that wait, and those being processed",
            [
                ("AWS/SQS", f"ApproximateNumberOfMessages{state}", *queue, {"stat": "Maximum"})
                for state in ("Visible", "NotVisible")
            ],
        ),
        _graph(
            watched,
            "Age of the oldest that waits",
            [("AWS/SQS", "ApproximateAgeOfOldestMessage", *queue, {"stat": "Maximum"})],
            line=("alarm", watched.queue_age_alarm_seconds),
        ),
        _graph(
            watched,
            "Functions at the same time",
            [("AWS/Lambda", "ConcurrentExecutions", *function, {"stat": "Maximum"})],
        ),
        _graph(
            watched,
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
    alarms = {
        "type": "alarm",
        "width": _WIDTH * _COLUMNS,
        "height": 2,
        "x": 0,
        "y": 0,
        "properties": {"title": "Alarms", "alarms": list(watched.alarm_arns)},
    }
    return {"widgets": [alarms, *(_placed(number, graph) for number, graph in enumerate(graphs))]}


def _graph(
    watched: Watched, title: str, metrics: Sequence[tuple[Any, ...]], *, line: tuple[str, float] | None = None
) -> Mapping[str, Any]:
    graph: dict[str, Any] = {
        "title": title,
        "view": "timeSeries",
        "region": watched.region,
        "period": _MINUTE,
        "metrics": [list(metric) for metric in metrics],
    }
    if line is not None:
        label, value = line
        graph["annotations"] = {"horizontal": [{"label": label, "value": value}]}
    return graph


def _placed(number: int, graph: Mapping[str, Any]) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "type": "metric",
        "width": _WIDTH,
        "height": _HEIGHT,
        "x": column * _WIDTH,
        "y": 2 + row * _HEIGHT,
        "properties": dict(graph),
    }
