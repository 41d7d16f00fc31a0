"""CloudWatch alarms on metrics, and dashboards."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import (
    TAGS,
    Resource,
    ResourceUpdate,
    Setting,
    Tagging,
    camel,
    pascal,
    tag_list,
    tag_map,
)
from local_cloud.provider.schema import (
    Block,
    Document,
    Flag,
    Integer,
    ListOf,
    MapOf,
    Number,
    Properties,
    Property,
    Refusal,
    Text,
)
from local_cloud.provider.wire import has_unknown

__all__ = ["Dashboard", "MetricAlarm"]

# Everything on alarms below: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
_ALARM_NAME = rules.matches(r"[^\x00-\x1f\x7f]+", 1, 255, "control characters are not allowed")
_SHORT_PERIODS = (10, 20, 30)
_MINUTE = 60
_HOUR = 3600
_DAY = 86400
_WEEK = 7 * _DAY

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
_DASHBOARD_NAME = rules.matches(r"[A-Za-z0-9_-]+", 1, 255, "letters, digits, _ and - are allowed")

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetDashboard.html has the code; the exception has
# another name in the service's model, which is what a JSON protocol tells.
_NO_DASHBOARD = ("ResourceNotFound", "DashboardNotFoundError")


def _period(value: int) -> str | None:
    if value in _SHORT_PERIODS or (value > 0 and value % _MINUTE == 0):
        return None
    return f"{value} s is no period of AWS's: 10, 20, 30 and multiples of 60 are"


_PERIOD = Property(kind=Integer(), rules=(_period,))
_STATISTIC = Text(("SampleCount", "Average", "Sum", "Minimum", "Maximum"))
_COMPARISONS = (
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
)
_NAMESPACE = Property(kind=Text(), rules=(rules.matches(r"[^:].*", 1, 255, "no colon at the beginning"),))
_METRIC_NAME = Property(kind=Text(), rules=(rules.matches(r"(?s).+", 1, 255, "a metric has a name"),))
_DIMENSIONS = Property(kind=MapOf(Text()))
_ACTIONS = Property(kind=ListOf(Text(), most=5))

_QUERY = Block(
    {
        "id": Property(
            kind=Text(),
            required=True,
            rules=(rules.matches(r"[a-z][A-Za-z0-9_]*", 1, 255, "a lower-case letter first"),),
        ),
        "expression": Property(kind=Text(), rules=(rules.at_most(2048),)),
        "label": Property(kind=Text()),
        "returnData": Property(kind=Flag(), default=False),
        "period": _PERIOD,
        "metric": Property(
            kind=Block(
                {
                    "metricName": Property(kind=Text(), required=True, rules=_METRIC_NAME.rules),
                    "namespace": _NAMESPACE,
                    "period": Property(kind=Integer(), required=True, rules=(_period,)),
                    "stat": Property(kind=Text(), required=True),
                    "unit": Property(kind=Text()),
                    "dimensions": _DIMENSIONS,
                }
            )
        ),
    }
)


class MetricAlarm(Resource):
    """An alarm on a metric, or on an expression over metrics."""

    type_name = "aws:cloudwatch/metricAlarm:MetricAlarm"
    service = "cloudwatch"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=255), rules=(_ALARM_NAME,)),
        "alarmDescription": Property(kind=Text(), rules=(rules.at_most(1024),)),
        "comparisonOperator": Property(kind=Text(_COMPARISONS), required=True),
        "evaluationPeriods": Property(kind=Integer(minimum=1), required=True),
        "datapointsToAlarm": Property(kind=Integer(minimum=1)),
        "threshold": Property(kind=Number(), required=True),
        "metricName": _METRIC_NAME,
        "namespace": _NAMESPACE,
        "dimensions": _DIMENSIONS,
        "period": _PERIOD,
        "statistic": Property(kind=_STATISTIC),
        "extendedStatistic": Property(kind=Text()),
        "unit": Property(kind=Text()),
        "metricQueries": Property(kind=ListOf(_QUERY, most=20)),
        "treatMissingData": Property(kind=Text(("missing", "ignore", "breaching", "notBreaching")), default="missing"),
        "evaluateLowSampleCountPercentiles": Property(kind=Text(("evaluate", "ignore"))),
        "actionsEnabled": Property(kind=Flag(), default=True),
        "alarmActions": _ACTIONS,
        "okActions": _ACTIONS,
        "insufficientDataActions": _ACTIONS,
        "tags": TAGS,
    }
    outputs = ("arn",)
    gone = ("ResourceNotFound",)
    tagging = Tagging(owner="ResourceARN", by_arn=True)

    # What the API calls otherwise than by a capital letter.
    _NAMES: ClassVar = {
        "name": "AlarmName",
        "okActions": "OKActions",
        "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    }

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

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the alarm; the id is its name."""
        self._put(inputs, tag_list(inputs.get("tags")))
        return str(inputs["name"])

    def live(self, identifier: str) -> Properties | None:
        """Read the alarm and its tags."""
        alarms = self.api.describe_alarms(AlarmNames=[identifier], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        alarm = alarms[0]
        told = {name: alarm.get(self._api_name(name)) for name in self.properties}
        told["dimensions"] = _dimensions(alarm.get("Dimensions"))
        if told["extendedStatistic"]:
            told["statistic"] = None
        told |= self._told_queries(alarm)
        tags = self.api.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        return {**told, "tags": tag_map(tags), "arn": alarm["AlarmArn"]}

    def _told_queries(self, alarm: Mapping[str, Any]) -> Properties:
        if alarm.get("Metrics"):
            return {"metricQueries": [_query(each) for each in alarm["Metrics"]]}
        if not self.known.get("metricQueries"):
            return {"metricQueries": None}
        # An emulator that forgets an alarm's expressions makes up a period and a statistic in their place.
        self.warn("the local cloud keeps no metric queries: this alarm is recorded, and never goes off here")
        return {"metricQueries": self.known["metricQueries"], "period": None, "statistic": None}

    def update(self, identifier: str, change: ResourceUpdate) -> None:  # noqa: ARG002
        """Put the alarm, all of it, as the API wants it."""
        self._put(change.news, [])

    def remove(self, identifier: str) -> None:
        """Delete the alarm."""
        self.api.delete_alarms(AlarmNames=[identifier])

    def _put(self, inputs: Mapping[str, Any], tags: list[dict[str, str]]) -> None:
        apart = ("tags", "region", "dimensions", "metricQueries")
        wanted = {self._api_name(name): value for name, value in inputs.items() if name not in apart}
        if inputs.get("dimensions"):
            wanted["Dimensions"] = _dimension_list(inputs["dimensions"])
        if inputs.get("metricQueries"):
            wanted["Metrics"] = [_query_request(query) for query in inputs["metricQueries"]]
        if tags:
            wanted["Tags"] = tags
        self.api.put_metric_alarm(**wanted)

    def _api_name(self, name: str) -> str:
        return str(self._NAMES.get(name, name[0].upper() + name[1:]))


def _dimension_list(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _dimensions(told: list[dict[str, str]] | None) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in told or ()}


def _query_request(query: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = pascal({name: value for name, value in query.items() if name != "metric"})
    metric = query.get("metric")
    if metric:
        named = {"MetricName": metric["metricName"], "Dimensions": _dimension_list(metric.get("dimensions") or {})}
        if metric.get("namespace"):
            named["Namespace"] = metric["namespace"]
        rest = pascal({name: metric.get(name) for name in ("period", "stat", "unit")})
        wanted["MetricStat"] = {"Metric": named, **rest}
    return wanted


def _query(told: Mapping[str, Any]) -> Properties:
    query: Properties = camel({name: value for name, value in told.items() if name != "MetricStat"})
    if "MetricStat" in told:
        metric = told["MetricStat"]["Metric"]
        rest = {name: value for name, value in told["MetricStat"].items() if name != "Metric"}
        named = {**camel({**metric, **rest}), "dimensions": _dimensions(metric.get("Dimensions"))}
        query["metric"] = named
    return query


class Dashboard(Setting):
    """A dashboard."""

    type_name = "aws:cloudwatch/dashboard:Dashboard"
    service = "cloudwatch"
    properties: ClassVar = {
        "dashboardName": Property(kind=Text(), required=True, replaces=True, rules=(_DASHBOARD_NAME,)),
        "dashboardBody": Property(kind=Document(ordered=True), required=True),
    }
    outputs = ("dashboardArn",)
    of = "dashboardName"
    gone = _NO_DASHBOARD

    def live(self, identifier: str) -> Properties:
        """Read the dashboard."""
        answer = self.api.get_dashboard(DashboardName=identifier)
        told: Properties = camel({name: value for name, value in answer.items() if name != "ResponseMetadata"})
        return told

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the dashboard."""
        self.api.put_dashboard(DashboardName=identifier, DashboardBody=inputs["dashboardBody"])

    def remove(self, identifier: str) -> None:
        """Delete the dashboard."""
        self.api.delete_dashboards(DashboardNames=[identifier])
