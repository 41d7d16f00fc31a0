"""`backfill` as it is typed: an estimate, a question, and the keys enqueued and followed until they are replicated."""

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

from pipeline_ops.ages import duration
from pipeline_ops.confirmation import confirm, require_terminal
from pipeline_ops.counts import counted
from pipeline_ops.errors import FAILED, INTERRUPTED, MISUSED, OperatorError
from pipeline_ops.routes.backfill import TIME_ATTRIBUTE, Backfill
from pipeline_ops.routes.deployed_replication import DeployedReplication, deployed_replication
from pipeline_ops.routes.enqueuer import Enqueuer, Failures, failed_keys, follow
from pipeline_ops.routes.estimate import Counted, count, dollars
from pipeline_ops.routes.route import open_sides
from pipeline_ops.routes.selection import Selection, select
from pipeline_ops.routes.switch import require_enabled
from pipeline_ops.terminal import TextTable, ask, at_terminal, document, show, tell, waiting
from pipeline_ops.where import Where
from replication_core.comparing.sides import Sides

__all__ = ["backfill"]


def backfill(
    *,
    target: str,
    prefix: str | None,
    items: bool,
    datasets: tuple[str, ...],
    since: str | None,
    time_attribute: str | None,
    rate: float,
    restart: bool,
    resume: bool,
    dry_run: bool,
    yes: bool,
    where: Where,
    as_json: bool,
) -> None:
    """Replicate what is in production already: all of it, or what the options choose; exit with 1 where some failed."""
    if restart and resume:
        raise OperatorError("--restart begins anew and --resume goes on: choose one.", MISUSED)
    begin = _instant(since)
    if not (dry_run or yes):
        require_terminal(f"the replicas in {target}", interactive=at_terminal())
    deployed = deployed_replication(where)
    route = deployed.replication.route(target)
    backlog = deployed.backlog(route)
    sides = open_sides(deployed.replication, route)
    selection = select(sides.route, prefix=prefix, items=items, datasets=datasets)
    attribute = _time_attribute(selection, begin, time_attribute)
    if not dry_run:
        require_enabled(deployed.replication, route)
    folder = deployed.folder("backfill")
    work = Backfill.open(
        sides, selection, begin, folder, time_attribute=attribute, restart=restart, resume=resume or dry_run
    )
    if work.resumed:
        tell(_resumption(work), err=True)
    there = _count(sides, selection, begin)
    requests = there.requests(other_region=sides.route.source_region != sides.route.target_region)
    seconds = (there.objects + there.items) / rate
    if not as_json:
        _show(there, requests, seconds, selection)
    if not dry_run and not yes:
        confirm(target, f"{selection} are replicated to {target}.", ask=ask)
    enqueuer = Enqueuer(backlog=backlog, reason=work.reason, rate=rate)
    failed = Failures() if dry_run else _replicate(deployed, work, enqueuer)
    if as_json:
        estimate = {
            **asdict(there),
            "requests": {name: round(number, 1) for name, number in requests.items()},
            "dollars": round(dollars(requests), 4),
            "seconds": round(seconds, 1),
        }
        told = {"target": target, "selected": str(selection), "estimate": estimate, "resumed": work.resumed}
        document(told | {"enqueued": work.checkpoint.enqueued} | failed.exported())
    elif not dry_run:
        _tell(work, failed)
    if failed:
        sys.exit(FAILED)


def _tell(work: Backfill, failed: Failures) -> None:
    tell(f"Through: {counted(work.checkpoint.enqueued, 'key')}; given up of them: {len(failed.keys):,}.")
    tell(*failed.sentences())


def _replicate(deployed: DeployedReplication, work: Backfill, enqueuer: Enqueuer) -> Failures:
    """Enqueue what is left and follow it through; return the keys that the route gave up."""
    backlog = enqueuer.backlog
    target = backlog.route.target
    with waiting(f"Enqueueing keys for {target}") as say:
        try:
            with closing(work.enqueue(enqueuer)) as counts:
                for enqueued in counts:
                    say(f"Enqueued {counted(enqueued, 'key')} for {target}")
            follow(backlog, work.checkpoint.enqueued, say)
            failed = failed_keys(deployed.dead_letters, backlog.route, work.reason)
        except KeyboardInterrupt:
            raise OperatorError(
                f"Interrupted. {counted(work.checkpoint.enqueued, 'key')} enqueued, to be replicated all the same: "
                "the same command goes on from there.",
                INTERRUPTED,
            ) from None
    work.forget()
    return failed


def _count(sides: Sides, selection: Selection, since: datetime | None) -> Counted:
    found = Counted()
    with waiting(f"Counting {selection}") as say:
        for found in count(sides, selection, since):
            say(f"Counted {counted(found.objects, 'object')} and {counted(found.items, 'item')}")
    return found


def _show(there: Counted, requests: Mapping[str, float], seconds: float, selection: Selection) -> None:
    table = TextTable("", "number", title=f"Backfill of {selection}", numbers=("number",))
    table.add("objects", f"{there.objects:,}")
    table.add("bytes of objects", f"{there.object_bytes:,}")
    table.add("items, as the table counts them", f"{there.items:,}")
    table.add("bytes of items", f"{there.item_bytes:,}")
    for name, number in requests.items():
        if number:
            table.add(name, f"{number:,.0f}")
    table.add("US dollars for these, about", f"{dollars(requests):,.2f}")
    table.add("time to enqueue, at least", duration(seconds))
    show(table)


def _resumption(work: Backfill) -> str:
    begun, enqueued = work.checkpoint.begun, work.checkpoint.enqueued
    return (
        f"An earlier run of {begun:%Y-%m-%d %H:%M:%S} UTC has enqueued {counted(enqueued, 'key')}: "
        "this one goes on there. --restart begins anew."
    )


def _time_attribute(selection: Selection, since: datetime | None, named: str | None) -> str:
    """Return where items have their time; raises OperatorError, as misuse, where that is asked for and not known."""
    for part in selection.parts if since and named is None else ():
        dataset = part.routed.dataset
        if not dataset.is_bucket and TIME_ATTRIBUTE not in dataset.attribute_names:
            raise OperatorError(
                f"{dataset.name} has no time in its key: say which attribute has it, --time-attribute NAME.", MISUSED
            )
    return named or TIME_ATTRIBUTE


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise OperatorError(f"--since {text} is no time: write 2026-01-31 or 2026-01-31T12:00:00Z.", MISUSED) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
