"""`status`: what each route does just now, and whether somebody has to look at it."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_common.contracts import RouteOutputs
from pipeline_common.holds import Hold
from pipeline_common.release import version_described
from pipeline_ops.ages import duration
from pipeline_ops.counts import counted
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.history import History
from pipeline_ops.masking.safety import Protection, Safety, safety_of
from pipeline_ops.routes.backlog import depth_of, newest_first, oldest_change
from pipeline_ops.routes.brake import held_by_brake
from pipeline_ops.routes.capture import capture_problems, route_problems
from pipeline_ops.routes.dead_letters import DeadLetterQueue, dead_letters
from pipeline_ops.routes.deployed_replication import DeployedReplication, deployed_replication
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from pipeline_ops.routes.switch import ENABLED, state_of
from pipeline_ops.terminal import Laid, Shown, TextTable, document, show, stacked, watched
from pipeline_ops.where import Where
from replicator_lambda.settings import CHANGES_METRIC, METRICS_NAMESPACE, TARGET_DIMENSION

__all__ = ["RouteStatus", "Status", "alarm_states", "read_status", "status", "status_view"]

LETTERS_LOOKED_AT = 500
"""Dead letters whose reasons are counted: a look at the state of things must not take minutes."""

LOOK_SECONDS = 30
"""How long they are out of sight where this dies meanwhile."""

_NEAR_RETENTION = timedelta(days=RouteOutputs.QUEUE_RETENTION_DAYS - 4)
_WATCH_SECONDS = 5.0
_SUCCESS_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class RouteStatus:
    """One route."""

    target: str
    state: str
    lag_seconds: float | None
    """Age of the oldest change that waits; 0 where none does, None where CloudWatch has no figure yet."""

    waiting: int
    in_flight: int
    dead_letters: Mapping[str, int]
    """How many, by reason."""

    last_success: datetime | None
    """The last minute in which a change was replicated, None where none was for a day."""

    version: str
    """The function's, that is live."""

    release: str
    """The release that this is of, such as `v1.4.0`; empty where a former release deployed it, which did not say."""

    held: Hold | None
    """Why the newest version is not live; None where it is. It is meant so, and nothing to look at."""

    alarms: Mapping[str, str]
    """Each alarm's state by its name."""

    redrive_command: str
    """What sends its dead letters back."""

    safety: Safety | None = None
    """What its target's data is; None where nobody asked."""

    braked: str = ""
    """What its brake keeps it from deleting; empty where it holds nothing."""

    resume_command: str = ""
    """What starts it again."""

    mismatches: Sequence[str] = ()
    """What keeps changes from its queue, and where its function is of other stores, a sentence each."""

    @property
    def problems(self) -> list[str]:
        """What somebody has to look at, a sentence each."""
        found = [*self.mismatches]
        if self.safety and self.safety.protection is Protection.UNSAFE:
            found.append(str(self.safety))
        days = RouteOutputs.QUEUE_RETENTION_DAYS
        if self.braked:
            found.append(
                f"it would delete {self.braked}, and its brake holds: `{self.resume_command}` once production has them "
                f"again, `{self.resume_command} --deletes` if they are to go"
            )
        if self.state != ENABLED:
            found.append(f"{self.state}: changes wait in the queue, for {days} days at most")
        if self.lag_seconds is not None and self.lag_seconds >= _NEAR_RETENTION.total_seconds():
            found.append(f"the oldest change is {self.lag_seconds / 86400:.1f} of {days} days old: soon lost")
        firing = sorted(name for name, state in self.alarms.items() if state == "ALARM")
        if firing:
            found.append(f"in alarm: {', '.join(firing)}")
        if self.dead_letters:
            found.append(f"{counted(sum(self.dead_letters.values()), 'dead letter')}: `{self.redrive_command}`")
        return found

    def exported(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        own = {"mismatches", "redrive_command", "resume_command", "safety"}
        told = {name: value for name, value in vars(self).items() if name not in own}
        last_success = self.last_success and self.last_success.isoformat()
        held = self.held and self.held.document()
        mended = {"last_success": last_success, "held": held, "masking": self.safety and self.safety.document()}
        return {**told, **mended, "healthy": not self.problems, "problems": self.problems}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Every route that was asked for, and what is in the dead-letter queue besides."""

    routes: Sequence[RouteStatus]
    other_dead_letters: Mapping[str, int]
    """Of no route: the source's own processing's, parts of the stream, and what nobody knows; by reason."""

    letters_complete: bool
    """Whether every dead letter was looked at."""

    letters_out_of_sight: int
    """How many somebody else was looking at, or just was, and which are not among the others."""

    problems: Sequence[str]
    """What keeps changes from being noticed, and which route can't be looked at, a sentence each."""

    at: datetime

    @property
    def healthy(self) -> bool:
        """Whether nobody has to look."""
        letters = self.other_dead_letters or self.letters_out_of_sight
        return not letters and not self.problems and not any(route.problems for route in self.routes)

    def exported(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "healthy": self.healthy,
            "at": self.at.isoformat(timespec="seconds"),
            "problems": list(self.problems),
            "routes": [route.exported() for route in self.routes],
            "other_dead_letters": dict(self.other_dead_letters),
            "dead_letters_complete": self.letters_complete,
            "dead_letters_out_of_sight": self.letters_out_of_sight,
        }


def read_status(
    replication: SourceRoutes,
    target: str | None,
    queue: DeadLetterQueue,
    *,
    history: History | None = None,
    now: datetime | None = None,
) -> Status:
    """Look at one target's route, or at all, and at what brings changes to them; by the history, whether it is safe.

    What AWS does not let be looked at is a problem of its own, but for the dead letters: raises OperatorError.
    """
    at = now or datetime.now(UTC)
    routes = replication.chosen(target)
    out_of_sight = _out_of_sight(queue)
    with dead_letters(queue, most=LETTERS_LOOKED_AT, hold_seconds=LOOK_SECONDS) as held:
        reasons = {route.target: Counter[str]() for route in replication.routes.values()}
        other: Counter[str] = Counter()
        for letter in held.letters:
            reasons.get(letter.target or "", other)[letter.reason] += 1
        complete = held.complete
    uncaptured = capture_problems(replication)
    looked_at: list[RouteStatus] = []
    unread: list[str] = []
    for route in routes:
        try:
            seen = _route(replication, route, reasons[route.target], at)
            if history is not None:
                seen = replace(seen, safety=safety_of(route, history, replication.where))
            looked_at.append(seen)
        except OperatorError as error:
            unread.append(str(error))
    changed = uncaptured or any(route.mismatches for route in looked_at)
    return Status(
        routes=looked_at,
        other_dead_letters=other,
        letters_complete=complete,
        letters_out_of_sight=out_of_sight,
        problems=[*unread, *uncaptured, *([replication.mend_sentence] if changed else [])],
        at=at,
    )


def _out_of_sight(queue: DeadLetterQueue) -> int:
    name = "ApproximateNumberOfMessagesNotVisible"
    sqs = queue.client("sqs", region=queue.region)
    with explained("The dead-letter queue can't be looked at"):
        found = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=[name])["Attributes"]
    return int(found[name])


