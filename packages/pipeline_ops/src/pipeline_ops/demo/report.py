"""The demo's answer, as tables for people and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_ops.counts import counted
from pipeline_ops.demo.arrivals import POLL_SECONDS, Arrival
from pipeline_ops.demo.comparison import Comparison
from pipeline_ops.demo.stores import ObjectRef
from pipeline_ops.terminal import Console, Shown, TextTable

__all__ = ["DemoResult", "print_result", "to_document"]

_KEY_WIDTHS = (14, 44)
"""Cells that a key is given at least, and at most where the terminal is wide."""

_FRAME_CELLS = 3
"""Of each column, besides its content."""


@dataclass(frozen=True)
class DemoResult:
    """What happened to each change, by wave, and what the comparison at the end found."""

    source: str
    prefixes: tuple[str, ...]
    """What every key of the run begins with; the table leaves it out."""
    waves: Sequence[tuple[str, Sequence[Arrival]]]
    comparisons: Sequence[Comparison]

    @property
    def unseen(self) -> int:
        """The number of times that a target did not have a change by the deadline."""
        return sum(
            seconds is None
            for _, outcomes in self.waves
            for outcome in outcomes
            for seconds in outcome.seconds.values()
        )

    @property
    def differences(self) -> int:
        """The number of differences that the comparison found."""
        return sum(len(comparison.differences) for comparison in self.comparisons)

    @property
    def ok(self) -> bool:
        """Whether every target had every change, and nothing is different."""
        return not self.unseen and not self.differences


def to_document(result: DemoResult) -> dict[str, Any]:
    """Return the whole result as one document, schema `pipeline.demo/1`."""
    return {
        "schema": "pipeline.demo/1",
        "ok": result.ok,
        "source": result.source,
        "changes": [
            {
                "wave": wave,
                "change": outcome.change.title,
                "kind": "object" if isinstance(outcome.change.subject, ObjectRef) else "item",
                "subject": str(outcome.change.subject),
                "seconds": {target: _rounded(seconds) for target, seconds in outcome.seconds.items()},
            }
            for wave, outcomes in result.waves
            for outcome in outcomes
        ],
        "comparison": [
            {
                "environment": comparison.environment,
                "objects": comparison.objects,
                "object_bytes": comparison.object_bytes,
                "items": comparison.items,
                "differences": [
                    {"subject": str(found.subject), "kind": found.kind.value, "detail": found.detail}
                    for found in comparison.differences
                ],
            }
            for comparison in result.comparisons
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def print_result(console: Console, result: DemoResult) -> None:
    """Print the changes with their seconds, what was compared, and what was different."""
    console.print(_changes_table(result, console.width))
    console.print(_comparison_table(result))
    for comparison in result.comparisons:
        for found in comparison.differences:
            console.print(Shown(str(found), style="red"))
    if result.unseen:
        times = counted(result.unseen, "time")
        console.print(Shown(f"{times} a target did not have a change by the deadline.", style="red"))
    if result.differences:
        console.print(Shown(f"Different: {result.differences}, listed above.", style="bold red"))
    elif result.ok:
        names = ", ".join(comparison.environment for comparison in result.comparisons)
        console.print(Shown(f"Different between {result.source} and {names}: nothing.", style="bold green"))


def _changes_table(result: DemoResult, width: int) -> TextTable:
    targets = [comparison.environment for comparison in result.comparisons]
    table = TextTable(
        *("#", "change", "object or item", *targets),
        title=f"Changes in {result.source}, and the seconds until each target had them",
        caption=f"from the write's answer to the poll that saw the replica; a poll every {POLL_SECONDS:g} s",
        numbers=("#", *targets),
        whole=("#", "change", "object or item", *targets),
    )
    key_width = _key_width(result, width)
    number = 0
    for wave, outcomes in result.waves:
        table.divide()
        table.add("", Shown(wave, style="bold"), "", *("" for _ in targets))
        for outcome in outcomes:
            number += 1
            table.add(
                str(number),
                outcome.change.title,
                Shown(_below(str(outcome.change.subject), result.prefixes), most=key_width),
                *(_seconds(outcome.seconds[target]) for target in targets),
            )
    return table


def _key_width(result: DemoResult, width: int) -> int:
    """Return the cells left for a key: the other columns are shown whole, since they are what is told."""
    titles = max(len(outcome.change.title) for _, outcomes in result.waves for outcome in outcomes)
    targets = [len(comparison.environment) for comparison in result.comparisons]
    others = titles + sum(max(name, len("never")) for name in targets) + len("99") + 1
    left = width - others - _FRAME_CELLS * (len(targets) + 3)
    least, most = _KEY_WIDTHS
    return min(max(left, least), most)


def _below(subject: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        subject = subject.removeprefix(prefix)
    return subject


def _seconds(seconds: float | None) -> Shown:
    return Shown("never", style="bold red") if seconds is None else Shown(f"{seconds:.1f}")


def _comparison_table(result: DemoResult) -> TextTable:
    numbers = ("objects", "bytes of objects", "items", "different")
    title = f"Read back from {result.source} and from each target, and compared"
    table = TextTable("target", *numbers, title=title, numbers=numbers)
    for comparison in result.comparisons:
        count = len(comparison.differences)
        table.add(
            comparison.environment,
            str(comparison.objects),
            f"{comparison.object_bytes:,}",
            str(comparison.items),
            Shown(str(count) if count else "nothing", style="bold red" if count else "bold green"),
        )
    return table
