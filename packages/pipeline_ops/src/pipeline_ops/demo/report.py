"""The demo's answer, as tables for people and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_ops.counts import counted
from pipeline_ops.demo.arrivals import POLL_SECONDS, Arrival
from pipeline_ops.demo.comparison import Comparison
from pipeline_ops.terminal import Console, Shown, TextTable

__all__ = ["DemoResult"]

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
        """Whether every target had every change, and nothing is different."""
        return not self.unseen and not self.differences

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
                    "differences": [
                        {"subject": str(found.subject), "kind": found.kind, "detail": found.detail}
                        for found in comparison.differences
                    ],
                }
                for comparison in self.comparisons
            ],
        }

    def print_on(self, console: Console) -> None:
        """Print the changes with their seconds, what was compared, and what was different."""
        console.print(self._changes_table())
        console.print(self._comparison_table())
        for comparison in self.comparisons:
            for found in comparison.differences:
                console.print(Shown(str(found), style="red"))
        if self.unseen:
            times = counted(self.unseen, "time")
            console.print(Shown(f"{times} a target did not have a change by the deadline.", style="red"))
        if self.differences:
            console.print(Shown(f"Different: {self.differences}, listed above.", style="bold red"))
        elif self.ok:
            names = ", ".join(self.targets)
            console.print(Shown(f"Different between {self.source} and {names}: nothing.", style="bold green"))

    def _changes_table(self) -> TextTable:
        table = TextTable(
            *("#", "change", "object or item", *self.targets),
            title=f"Changes in {self.source}, and the seconds until each target had them",
            caption=f"from the write's answer to the poll that saw the replica; a poll every {POLL_SECONDS:g} s",
            numbers=("#", *self.targets),
            whole=("#", "change", *self.targets),
        )
        number = 0
        for wave, arrivals in self.waves:
            table.divide()
            table.add("", Shown(wave, style="bold"), "", *("" for _ in self.targets))
            for one in arrivals:
                number += 1
                seconds = (_seconds(one.seconds[target]) for target in self.targets)
                table.add(str(number), one.change.title, self._subject(one), *seconds)
        return table

    def _subject(self, arrival: Arrival) -> Shown:
        subject = str(arrival.change.subject)
        for prefix in self.prefixes:
            subject = subject.removeprefix(prefix)
        return Shown(subject, most=_KEY_CELLS)

    def _comparison_table(self) -> TextTable:
        numbers = ("objects", "bytes of objects", "items", "different")
        title = f"Read back from {self.source} and from each target, and compared"
        table = TextTable("target", *numbers, title=title, numbers=numbers)
        for comparison in self.comparisons:
            count = len(comparison.differences)
            table.add(
                comparison.environment,
                str(comparison.objects),
                f"{comparison.object_bytes:,}",
                str(comparison.items),
                Shown(str(count) if count else "nothing", style="bold red" if count else "bold green"),
            )
        return table


def _seconds(seconds: float | None) -> Shown:
    return Shown("never", style="bold red") if seconds is None else Shown(f"{seconds:.1f}")
