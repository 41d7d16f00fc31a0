"""The replication's dashboard: every route's lag, throughput, failures and queue on one page. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_common.environments import Environment
from pipeline_common.infra.dashboards import Graph, page
from replicator_lambda.settings import (
    BYTES_METRIC,
    CHANGES_METRIC,
    DRIFT_METRIC,
    FAILURES_METRIC,
    LATENCY_METRIC,
    METRICS_NAMESPACE,
    TARGET_DIMENSION,
)

__all__ = ["WatchedReplication", "replication_dashboard_body"]


@dataclass(frozen=True, kw_only=True)
class WatchedReplication:
    """The names of what the dashboard shows."""

    region: str
    source: Environment
    queues: Mapping[str, str]
    """The queue's name of each target's route."""

    functions: Mapping[str, str]
    """The function's name of each target's route."""

    notifier: str | None
    """The notifier's function's name, None where there is no notifier."""

    dead_letter_queue: str
    alarm_arns: Sequence[str]
    lag_alarm_seconds: int
    queue_age_alarm_seconds: int
    stream_age_alarm_seconds: int


def replication_dashboard_body(watched: WatchedReplication) -> dict[str, Any]:
    """Return the dashboard as CloudWatch has it; a line is a target's, or a function's, in each graph."""
    functions = {**watched.functions, **({"notifier": watched.notifier} if watched.notifier else {})}
    graphs = [
        Graph(
            "Lag: from a change until its replica was written, in milliseconds",
            _own(watched, LATENCY_METRIC, "p50", "Maximum"),
            line=("alarm", watched.lag_alarm_seconds * 1000),
        ),
        Graph(
            "Age of the oldest change that waits, in seconds",
            _of_queues(watched, "ApproximateAgeOfOldestMessage"),
            line=("alarm", watched.queue_age_alarm_seconds),
        ),
        Graph("Changes replicated", _own(watched, CHANGES_METRIC, "Sum")),
        Graph("Bytes copied", _own(watched, BYTES_METRIC, "Sum")),
        Graph("Changes given up", _own(watched, FAILURES_METRIC, "Sum")),
        Graph(
            "Dead letters",
            [
                (
                    *("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", watched.dead_letter_queue),
                    {"stat": "Maximum"},
                )
            ],
        ),
        Graph("Changes that wait", _of_queues(watched, "ApproximateNumberOfMessagesVisible")),
        Graph("Changes that are worked on", _of_queues(watched, "ApproximateNumberOfMessagesNotVisible")),
        Graph("Keys of a sample that differ", _own(watched, DRIFT_METRIC, "Maximum")),
        Graph(
            "Errors and throttles of the functions",
            [
                ("AWS/Lambda", name, "FunctionName", function, {"stat": "Sum", "label": f"{name} {label}"})
                for label, function in functions.items()
                for name in ("Errors", "Throttles")
            ],
        ),
    ]
    if watched.notifier:
        graphs.append(
            Graph(
                "How far the notifier is behind the table, in milliseconds",
                [("AWS/Lambda", "IteratorAge", "FunctionName", watched.notifier, {"stat": "Maximum"})],
                line=("alarm", watched.stream_age_alarm_seconds * 1000),
            )
        )
    return page(watched.alarm_arns, graphs, region=watched.region)


def _own(watched: WatchedReplication, metric: str, *statistics: str) -> list[tuple[Any, ...]]:
    return [
        (
            *(METRICS_NAMESPACE, metric, TARGET_DIMENSION, str(watched.source.beside(target))),
            {"stat": statistic, "label": f"{target} {statistic}"},
        )
        for target in watched.queues
        for statistic in statistics
    ]


def _of_queues(watched: WatchedReplication, metric: str) -> list[tuple[Any, ...]]:
    return [
        ("AWS/SQS", metric, "QueueName", queue, {"stat": "Maximum", "label": target})
        for target, queue in watched.queues.items()
    ]
