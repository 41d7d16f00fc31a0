"""The demo from a system of its own to its answer, as tables for people and as JSON for programs."""

import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.checkout import open_projects
from pipeline_ops.clients import ClientMaker
from pipeline_ops.counts import counted
from pipeline_ops.demo.arrivals import (
    DEADLINE_SECONDS,
    POLL_SECONDS,
    Arrival,
    Became,
    RefusalLetters,
    apply_and_watch,
)
from pipeline_ops.demo.changes import Wave, assets_prefix, processed, scenario
from pipeline_ops.demo.comparison import Comparison, compare
from pipeline_ops.demo.hunting import Hunted, hunted
from pipeline_ops.demo.people import planted_keys, planted_values
from pipeline_ops.demo.stores import DemoStore, SystemOutputs
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.progress import ProgressDisplay
from pipeline_ops.routes.route import explained
from pipeline_ops.running_system import running_system
from pipeline_ops.terminal import Console, Shown, TextTable, console, document, silence, waiting

__all__ = ["DemoResult", "demo", "run_demo"]

_KEY_CELLS = 44
"""Cells that a key is given at most, where the terminal is wide."""


@dataclass(frozen=True)
class DemoResult:
    """What happened to each change, by wave, and what the comparison at the end found."""

    source: str
    prefixes: tuple[str, ...]
    """What every key of the run begins with; the table leaves it out."""
    waves: Sequence[tuple[str, Sequence[Arrival]]]
    comparisons: Sequence[Comparison]
    hunted: Hunted

    @property
    def targets(self) -> list[str]:
        """The environments that were compared."""
        return [comparison.environment for comparison in self.comparisons]

    @property
    def unseen(self) -> int:
        """The number of times that a target did not have a change by the deadline."""
        return sum(list(one.seconds.values()).count(None) for _, arrivals in self.waves for one in arrivals)

    @property
    def differences(self) -> int:
        """The number of differences that the comparison found."""
        return sum(len(comparison.differences) for comparison in self.comparisons)

    @property
    def ok(self) -> bool:
        """Whether every target had every change, nothing is different, and nothing that was planted was found."""
        return not self.unseen and not self.differences and not self.hunted.traces

    def exported(self) -> dict[str, Any]:
        """Return the whole result as one document, schema `pipeline.demo/1`."""
        return {
            "schema": "pipeline.demo/1",
            "ok": self.ok,
            "source": self.source,
            "changes": [
                {
                    "wave": wave,
                    "change": one.change.title,
                    "kind": one.change.subject.dataset.kind.record,
                    "subject": str(one.change.subject),
                    "became": one.became,
                    "seconds": {name: None if took is None else round(took, 3) for name, took in one.seconds.items()},
                }
                for wave, arrivals in self.waves
                for one in arrivals
            ],
            "comparison": [
                {
                    "environment": comparison.environment,
                    "objects": comparison.objects,
                    "object_bytes": comparison.object_bytes,
                    "items": comparison.items,
                    "refused": comparison.refused,
                    "differences": [
                        {"subject": found.subject and str(found.subject), "kind": found.kind, "detail": found.detail}
                        for found in comparison.differences
                    ],
                }
                for comparison in self.comparisons
            ],
            "hunt": {
                "planted": self.hunted.planted,
                "places": self.hunted.places,
                "found": [asdict(trace) for trace in self.hunted.traces],
            },
        }

    def print_on(self, console: Console) -> None:
        """Print the changes with their seconds, what was compared, and what was different."""
        console.print(self._changes_table())
        console.print(self._comparison_table())
        for comparison in self.comparisons:
            for found in comparison.differences:
                console.print(Shown(str(found), style="red"))
        for trace in self.hunted.traces:
            console.print(Shown(str(trace), style="red"))
        if self.unseen:
            times = counted(self.unseen, "time")
            console.print(Shown(f"{times} a target did not have a change by the deadline.", style="red"))
        if self.differences:
            console.print(Shown(f"Different: {self.differences}, listed above.", style="bold red"))
        else:
            names = ", ".join(self.targets)
            same = f"Different from what the policy makes of {self.source}, in {names}: nothing."
            console.print(Shown(same, style="bold green"))
        looked = f"Of {self.hunted.planted} planted values, in {self.hunted.places} places where none may be"
        if self.hunted.traces:
            console.print(Shown(f"{looked}, found: {len(self.hunted.traces)}, listed above.", style="bold red"))
        else:
            console.print(Shown(f"{looked}, found: none.", style="bold green"))

    def _changes_table(self) -> TextTable:
        table = TextTable(
            *("#", "change", "object or item", "became", *self.targets),
            title=f"Changes in {self.source}, and the seconds until each target had them",
            caption=f"from the write's answer to the poll that saw the replica; a poll every {POLL_SECONDS:g} s",
            numbers=("#", *self.targets),
            whole=("#", "change", "became", *self.targets),
        )
        number = 0
        for wave, arrivals in self.waves:
            table.divide()
            table.add("", Shown(wave, style="bold"), "", "", *("" for _ in self.targets))
            for one in arrivals:
                number += 1
                seconds = (_seconds(one.seconds[target]) for target in self.targets)
                table.add(str(number), one.change.title, self._subject(one), _became(one), *seconds)
        return table

    def _subject(self, arrival: Arrival) -> Shown:
        subject = str(arrival.change.subject)
        for prefix in self.prefixes:
            subject = subject.removeprefix(prefix)
        return Shown(subject, most=_KEY_CELLS)

    def _comparison_table(self) -> TextTable:
        numbers = ("objects", "bytes of objects", "items", "refused", "different")
        title = f"Read back from {self.source} and from each target, and compared with what the policy makes of it"
        table = TextTable("target", *numbers, title=title, numbers=numbers)
        for comparison in self.comparisons:
            count = len(comparison.differences)
            table.add(
                comparison.environment,
                str(comparison.objects),
                f"{comparison.object_bytes:,}",
                str(comparison.items),
                str(comparison.refused),
                Shown(str(count) if count else "nothing", style="bold red" if count else "bold green"),
            )
        return table


