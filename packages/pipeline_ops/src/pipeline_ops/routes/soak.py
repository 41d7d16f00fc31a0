"""The soak of a route at a release: it is watched and exercised for some time, up to the first fault."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pipeline_ops.counts import counted
from pipeline_ops.routes.backlog import depth_of, newest_first, oldest_change
from pipeline_ops.routes.dead_letters import DeadLetterQueue, dead_letters
from pipeline_ops.routes.exercise import Exercise, Exercised
from pipeline_ops.routes.judgement import Judgement, Sight, faults
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from pipeline_ops.routes.status import LETTERS_LOOKED_AT, LOOK_SECONDS, alarm_states

__all__ = ["Soak", "seen_of"]

_LOOK_EVERY_SECONDS = 15.0
_MINUTE = timedelta(minutes=1)


def _now() -> datetime:
    return datetime.now(UTC)


def seen_of(replication: SourceRoutes, route: Route, queue: DeadLetterQueue, at: datetime, release: str = "") -> Sight:
    """Look at a route and at its dead letters; with a release, but for those that another one has sent."""
    with dead_letters(queue, most=LETTERS_LOOKED_AT, hold_seconds=LOOK_SECONDS) as held:
        own = (letter for letter in held.letters if letter.target == route.target)
        letters = {each.id: each.reason for each in own if not (release and each.release) or each.release == release}
    with explained(f"The route to {route.target} can't be looked at"):
        oldest = oldest_change(replication, route.outputs, at)
        lag = (oldest and oldest[1]) if depth_of(replication, route.outputs).total else 0.0
        states = alarm_states(replication, route.outputs)
    firing = frozenset(name for name, state in states.items() if state == "ALARM")
    return Sight(dead_letters=letters, lag_seconds=lag, firing=firing)


@dataclass(frozen=True, kw_only=True)
class Soak:
    """Watches a route whose function has just got another version."""

    replication: SourceRoutes
    route: Route
    queue: DeadLetterQueue
    release: str
    version: str
    former: str | None
    """The version before it; None where there was none."""

    before: Sight
    """The route as it was then."""

    is_weighted: bool = False
    """Whether the former version still has a part of the invocations."""

    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], datetime] = _now

    def run(self, seconds: float, say: Callable[[str], None]) -> Judgement:
        """Watch and exercise it for so long, or up to the first fault, and judge. Raises OperatorError."""
        begun = self.clock()
        end = begun + timedelta(seconds=seconds)
        exercised = Exercised()
        exercise = Exercise(
            replication=self.replication,
            route=self.route,
            version=self.version,
            former=self.former,
            answer_seconds=self.route.spec.soak_answer_seconds,
        )
        while True:
            left = max(0.0, (end - self.clock()).total_seconds())
            say(f"Watching {self.route.target} at {self.release} for {left:.0f} s more; {_done(exercised)}")
            exercise.run(exercised)
            now = self._seen(begun)
            found = faults(self.before, now, exercised, lag_seconds=self.route.spec.settle_seconds)
            if found or not left:
                break
            self.pause(min(_LOOK_EVERY_SECONDS, left))
        return Judgement(
            target=self.route.target,
            release=self.release,
            version=self.version,
            former=self.former,
            begun=begun,
            ended=self.clock(),
            exercised=exercised,
            seen=now,
            faults=tuple(found),
        )

    def _seen(self, begun: datetime) -> Sight:
        at = self.clock()
        sight = seen_of(self.replication, self.route, self.queue, at, self.release)
        with explained(f"The invocations for {self.route.target} can't be counted"):
            errors, throttles = (self._count(name, begun, at) for name in ("Errors", "Throttles"))
        return replace(sight, errors=errors, throttles=throttles)

    def _count(self, name: str, begun: datetime, until: datetime) -> float:
        """Return the figure of the version's invocations by the alias, as far as CloudWatch has it.

        It is told by the version that was invoked; and by the alias alone, which is this version's as well unless two
        versions share it, and from the first whole minute on.
        https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
        """
        function, alias = self.route.outputs.function_name, self.route.outputs.alias_arn.rpartition(":")[2]
        of_alias = {"FunctionName": function, "Resource": f"{function}:{alias}"}
        asked = [({**of_alias, "ExecutedVersion": self.version}, begun - _MINUTE)]
        if not self.is_weighted:
            asked.append((of_alias, begun))
        return max(
            sum(
                count
                for when, count in newest_first(
                    self.replication,
                    "AWS/Lambda",
                    name,
                    dimensions,
                    statistic="Sum",
                    until=until,
                    window=until - since + _MINUTE,
                )
                if when >= since
            )
            for dimensions, since in asked
        )


def _done(exercised: Exercised) -> str:
    return f"exercised with {counted(len(exercised.keys), 'key')}"