def _route(replication: SourceRoutes, route: Route, reasons: Mapping[str, int], at: datetime) -> RouteStatus:
    outputs = route.outputs
    with explained(f"The route to {route.target} can't be looked at"):
        depth = depth_of(replication, outputs)
        oldest = oldest_change(replication, outputs, at)
        last_success = _last_success(replication, route, at)
        # Not GetFunctionConfiguration: LocalStack finds no alias by it.
        live = replication.client("lambda", region=replication.region).get_function(FunctionName=outputs.alias_arn)
        alarms = alarm_states(replication, outputs)
    version = live["Configuration"]["Version"]
    return RouteStatus(
        target=route.target,
        state=state_of(replication, route),
        lag_seconds=(oldest and oldest[1]) if depth.total else 0.0,
        waiting=depth.waiting,
        in_flight=depth.in_flight,
        dead_letters=reasons,
        last_success=last_success,
        version=version,
        release=str(version_described(live["Configuration"].get("Description", "")) or ""),
        held=route.hold,
        alarms=alarms,
        braked=held_by_brake(replication, route),
        resume_command=replication.where.command("resume", route.target),
        mismatches=[*_unrecorded(replication, route, version), *route_problems(replication, route)],
        redrive_command=replication.where.command("redrive", "--route", route.target),
    )