def _became(arrival: Arrival) -> Shown:
    became = " or ".join(sorted({str(each) for each in arrival.became.values()}))
    return Shown(became, style="yellow" if Became.REFUSED in became else "")


def _seconds(seconds: float | None) -> Shown:
    return Shown("never", style="bold red") if seconds is None else Shown(f"{seconds:.1f}")


def demo(endpoint: str | None, provider: str | None, suffix: str | None, as_json: bool) -> None:
    """Deploy everything on this machine, change production's data and show it arrive."""
    with (
        ProgressDisplay(console(stderr=True)) as progress,
        running_system(
            open_projects().repository,
            endpoint,
            provider=provider,
            suffix=suffix,
            on_event=progress.on_event,
            on_progress=progress.say,
            interrupts=Interrupts(),
        ) as system,
    ):
        progress.finish()
        state = system.deployment.backend.folder
        code = run_demo(system.cloud.client, system.outputs, console(), as_json, folders=[state] if state else [])
    sys.exit(code)


def run_demo(
    client: ClientMaker,
    outputs: SystemOutputs,
    out: Console,
    as_json: bool,
    *,
    folders: Sequence[Path] = (),
    deadline_seconds: float = DEADLINE_SECONDS,
) -> int:
    """Change production, watch every target follow, compare all of it, hunt for customers' data, print the answer.

    Returns the exit code: 1 if a target did not have a change within `deadline_seconds` of its wave's end, if anything
    was different at the end, or if anything of a customer was found where it may not be: in the targets, in queues and
    logs, or in files of these folders. With `as_json` the console gets one JSON document and nothing else. Raises
    OperatorError when the system refuses to be changed or read.
    """
    source, targets = DemoStore.replicated(client, outputs)
    letters = RefusalLetters.of(client, outputs, source.environment)
    run = uuid.uuid4().hex[:8]
    progress = silence() if as_json else out
    with waiting(f"Changing {source.environment}", progress) as say, explained("The demo can't go on"):

        def still_to_come(left: int) -> None:
            say(f"{counted(left, 'replica')} still to come")

        waves = []
        for wave in _waves(outputs, source, run):
            changed = counted(len(wave.changes), "object or item", "objects and items")
            progress.print(Shown(f"{source.environment}: {changed} {wave.title}"))
            arrivals = apply_and_watch(
                source, targets, wave.changes, letters, on_progress=still_to_come, deadline_seconds=deadline_seconds
            )
            waves.append((wave.title, arrivals))
        say(f"Comparing {', '.join(target.environment for target in targets)} with {source.environment}")
        comparisons = compare(source, targets)
        say("Hunting for what was planted")
        environments = [target.environment for target in targets]
        values, keys = planted_values(), planted_keys(run)
        found = hunted(client, outputs, environments, values=values, keys=keys, folders=folders)
    result = DemoResult(source.environment, (assets_prefix(run), f"{run}-"), waves, comparisons, found)
    if as_json:
        document(result.exported(), out)
    else:
        result.print_on(out)
    return 0 if result.ok else 1


def _waves(outputs: SystemOutputs, source: DemoStore, run: str) -> Iterator[Wave]:
    """Yield the waves, each made when the one before is over: what is processed stands in the bucket by then."""
    yield from scenario(run)
    processing = outputs.get(f"{ProcessingOutputs.PROJECT}/{source.environment}")
    if processing is not None:
        yield processed(source, ProcessingOutputs.parse(processing), run)
