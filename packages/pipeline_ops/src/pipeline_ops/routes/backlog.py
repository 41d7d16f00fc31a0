"""What a route still has before it, and waiting until that is worked off."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_common.contracts import RouteOutputs
from pipeline_ops.routes.route import Replication, Route, explained

__all__ = ["Backlog", "Depth", "depth_of", "oldest_change"]

POLL_SECONDS = 1.0
AGE_MARGIN = timedelta(minutes=2)
"""A message that failed goes behind the others, and is then left out of the queue's age until its next turn.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

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


def depth_of(replication: Replication, outputs: RouteOutputs) -> Depth:
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


def oldest_change(replication: Replication, outputs: RouteOutputs, at: datetime) -> tuple[datetime, float] | None:
    """Return CloudWatch's newest figure of the oldest message's age in seconds, and when that was; None without one."""
    metric: Any = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": outputs.queue_name}],
    }
    (result,) = replication.client("cloudwatch", region=replication.region).get_metric_data(
        MetricDataQueries=[{"Id": "age", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}],
        StartTime=at - _AGE_WINDOW,
        EndTime=at,
        ScanBy="TimestampDescending",
    )["MetricDataResults"]
    found = zip(result["Timestamps"], result["Values"], strict=True)
    return next(((when.astimezone(UTC), float(age)) for when, age in found), None)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Tells when a route has handled what it had at an instant."""

    replication: Replication
    route: Route
    quiet_seconds: float
    """How long the queue has to be seen empty to be so.

    SQS's counts are those of a minute ago at worst:
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
        says that its oldest message came later. `within` is in seconds; None waits for as long as it takes.
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
            if empty_since is not None and (now - empty_since).total_seconds() >= self.quiet_seconds:
                return True
            if depth.total and (now - age_asked).total_seconds() >= _AGE_POLL_SECONDS:
                age_asked = now
                if self._has_only_newer(since, now):
                    return True
            if within is not None and (now - begin).total_seconds() >= within:
                return False
            self.pause(POLL_SECONDS)
            now = self.clock()

    def _has_only_newer(self, since: datetime, now: datetime) -> bool:
        with explained(f"The age of the queue to {self.route.target} can't be read"):
            found = oldest_change(self.replication, self.route.outputs, now)
        return found is not None and found[0] - timedelta(seconds=found[1]) > since + AGE_MARGIN
