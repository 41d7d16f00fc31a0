"""CloudWatch dashboards: alarms on top, graphs in two columns below. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Graph", "page"]

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

    def properties(self, region: str) -> dict[str, Any]:
        """Return it as a widget's properties."""
        drawn: dict[str, Any] = {
            "title": self.title,
            "view": "timeSeries",
            "region": region,
            "period": _PERIOD_SECONDS,
            "metrics": [list(metric) for metric in self.metrics],
        }
        if self.line is not None:
            label, value = self.line
            drawn["annotations"] = {"horizontal": [{"label": label, "value": value}]}
        return drawn


def page(alarm_arns: Sequence[str], graphs: Sequence[Graph], *, region: str) -> dict[str, Any]:
    """Return a dashboard's body."""
    alarms = {
        "type": "alarm",
        "width": _WIDTH * _COLUMNS,
        "height": _ALARMS_HEIGHT,
        "x": 0,
        "y": 0,
        "properties": {"title": "Alarms", "alarms": list(alarm_arns)},
    }
    return {"widgets": [alarms, *(_placed(number, graph, region) for number, graph in enumerate(graphs))]}


def _placed(number: int, graph: Graph, region: str) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "type": "metric",
        "width": _WIDTH,
        "height": _HEIGHT,
        "x": column * _WIDTH,
        "y": _ALARMS_HEIGHT + row * _HEIGHT,
        "properties": graph.properties(region),
    }
