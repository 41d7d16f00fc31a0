"""A route's backlog as SQS and CloudWatch tell it, and the wait until it is worked off."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_common.contracts import RouteOutputs
from pipeline_ops.routes.route import Route, SourceRoutes, explained

__all__ = ["Backlog", "Depth", "depth_of", "newest_first", "oldest_change"]

POLL_SECONDS = 1.0
AGE_MARGIN = timedelta(minutes=15)
"""A message that was received three times is left out of the queue's age, until it is done or a dead letter.

Its retries take half a minute, and a crash of the function costs it the queue's visibility timeout, 12 minutes as
configured. One that makes the function crash again and again is out of sight for longer, and not waited for.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

NOTIFIER_BEHIND_SECONDS = 60.0
"""What the notifier may be behind the table without being waited for: an empty queue is waited for as long."""

_NOTIFIER_ROUND = timedelta(minutes=2)
"""In it each table that the notifier has to read of has a figure: it works on a batch for a minute at most."""

_AGE_WINDOW = timedelta(minutes=10)
_AGE_POLL_SECONDS = 30.0


@dataclass(frozen=True)
class Depth:
    """A queue's messages, as SQS counts them approximately."""

    waiting: int
    in_flight: int

    @property
    def total(self) -> int:
        """All that is not done."""
        return self.waiting + self.in_flight


def depth_of(replication: SourceRoutes, outputs: RouteOutputs) -> Depth:
    """Count a route's messages."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    ]
    sqs = replication.client("sqs", region=replication.region)
    found = sqs.get_queue_attributes(QueueUrl=outputs.queue_url, AttributeNames=names)["Attributes"]
    visible, delayed, in_flight = (int(found[name]) for name in names)
    return Depth(visible + delayed, in_flight)


def oldest_change(replication: SourceRoutes, outputs: RouteOutputs, at: datetime) -> tuple[datetime, float] | None:
    """Return CloudWatch's newest figure of the oldest message's age in seconds, and when that was; None without one."""
    queue = {"QueueName": outputs.queue_name}
    return next(_maxima(replication, "AWS/SQS", "ApproximateAgeOfOldestMessage", queue, at), None)


def _maxima(
    replication: SourceRoutes, namespace: str, name: str, dimensions: dict[str, str], at: datetime
) -> Iterator[tuple[datetime, float]]:
    return newest_first(replication, namespace, name, dimensions, statistic="Maximum", until=at, window=_AGE_WINDOW)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Tells when a route has handled what it had at an instant."""

    replication: SourceRoutes
    route: Route
    quiet_seconds: float
    """How long the queue has to be seen empty to be so.

    SQS's counts settle about a minute after the last message was sent:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """

    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], datetime] = _now

    def depth(self) -> Depth:
        """Count what is in the queue now."""
        with explained(f"The route to {self.route.target} can't be looked at"):
            return depth_of(self.replication, self.route.outputs)

    def worked_off(
        self,
        since: datetime,
        *,
        within: float | None = None,
        on_depth: Callable[[Depth], None] = lambda _: None,
    ) -> bool:
        """Wait until each change that was queued by that instant is replicated or given up; False when time is up.

        That is when the queue was seen empty for long enough, or, where new changes keep it busy, when CloudWatch
        says that its oldest message came later; and when the notifier is not behind with what is older, which is
        not in the queue yet. `within` is in seconds; None waits for as long as it takes.
        """
        begin = now = self.clock()
        empty_since: datetime | None = None
        age_asked = begin
        while True:
            depth = self.depth()
            on_depth(depth)
            if depth.total:
                empty_since = None
            elif empty_since is None:
                empty_since = now
            is_quiet = empty_since is not None and (now - empty_since).total_seconds() >= self.quiet_seconds
            if is_quiet and not self._notifier_is_behind(since, now):
                return True
            if depth.total and (now - age_asked).total_seconds() >= _AGE_POLL_SECONDS:
                age_asked = now
                if self._has_only_newer(since, now) and not self._notifier_is_behind(since, now):
                    return True
            if within is not None and (now - begin).total_seconds() >= within:
                return False
            # Quiet, and yet not done, is the notifier's to end, of which CloudWatch tells each minute.
            self.pause(_AGE_POLL_SECONDS if is_quiet else POLL_SECONDS)
            now = self.clock()

    def _has_only_newer(self, since: datetime, now: datetime) -> bool:
        with explained(f"The age of the queue to {self.route.target} can't be read"):
            found = oldest_change(self.replication, self.route.outputs, now)
        return found is not None and found[0] - timedelta(seconds=found[1]) > since + AGE_MARGIN

    def _notifier_is_behind(self, since: datetime, now: datetime) -> bool:
        name = self.replication.notifier_function_name
        if not name:
            return False
        with explained(f"How far {name} is behind can't be read"):
            figures = list(_maxima(self.replication, "AWS/Lambda", "IteratorAge", {"FunctionName": name}, now))
        # One figure is of all tables that were read of in that minute: with several, the newest need not be of the one
        # that the notifier is behind with. There is none where it has had nothing to read.
        counted = _NOTIFIER_ROUND if len(self.replication.notifier_mappings) > 1 else timedelta()
        return any(
            milliseconds / 1000 > NOTIFIER_BEHIND_SECONDS and when - timedelta(milliseconds=milliseconds) < since
            for when, milliseconds in figures
            if when >= figures[0][0] - counted
        )


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