def _unrecorded(replication: SourceRoutes, route: Route, live: str) -> Iterator[str]:
    """Say where the live version is not the one that the state tells."""
    recorded = route.outputs.version
    if recorded and recorded != live:
        holds = replication.where.command("rollback", route.target, live)
        yield (
            f"version {live} is live, and the state tells {recorded}, which the next deploy goes by: `{holds}` has it "
            "stay"
        )


def _last_success(replication: SourceRoutes, route: Route, at: datetime) -> datetime | None:
    target = {TARGET_DIMENSION: str(replication.source.instance.beside(route.target))}
    changes = newest_first(
        replication, METRICS_NAMESPACE, CHANGES_METRIC, target, statistic="Sum", until=at, window=_SUCCESS_WINDOW
    )
    return next((when for when, count in changes if count > 0), None)


def alarm_states(replication: SourceRoutes, outputs: RouteOutputs) -> dict[str, str]:
    """Return the state of each of a route's own alarms, by its name."""
    cloudwatch = replication.client("cloudwatch", region=replication.region)
    found = cloudwatch.describe_alarms(AlarmNames=outputs.alarm_names.split(","))["MetricAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}


def status(target: str | None, where: Where, as_json: bool, watch: bool) -> None:
    """Say what each route does just now; exit with 1 when somebody has to look at one."""
    if watch and as_json:
        raise OperatorError("--watch is for a person and --json for a program: choose one.", MISUSED)
    deployed = deployed_replication(where)
    found = _read(deployed, target)
    if watch:
        with watched(status_view(found)) as renew:
            try:
                while True:
                    time.sleep(_WATCH_SECONDS)
                    found = _read(deployed, target)
                    renew(status_view(found))
            except KeyboardInterrupt:
                pass
    if as_json:
        document(found.exported())
    elif not watch:
        show(status_view(found))
    if not found.healthy:
        sys.exit(FAILED)


def _read(deployed: DeployedReplication, target: str | None) -> Status:
    return read_status(deployed.replication, target, deployed.dead_letters, history=deployed.history)


def status_view(status: Status) -> Laid:
    """Return the routes as a table, and below it what somebody has to look at."""
    # Without frames, since all of it has to fit into a terminal of 80 columns.
    title = f"Replication at {status.at:%Y-%m-%d %H:%M:%S} UTC"
    headings = ("target", "state", "lag", "waiting", "working", "dead letters", "last success", "live", "alarms")
    table = TextTable(
        *headings, title=title, numbers=("lag", "waiting", "working"), whole=("target", "state"), framed=False
    )
    for route in status.routes:
        table.add(*_cells(route, status.at))
    lines = [*status.problems]
    lines += [f"{route.target}: {problem}" for route in status.routes for problem in route.problems]
    if status.other_dead_letters:
        lines.append(f"dead letters of no route: {_by_reason(status.other_dead_letters)}")
    if status.letters_out_of_sight:
        lines.append(
            f"dead letters out of sight, since somebody looks at them, or just did: {status.letters_out_of_sight}"
        )
    if not status.letters_complete:
        lines.append("the dead-letter queue holds more than were counted")
    held = [f"{route.target}: {_held(route.held)}" for route in status.routes if route.held]
    told = [
        f"{route.target}: {route.safety}" for route in status.routes if route.safety and route.safety.is_to_be_known
    ]
    return stacked(table, *map(Shown, [*(lines or ["All is well."]), *held, *told]))


def _held(hold: Hold) -> str:
    return (
        f"held at {hold}, put back from {hold.from_release} by {hold.by} at "
        f"{hold.at}: a newer release ends that, or a deploy with --end-holds"
    )


def _cells(route: RouteStatus, at: datetime) -> list[str]:
    firing = sum(state == "ALARM" for state in route.alarms.values())
    return [
        route.target,
        route.state,
        "unknown" if route.lag_seconds is None else duration(route.lag_seconds),
        f"{route.waiting:,}",
        f"{route.in_flight:,}",
        _by_reason(route.dead_letters) or "none",
        f"{duration((at - route.last_success).total_seconds())} ago" if route.last_success else "unknown",
        f"{route.release} ({route.version})" if route.release else route.version,
        f"{firing} of {len(route.alarms)}" if firing else "none",
    ]


def _by_reason(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
