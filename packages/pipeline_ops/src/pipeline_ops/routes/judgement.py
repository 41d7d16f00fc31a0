"""The judgement of a route at a release: what was seen of it, and whether that is well. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline_ops.routes.exercise import Exercised

__all__ = ["Judgement", "Sight", "faults"]


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A route as it is seen at an instant, beside what its function is exercised with."""

    errors: float = 0
    """Invocations of the version that failed as a whole, since it is live."""

    throttles: float = 0
    """Invocations that Lambda refused since then, for want of concurrency: the account's, and not the version's."""

    dead_letters: Mapping[str, str] = field(default_factory=dict)
    """Their reasons by their ids: those of the route that no other release has sent."""

    lag_seconds: float | None = None
    """As `RouteStatus` has it."""

    firing: frozenset[str] = frozenset()
    """The route's alarms that are in alarm."""


def faults(before: Sight, now: Sight, exercised: Exercised, *, lag_seconds: float) -> list[str]:
    """Return what speaks against a release, in words; nothing where all is well.

    What was there before it is not held against it: dead letters, alarms that were firing, and changes that had been
    waiting for longer than `lag_seconds`.
    """
    found = [*exercised.faults]
    if now.errors > 0:
        found.append(f"{now.errors:,.0f} invocations failed as a whole")
    reasons = Counter(reason for id_, reason in now.dead_letters.items() if id_ not in before.dead_letters)
    found += [f"dead letters: {count} {reason}" for reason, count in sorted(reasons.items())]
    if firing := sorted(now.firing - before.firing):
        found.append(f"in alarm: {', '.join(firing)}")
    if (before.lag_seconds or 0) <= lag_seconds < (now.lag_seconds or 0):
        found.append(f"the oldest change has been waiting for {now.lag_seconds:,.0f} s, more than {lag_seconds:,.0f}")
    return found


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What came of watching a route at a release."""

    target: str
    release: str
    version: str
    former: str | None
    begun: datetime
    ended: datetime
    exercised: Exercised
    seen: Sight
    faults: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether nothing speaks against the release."""
        return not self.faults

    def exported(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "target": self.target,
            "release": self.release,
            "version": self.version,
            "former": self.former,
            "well": self.well,
            "faults": list(self.faults),
            "begun": self.begun.isoformat(timespec="seconds"),
            "ended": self.ended.isoformat(timespec="seconds"),
            "exercised": len(self.exercised.keys),
            "slowest_seconds": round(self.exercised.slowest_seconds, 3),
            "errors": self.seen.errors,
            "throttles": self.seen.throttles,
            "lag_seconds": self.seen.lag_seconds,
            "dead_letters": len(self.seen.dead_letters),
            "alarms": sorted(self.seen.firing),
        }
