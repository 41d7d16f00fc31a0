"""CloudWatch alarms on metrics, and dashboards."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Calls, Setting, Tagging
from local_cloud.provider.schema import (
    Block,
    Document,
    Flag,
    Integer,
    ListOf,
    Name,
    Number,
    Pairs,
    Properties,
    Refusal,
    Text,
)
from local_cloud.provider.wire import has_unknown

__all__ = ["Dashboard", "MetricAlarm"]

# Everything on alarms below: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
_SHORT_PERIODS = (10, 20, 30)
_MINUTE = 60
_HOUR = 3600
_DAY = 86400
_WEEK = 7 * _DAY

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
_DASHBOARD_NAME = rules.matches(r"[A-Za-z0-9_-]+", 1, 255, "letters, digits, _ and - are allowed")


def _period(value: int) -> str | None:
    if value in _SHORT_PERIODS or (value > 0 and value % _MINUTE == 0):
        return None
    return f"{value} s is no period of AWS's: 10, 20, 30 and multiples of 60 are"


_PERIOD = Integer(rules=(_period,))
_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_COMPARISONS = (
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
)
_NAMESPACE = Text(rules=(rules.matches(r"[^:].*", 1, 255, "no colon at the beginning"),))
_METRIC_NAME = Text(rules=(rules.matches(r"(?s).+", 1, 255, "a metric has a name"),))
_DIMENSIONS = Pairs(Text(), "Name", "Value")
_ACTIONS = ListOf(Text(), most=5)
_QUERY_ID = rules.matches(r"[a-z][A-Za-z0-9_]*", 1, 255, "a lower-case letter first")


class _MetricStat(Block):
    """A metric and how it is read, of which the API has the one in the other."""

    def written(self, value: Mapping[str, Any]) -> Properties:
        flat = super().written(value)
        return {"Metric": {name: flat.pop(name) for name in _METRIC if name in flat}, **flat}

    def told(self, value: Mapping[str, Any], given: Mapping[str, Any] | None) -> Properties:
        return super().told({**value, **value["Metric"]}, given)


_METRIC = ("MetricName", "Namespace", "Dimensions")

_QUERY = Block(
    {
        "id": Text(required=True, rules=(_QUERY_ID,)),
        "expression": Text(rules=(rules.at_most(2048),)),
        "label": Text(),
        "returnData": Flag(default=False),
        "period": _PERIOD,
        "metric": _MetricStat(
            {
                "metricName": replace(_METRIC_NAME, required=True),
                "namespace": _NAMESPACE,
                "period": replace(_PERIOD, required=True),
                "stat": Text(required=True),
                "unit": Text(),
                "dimensions": _DIMENSIONS,
            },
            api="MetricStat",
        ),
    }
)


class MetricAlarm(Setting, module="cloudwatch"):
    """An alarm on a metric, or on an expression over metrics."""

    properties: ClassVar = {
        "name": Name(r"[^\x00-\x1f\x7f]+", 1, 255, "control characters are not allowed", api="AlarmName"),
        "alarmDescription": Text(rules=(rules.at_most(1024),)),
        "comparisonOperator": Text(_COMPARISONS, required=True),
        "evaluationPeriods": Integer(minimum=1, required=True),
        "datapointsToAlarm": Integer(minimum=1),
        "threshold": Number(required=True),
        "metricName": _METRIC_NAME,
        "namespace": _NAMESPACE,
        "dimensions": _DIMENSIONS,
        "period": _PERIOD,
        "statistic": Text(_STATISTICS),
        "extendedStatistic": Text(),
        "unit": Text(),
        "metricQueries": ListOf(_QUERY, most=20, api="Metrics"),
        "treatMissingData": Text(("missing", "ignore", "breaching", "notBreaching"), default="missing"),
        "evaluateLowSampleCountPercentiles": Text(("evaluate", "ignore"), api="EvaluateLowSampleCountPercentile"),
        "actionsEnabled": Flag(default=True),
        "alarmActions": _ACTIONS,
        "okActions": replace(_ACTIONS, api="OKActions"),
        "insufficientDataActions": _ACTIONS,
        "tags": TAGS,
    }
    outputs: ClassVar = {"arn": "AlarmArn"}
    of = "name"
    calls = Calls(create="put_metric_alarm")
    tagging = Tagging(owner="ResourceARN", by_arn=True)

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse an alarm on nothing or on two things, and one that looks back too far."""
        single = ("metricName", "namespace", "period")
        if "metricQueries" in inputs:
            for name in (*single, "statistic", "extendedStatistic", "dimensions", "unit"):
                if name in inputs:
                    yield Refusal(name, "an alarm has either metricQueries or one metric")
            yield from self._check_queries(inputs["metricQueries"])
            return
        for name in single:
            if name not in inputs:
                yield Refusal(name, "an alarm on one metric needs it")
        if ("statistic" in inputs) == ("extendedStatistic" in inputs):
            yield Refusal("statistic", "an alarm on one metric needs statistic or extendedStatistic, and one of them")
        yield from self._check_lookback(inputs)

    def _check_lookback(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        periods, period = inputs["evaluationPeriods"], inputs.get("period")
        if isinstance(periods, int) and isinstance(period, int):
            longest = _WEEK if period >= _HOUR else _DAY
            if periods * period > longest:
                yield Refusal(
                    "evaluationPeriods", f"{periods} periods of {period} s: AWS looks back {longest} s at most"
                )
        points = inputs.get("datapointsToAlarm")
        if isinstance(points, int) and isinstance(periods, int) and points > periods:
            yield Refusal("datapointsToAlarm", f"{points} of {periods} datapoints can never be breaching")

    def _check_queries(self, queries: Any) -> Iterator[Refusal]:
        if has_unknown(queries):
            return
        if sum(bool(query["returnData"]) for query in queries) != 1:
            yield Refusal("metricQueries", "exactly one query has returnData: it is what the alarm watches")
        for query in queries:
            if ("expression" in query) == ("metric" in query):
                yield Refusal("metricQueries", f"the query {query['id']!r} needs an expression or a metric, not both")

    def live(self, identifier: str) -> Properties | None:
        alarms = self.api.describe_alarms(AlarmNames=[identifier], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        told = self.told(alarms[0])
        if "extendedStatistic" in told:
            told["statistic"] = None
        if self.known.get("metricQueries") and "metricQueries" not in told:
            # An emulator that forgets an alarm's expressions makes up a period and a statistic in their place.
            self.warn("the local cloud keeps no metric queries: this alarm is recorded, and never goes off here")
            told |= {"metricQueries": self.known["metricQueries"], "period": None, "statistic": None}
        return told

    def remove(self, identifier: str) -> None:
        self.api.delete_alarms(AlarmNames=[identifier])


class Dashboard(Setting, module="cloudwatch"):
    """A dashboard."""

    properties: ClassVar = {
        "dashboardName": Text(required=True, replaces=True, rules=(_DASHBOARD_NAME,)),
        "dashboardBody": Document(ordered=True, required=True),
    }
    outputs: ClassVar = {"dashboardArn": "DashboardArn"}
    of = "dashboardName"
    calls = Calls("DashboardName", create="put_dashboard", read="get_dashboard")

    def remove(self, identifier: str) -> None:
        self.api.delete_dashboards(DashboardNames=[identifier])
