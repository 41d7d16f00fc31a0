"""Tables of the routes' commands, for people."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline_ops.counts import counted
from pipeline_ops.routes.dead_letters import DeadLetter
from pipeline_ops.routes.status import RouteStatus, Status
from pipeline_ops.terminal import Laid, Shown, TextTable, stacked

__all__ = ["duration", "letters_table", "status_view"]


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"


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
    return stacked(table, *map(Shown, lines or ["All is well."]))


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


def letters_table(letters: Sequence[DeadLetter], now: datetime) -> TextTable:
    """Return the letters by target and reason, with their number, the oldest one's age and an example of a key."""
    groups: defaultdict[tuple[str, str], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        groups[letter.target or "unknown", letter.reason].append(letter)
    headings = ("target", "reason", "letters", "oldest", "says", "for example")
    table = TextTable(*headings, title=counted(len(letters), "dead letter"), numbers=("letters",))
    for (target, reason), own in sorted(groups.items(), key=lambda group: group[0]):
        oldest = min(own, key=lambda letter: letter.since)
        age = duration((now - oldest.since).total_seconds())
        table.add(target, reason, f"{len(own):,}", age, oldest.message, ", ".join(oldest.keys[:1]))
    return table


def _by_reason(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
