"""CloudWatch dashboards: alarms on top, graphs in two columns below.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StorageOutputs

__all__ = ["Graph", "dashboard", "queue_metric"]

_WIDTH = 12
_HEIGHT = 6
_COLUMNS = 2
_ALARMS_HEIGHT = 2
_PERIOD_SECONDS = 60


@dataclass(frozen=True)
class Graph:
    """Metrics over time, in one picture."""

    title: str
    metrics: Sequence[tuple[Any, ...]]
    """Each as CloudWatch has it: namespace, name, dimensions in turn, and how it is drawn."""

    line: tuple[str, float] | None = None
    """A horizontal line to compare with: its label and its value."""


def queue_metric(name: str, queue: str, **drawn: str) -> tuple[Any, ...]:
    """Return a metric of a queue, the highest of each minute."""
    return ("AWS/SQS", name, "QueueName", queue, {"stat": "Maximum", **drawn})


def dashboard(
    name: pulumi.Input[str],
    graphs: Callable[..., Sequence[Graph]],
    *,
    shown: Mapping[str, pulumi.Input[Any]],
    region: pulumi.Input[str],
    alarms: Sequence[aws.cloudwatch.MetricAlarm],
    store: pulumi.Output[StorageOutputs],
    parent: pulumi.Resource,
) -> aws.cloudwatch.Dashboard:
    """Register the dashboard of this name, which the engine would not make.

    On top are the alarms, and that on the storage's dead letters. Below are the `graphs`, which are made of what is
    `shown`, once it is known, and followed by that of the dead letters.
    """
    known = pulumi.Output.all(
        region=region,
        alarms=pulumi.Output.all(*(one.arn for one in alarms), store.apply(lambda storage: storage.dlq_alarm_arn)),
        dead_letters=store.apply(lambda storage: storage.dlq_name),
        shown=pulumi.Output.all(**shown),
    )

    def body(region: str, alarms: Sequence[str], dead_letters: str, shown: Mapping[str, Any]) -> str:
        letters = Graph("Dead letters", [queue_metric("ApproximateNumberOfMessagesVisible", dead_letters)])
        return json.dumps({"widgets": _widgets(alarms, [*graphs(**shown), letters], region)})

    return aws.cloudwatch.Dashboard(
        "dashboard",
        dashboard_name=name,
        dashboard_body=known.apply(lambda told: body(**told)),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _widgets(alarms: Sequence[str], graphs: Sequence[Graph], region: str) -> list[dict[str, Any]]:
    on_top = {"x": 0, "y": 0, "width": _WIDTH * _COLUMNS, "height": _ALARMS_HEIGHT}
    return [
        {"type": "alarm", **on_top, "properties": {"title": "Alarms", "alarms": list(alarms)}},
        *(_placed(number, graph, region) for number, graph in enumerate(graphs)),
    ]


def _placed(number: int, graph: Graph, region: str) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    drawn: dict[str, Any] = {
        "title": graph.title,
        "view": "timeSeries",
        "region": region,
        "period": _PERIOD_SECONDS,
        "metrics": [list(metric) for metric in graph.metrics],
    }
    if graph.line is not None:
        label, value = graph.line
        drawn["annotations"] = {"horizontal": [{"label": label, "value": value}]}
    place = {"x": column * _WIDTH, "y": _ALARMS_HEIGHT + row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT}
    return {"type": "metric", **place, "properties": drawn}
