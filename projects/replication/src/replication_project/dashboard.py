"""The graphs of the replication's dashboard: every route's lag, throughput, failures and queue. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_common.environments import Environment
from pipeline_common.infra.dashboards import Graph, queue_metric
from replication_project.config import ReplicationConfig
from replicator_lambda.settings import (
    BYTES_METRIC,
    CHANGES_METRIC,
    DRIFT_METRIC,
    FAILURES_METRIC,
    LATENCY_METRIC,
    METRICS_NAMESPACE,
    TARGET_DIMENSION,
    UNMASKED_METRIC,
)

__all__ = ["replication_graphs"]


def replication_graphs(
    config: ReplicationConfig,
    source: Environment,
    *,
    queues: Mapping[str, str],
    functions: Mapping[str, str],
    notifier: str | None,
) -> list[Graph]:
    """Return the graphs, in each of which a line is a target's, or a function's.

    `queues` and `functions` are the names of the routes', by the targets' environments; there may be no notifier.
    """

    def own(metric: str, *statistics: str, targets: Iterable[str] = queues) -> list[tuple[Any, ...]]:
        return [
            (
                *(METRICS_NAMESPACE, metric, TARGET_DIMENSION, str(source.beside(target))),
                {"stat": statistic, "label": f"{target} {statistic}"},
            )
            for target in targets
            for statistic in statistics
        ]

    def of_queues(metric: str) -> list[tuple[Any, ...]]:
        return [queue_metric(metric, queue, label=target) for target, queue in queues.items()]

    graphs = [
        Graph(
            "Lag: from a change until its replica was written, in milliseconds",
            own(LATENCY_METRIC, "p50", "Maximum"),
            line=("alarm", config.lag_alarm_seconds * 1000),
        ),
        Graph(
            "Age of the oldest change that waits, in seconds",
            of_queues("ApproximateAgeOfOldestMessage"),
            line=("alarm", config.queue_age_alarm_seconds),
        ),
        Graph("Changes replicated", own(CHANGES_METRIC, "Sum")),
        Graph("Bytes copied", own(BYTES_METRIC, "Sum")),
        Graph("Changes given up", own(FAILURES_METRIC, "Sum")),
        Graph("Changes that wait", of_queues("ApproximateNumberOfMessagesVisible")),
        Graph("Changes that are worked on", of_queues("ApproximateNumberOfMessagesNotVisible")),
        Graph("Keys of a sample that differ", own(DRIFT_METRIC, "Maximum")),
        Graph(
            "Errors and throttles of the functions",
            [
                ("AWS/Lambda", name, "FunctionName", function, {"stat": "Sum", "label": f"{name} {label}"})
                for label, function in {**functions, **({"notifier": notifier} if notifier else {})}.items()
                for name in ("Errors", "Throttles")
            ],
        ),
    ]
    if masked := [target.environment for target in config.targets if target.is_masked]:
        title = "Replicas of a sample that no policy has made"
        graphs.append(Graph(title, own(UNMASKED_METRIC, "Maximum", targets=masked)))
    if notifier:
        behind = ("AWS/Lambda", "IteratorAge", "FunctionName", notifier, {"stat": "Maximum"})
        title = "How far the notifier is behind the table, in milliseconds"
        graphs.append(Graph(title, [behind], line=("alarm", config.stream_age_alarm_seconds * 1000)))
    return graphs
