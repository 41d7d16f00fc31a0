"""The verification of a target against its source, and the repair of drift by its route."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TextIO

from pipeline_ops.counts import counted
from pipeline_ops.private_files import make_missing_folders, open_private
from pipeline_ops.routes.backlog import Backlog, Depth
from pipeline_ops.routes.drift_report import Tally, read_findings, write_finding, writing
from pipeline_ops.routes.enqueuer import KEYS_OF_A_LOAD, Enqueuer, Load
from pipeline_ops.routes.route import THREADS, explained
from pipeline_ops.routes.selection import Selection
from pipeline_ops.routes.target_deletes import delete_orphan
from replication_core.batching import batches
from replication_core.comparing.findings import DRIFT, OF_POLICY, SUSPECT, Finding, Looked, Verdict
from replication_core.comparing.items import compare_items
from replication_core.comparing.objects import compare_objects
from replication_core.comparing.second_look import look_again
from replication_core.comparing.sides import Sides
from replication_core.parallel import bounded_map
from replication_core.route_spec import RouteSpec

__all__ = ["OF_PART", "PAGE", "Verification", "delete_orphans", "repair", "still_drifting", "verify"]

PAGE = ".html"

OF_PART = "-part"
"""Ends the name of a report of less than all that the route replicates, or of what the listings alone tell."""

Say = Callable[[str], None]


@dataclass(kw_only=True)
class Verification:
    """What was compared, and what came of it."""

    selection: Selection
    masks: bool
    """Whether the route masks."""

    quick: bool
    deep: bool
    report: Path
    """Every finding, a JSON document a line."""

    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime = field(default_factory=lambda: datetime.now(UTC))
    worked_off: bool = False
    """Whether the route handled what it had at the first look, so that drift could be told from lag."""

    without_extras: tuple[str, ...] = ()
    """The datasets of which nothing tells what the target has besides: no prefix of their masked keys is known."""

    objects: int = 0
    items: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def compared(self) -> str:
        """How much it was, in words."""
        return f"{counted(self.objects, 'object')} and {counted(self.items, 'item')}"

    @property
    def how(self) -> str:
        """What it was compared by, in words."""
        if self.quick:
            return "by the listings alone"
        return "by all that is replicated" + (", and masked bodies by masking them again" if self.deep else "")

    @property
    def verdicts(self) -> list[Verdict]:
        """What may have been found."""
        return [verdict for verdict in Verdict if self.masks or verdict not in OF_POLICY]

    @property
    def page(self) -> Path:
        """The page that counts the findings, beside the report."""
        return self.report.with_suffix(PAGE)


def verify(
    sides: Sides,
    backlog: Backlog,
    selection: Selection,
    report: Path,
    *,
    quick: bool = False,
    deep: bool = False,
    within: float,
    say: Say,
) -> Verification:
    """Compare what is selected, look again at what differs, and write each finding into `report`.

    Between the two looks the route gets up to `within` seconds to work off what it has. Memory does not grow with the
    number of keys, nor with what differs: the suspects wait in a temporary file beside the report.
    """
    found = Verification(selection=selection, masks=bool(sides.route.masking), quick=quick, deep=deep, report=report)
    suspects = 0
    with explained("The mask can't be made"):
        found.without_extras = _without_extras(sides, selection)
    with (
        explained("The replicas can't be compared"),
        _report(report) as (file, spool),
        ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as executor,
    ):
        for looked in _first_look(sides, executor, selection, quick=quick, deep=deep):
            found.objects += looked.objects
            found.items += looked.items
            for finding in looked.findings:
                if finding.verdict in SUSPECT:
                    suspects += 1
                    write_finding(spool, finding)
                else:
                    write_finding(file, finding)
                    found.tally.add(finding)
            say(f"Compared {found.compared}; {suspects:,} to look at again")
        found.worked_off = not suspects or _wait(backlog, within, suspects, say)
        spool.seek(0)
        again = read_findings(spool, sides.route)
        for finding in look_again(sides, executor, again, worked_off=found.worked_off, deep=deep):
            write_finding(file, finding)
            found.tally.add(finding)
    found.ended = datetime.now(UTC)
    return found


def _without_extras(sides: Sides, selection: Selection) -> tuple[str, ...]:
    below = [part.routed.dataset.name for part in selection.parts if part.prefix]
    mask = sides.mask() if below else None
    return tuple(name for name in below if mask and mask.policy.masks_keys(name))


def _first_look(
    sides: Sides, executor: ThreadPoolExecutor, selection: Selection, *, quick: bool, deep: bool
) -> Iterator[Looked]:
    for part in selection.parts:
        if part.routed.dataset.is_bucket:
            yield from compare_objects(sides, part.routed, executor, prefix=part.prefix, quick=quick, deep=deep)
        else:
            yield from compare_items(sides, part.routed, executor)


def _wait(backlog: Backlog, within: float, suspects: int, say: Say) -> bool:
    def show(depth: Depth) -> None:
        say(
            f"Different: {counted(suspects, 'key')}; waiting for the route to work off {counted(depth.total, 'change')}"
        )

    return backlog.worked_off(datetime.now(UTC), within=within, on_depth=show)


@contextmanager
def _report(path: Path) -> Iterator[tuple[TextIO, TextIO]]:
    """Open the report, and a file for the suspects that is gone after the block.

    The report has its name once it is whole: what is cut off leaves one that nobody takes for a comparison's.
    """
    with writing(path):
        make_missing_folders(path.parent)
        is_other = path.exists() and not path.is_file()  # such as /dev/stdout
        begun = path if is_other else path.with_name(f"{path.name}.begun")
        with (
            open_private(begun) as file,
            tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent) as spool,
        ):
            yield file, spool
        if begun != path:
            begun.replace(path)


def repair(enqueuer: Enqueuer, report: Path, say: Say, *, keep_own: bool = False) -> int:
    """Enqueue each key of the source that has drifted; `keep_own` leaves out what the target made itself.

    Return how many.
    """
    count = 0
    with report.open(encoding="utf-8") as file:
        drift = _drift(file, enqueuer.backlog.route.spec, keep_own=keep_own)
        keys = (finding.key for finding in drift if not finding.orphan)
        for load in enqueuer.enqueue(Load(batch, None) for batch in batches(keys, KEYS_OF_A_LOAD)):
            count += len(load.keys)
            say(f"Enqueued {counted(count, 'key')}")
    return count


def delete_orphans(sides: Sides, found: Verification, say: Say) -> int:
    """Delete, in the target itself, each replica that no key of the source names; return how many were there still.

    A replica that was written since the comparison began has a source that came after it, and stays.
    """
    count = 0
    with (
        explained("The replicas without a source can't be deleted"),
        found.report.open(encoding="utf-8") as file,
        ThreadPoolExecutor(THREADS, thread_name_prefix="delete") as executor,
    ):
        keys = (finding.key for finding in _drift(file, sides.route, keep_own=True) if finding.orphan)
        for deleted in bounded_map(executor, partial(delete_orphan, sides, found.begun), keys, window=2 * THREADS):
            count += deleted
            say(f"Deleted {counted(count, 'replica')} without a source")
    return count


def still_drifting(sides: Sides, found: Verification, *, keep_own: bool = False) -> int:
    """Return how many of the keys that had drifted still differ from the same source."""
    with (
        explained("The repaired replicas can't be compared"),
        found.report.open(encoding="utf-8") as file,
        ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as executor,
    ):
        again = look_again(
            sides, executor, _drift(file, sides.route, keep_own=keep_own), worked_off=True, deep=found.deep
        )
        return sum(finding.verdict in SUSPECT for finding in again)


def _drift(file: TextIO, route: RouteSpec, *, keep_own: bool) -> Iterator[Finding]:
    found = (finding for finding in read_findings(file, route) if finding.verdict in DRIFT)
    return (finding for finding in found if not (keep_own and finding.own))
