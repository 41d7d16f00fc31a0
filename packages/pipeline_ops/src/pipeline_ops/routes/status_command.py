"""`status` as it is typed: one look, or one after another, at each route."""

import sys
import time
from collections.abc import Mapping
from datetime import datetime

from pipeline_ops.ages import duration
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.status import RouteStatus, Status, read_status
from pipeline_ops.terminal import Laid, Shown, TextTable, document, show, stacked, watched
from pipeline_ops.where import Where

__all__ = ["status", "status_view"]

_WATCH_SECONDS = 5.0


def status(target: str | None, where: Where, as_json: bool, watch: bool) -> None:
    """Say what each route does just now; exit with 1 when somebody has to look at one."""
    if watch and as_json:
        raise OperatorError("--watch is for a person and --json for a program: choose one.", MISUSED)
    deployed = deployed_replication(where)
    found = read_status(deployed.replication, target, deployed.dead_letters)
    if watch:
        with watched(status_view(found)) as renew:
            try:
                while True:
                    time.sleep(_WATCH_SECONDS)
                    found = read_status(deployed.replication, target, deployed.dead_letters)
                    renew(status_view(found))
            except KeyboardInterrupt:
                pass
    if as_json:
        document(found.exported())
    elif not watch:
        show(status_view(found))
    if not found.healthy:
        sys.exit(FAILED)


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


def _by_reason(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
