"""`verify` as it is typed: the findings, and with --repair their confirmed repair."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline_ops.confirmation import confirm, require_terminal
from pipeline_ops.counts import counted
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.routes import KEYS_PER_SECOND
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.deployed_replication import DeployedReplication, deployed_replication
from pipeline_ops.routes.drift_report import Tally, write_page
from pipeline_ops.routes.enqueuer import Enqueuer, Failures, failed_keys, follow
from pipeline_ops.routes.route import open_sides
from pipeline_ops.routes.selection import select
from pipeline_ops.routes.switch import require_enabled
from pipeline_ops.routes.verification import OF_PART, PAGE, Verification, delete_orphans, repair, still_drifting
from pipeline_ops.routes.verification import verify as verify_replicas
from pipeline_ops.terminal import TextTable, ask, at_terminal, document, show, tell, waiting
from pipeline_ops.where import Where
from replication_core.comparing.findings import Verdict
from replication_core.comparing.sides import Sides

__all__ = ["verify"]

_EXPECTED = (Verdict.IN_FLIGHT, Verdict.OUTSIDE, Verdict.REFUSED)


@dataclass(frozen=True)
class _Repaired:
    enqueued: int
    deleted: int
    """Replicas without a source, which no notice can name."""

    failures: Failures
    still_different: int

    @property
    def left(self) -> bool:
        return bool(self.still_different or self.failures)

    def exported(self) -> dict[str, Any]:
        return {
            "enqueued": self.enqueued,
            "deleted": self.deleted,
            "still_different": self.still_different,
            **self.failures.exported(),
        }


def verify(
    *,
    target: str,
    prefix: str | None,
    items: bool,
    datasets: tuple[str, ...],
    quick: bool,
    deep: bool,
    repairs: bool,
    keep_own: bool,
    report: Path | None,
    wait: float,
    yes: bool,
    where: Where,
    as_json: bool,
) -> None:
    """Compare the target's replicas with production; exit with 1 when something has drifted, or could not be told."""
    if report is not None and report.suffix == PAGE:
        raise OperatorError(f"--report {report} is where the page goes: name the report otherwise.", MISUSED)
    if quick and deep:
        raise OperatorError("--quick believes the listings, and --deep reads the source's bodies: choose one.", MISUSED)
    if repairs and not yes:
        require_terminal(f"the replicas in {target}", interactive=at_terminal())
    deployed = deployed_replication(where)
    route = deployed.replication.route(target)
    backlog = deployed.backlog(route)
    if repairs:
        require_enabled(deployed.replication, route)
    sides = open_sides(deployed.replication, route)
    selection = select(sides.route, prefix=prefix, items=items, datasets=datasets)
    part = OF_PART if quick or items or datasets or prefix is not None else ""
    path = report or deployed.folder("verify") / f"{target}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{part}.jsonl"
    with waiting(f"Comparing {selection} of {target}") as say:
        found = verify_replicas(sides, backlog, selection, path, quick=quick, deep=deep, within=wait, say=say)
    _write_page(found, target)
    if not as_json:
        show(_table(found, target))
    drift = found.tally.drift(keep_own=keep_own)
    repaired = _repair(deployed, sides, backlog, found, yes=yes, keep_own=keep_own) if repairs and drift else None
    _tell(found, target, repaired, deployed.replication.where, keep_own=keep_own, as_json=as_json)
    left = repaired.left if repaired else drift
    if left or found.tally.unknown or not found.worked_off:
        sys.exit(FAILED)


def _repair(
    deployed: DeployedReplication, sides: Sides, backlog: Backlog, found: Verification, *, yes: bool, keep_own: bool
) -> _Repaired:
    target = backlog.route.target
    if not yes:
        confirm(target, f"A repair has the route make {_work(found.tally, keep_own=keep_own)}.", ask=ask)
    enqueuer = Enqueuer(backlog=backlog, reason=f"repair {uuid4().hex[:8]}", rate=KEYS_PER_SECOND)
    with waiting(f"Enqueueing what has drifted in {target}") as say:
        enqueued = repair(enqueuer, found.report, say, keep_own=keep_own)
        deleted = delete_orphans(sides, found, say)
        follow(backlog, enqueued, say)
        say("Comparing what was repaired")
        failed = failed_keys(deployed.dead_letters, backlog.route, enqueuer.reason)
        still = still_drifting(sides, found, keep_own=keep_own)
    return _Repaired(enqueued, deleted, failed, still)


