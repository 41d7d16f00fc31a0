"""When a route has worked off what it had: by its queue's counts, or by the age of what keeps it busy."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_ops.routes.backlog import Backlog, Depth
from tests.unit.pipeline_ops.routes.conftest import World

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


@dataclass
class Time:
    """A clock that only pauses move, each of which may change the world."""

    now: datetime = NOW
    script: list[Any] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if self.script:
            self.script.pop(0)()

    def clock(self) -> datetime:
        return self.now


def backlog(world: World, time: Time, *, quiet: float = 3) -> Backlog:
    route = world.replication.route("dev")
    return Backlog(replication=world.replication, route=route, quiet_seconds=quiet, pause=time.pause, clock=time.clock)


QUEUE_AGE = ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "dev-queue_name")
NOTIFIER_AGE = ("AWS/Lambda", "IteratorAge", "FunctionName", "notifier_function_name")


def tell(
    world: World, time: Time, namespace: str, name: str, dimension: str, of: str, value: float, *, minutes: int = 1
) -> None:
    """Have CloudWatch tell a figure of the minute before, or of an earlier one."""
    metric = {"MetricName": name, "Dimensions": [{"Name": dimension, "Value": of}], "Value": value}
    when = {"Timestamp": time.now.replace(second=0) - timedelta(minutes=minutes)}
    world.cloudwatch.put_metric_data(Namespace=namespace, MetricData=[metric | when])


def send(world: World) -> None:
    world.sqs.send_message(QueueUrl=world.url("dev"), MessageBody="waits")


def test_an_empty_queue_has_to_stay_empty_for_a_while(world: World) -> None:
    time = Time(script=[lambda: None, lambda: send(world), lambda: world.bodies(world.url("dev"))])
    seen: list[Depth] = []
    assert backlog(world, time).worked_off(NOW, on_depth=seen.append)
    assert [depth.total for depth in seen] == [0, 0, 1, 0, 0, 0, 0]


def test_what_is_never_worked_off_ends_when_the_time_is_up(world: World) -> None:
    send(world)
    time = Time()
    assert not backlog(world, time).worked_off(NOW, within=20)
    assert time.now - NOW == timedelta(seconds=20)


def test_a_busy_queue_is_worked_off_once_its_oldest_message_came_later(world: World) -> None:
    send(world)
    time = Time()

    time.script = [lambda: None] * 59 + [lambda: tell(world, time, *QUEUE_AGE, 30.0)]
    since = NOW - timedelta(minutes=20)
    assert not backlog(world, Time()).worked_off(since, within=120), "it says nothing of its age"
    assert backlog(world, time).worked_off(since, within=600)
    assert time.now - NOW < timedelta(minutes=3)
    assert not backlog(world, Time(now=time.now)).worked_off(NOW - timedelta(minutes=10), within=60), "it may be hidden"
    assert not backlog(world, Time(now=time.now)).worked_off(time.now, within=60), "what came since may be its oldest"


def test_an_empty_queue_is_not_enough_while_the_notifier_reads_what_is_older(world: World) -> None:
    time = Time()
    tell(world, time, *NOTIFIER_AGE, 300_000.0)
    assert not backlog(world, time).worked_off(NOW, within=30)
    assert backlog(world, Time()).worked_off(NOW - timedelta(minutes=10), within=30), "it reads what is newer"
    later = Time(now=NOW + timedelta(minutes=2))
    tell(world, later, *NOTIFIER_AGE, 900.0)
    assert backlog(world, later).worked_off(NOW, within=30)


def test_a_notifier_of_several_tables_may_be_behind_with_another_than_it_has_read_of_last(world: World) -> None:
    time = Time()
    tell(world, time, *NOTIFIER_AGE, 300_000.0, minutes=2)
    tell(world, time, *NOTIFIER_AGE, 0.0)
    assert backlog(world, Time()).worked_off(NOW, within=30)
    several = replace(world.replication, notifier_mappings={"items": "one", "orders": "another"})
    assert not replace(backlog(world, time), replication=several).worked_off(NOW, within=30)