def _work(tally: Tally, *, keep_own: bool = False) -> str:
    deletes = tally.deletes - (tally.own if keep_own else 0)
    own = f", {tally.own:,} of them of what the target has of its own" if tally.own and not keep_own else ""
    puts = f"{counted(tally.puts, 'put')} of {counted(tally.put_bytes, 'byte')} of objects"
    orphans = f", {tally.orphans:,} of them in the target itself, since no key names them" if tally.orphans else ""
    return f"{puts}, and {counted(deletes, 'delete')}{own}{orphans}"


def _tell(
    found: Verification, target: str, repaired: _Repaired | None, where: Where, *, keep_own: bool, as_json: bool
) -> None:
    if as_json:
        drift = {"drift": found.tally.drift(keep_own=keep_own), "repaired": repaired and repaired.exported()}
        document(_document(found, target) | drift)
        return
    if found.without_extras:
        tell(
            f"What {target} has of {' and '.join(found.without_extras)} without a source was not looked for: keys are "
            "masked there, so that no prefix of them is known. Leave the prefix out for that."
        )
    if not found.worked_off:
        tell(
            f"The route to {target} had changes before it all the time, so that what differs may be on its way, and "
            f"nothing is repaired: `{where.command('status', target)}`."
        )
    if repaired is not None:
        orphans = f", deleted {counted(repaired.deleted, 'replica')} without a source" if repaired.deleted else ""
        tell(f"Reconciled {counted(repaired.enqueued, 'key')}{orphans}; still different: {repaired.still_different:,}.")
        tell(*repaired.failures.sentences())
    elif found.tally.drift(keep_own=keep_own):
        tell(f"--repair would have the route make {_work(found.tally, keep_own=keep_own)}.")
    tell(f"Every finding: {found.report}, and as a page {found.page}")


def _document(found: Verification, target: str) -> dict[str, Any]:
    tally = found.tally
    return {
        "target": target,
        "compared": str(found.selection),
        "quick": found.quick,
        "deep": found.deep,
        "begun": found.begun.isoformat(timespec="seconds"),
        "ended": found.ended.isoformat(timespec="seconds"),
        "objects": found.objects,
        "items": found.items,
        "worked_off": found.worked_off,
        "without_extras": list(found.without_extras),
        "found": {verdict.value: tally.counts[verdict] for verdict in found.verdicts},
        "repair": {
            "puts": tally.puts,
            "bytes": tally.put_bytes,
            "deletes": tally.deletes,
            "own": tally.own,
            "orphans": tally.orphans,
        },
        "report": str(found.report),
        "page": str(found.page),
    }


def _table(found: Verification, target: str) -> TextTable:
    title = f"{target}: {found.compared} compared"
    table = TextTable("found", "keys", "for example", title=title, numbers=("keys",))
    for verdict in sorted(found.verdicts, key=lambda verdict: verdict in _EXPECTED):
        count = found.tally.counts[verdict]
        expected = " (expected)" if verdict in _EXPECTED else ""
        table.add(f"{verdict.value}{expected}", f"{count:,}", found.tally.example(verdict))
    return table


def _write_page(found: Verification, target: str) -> None:
    facts = [
        ("compared", f"{found.selection}: {found.compared}"),
        ("how", found.how),
        ("from, to", f"{found.begun:%Y-%m-%d %H:%M:%S} to {found.ended:%H:%M:%S} UTC"),
        ("a repair would make", _work(found.tally)),
    ]
    if not found.worked_off:
        facts.append(("in flight", "the route had changes before it all the time: what differs may be on its way"))
    write_page(found.page, f"Replicas in {target}", facts, found.tally, found.report, verdicts=found.verdicts)
