"""What was measured and whether it is what was expected: as tables, as Markdown and as a document."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Expectation", "Report", "Sheet", "flat_memory", "flat_time"]

_FLAT_MIB = 24.0
"""Memory may differ by this much between the least and the largest, and still count as flat."""

_FLAT_TIME_FACTOR = 1.5
"""Likewise the time per key."""


@dataclass(frozen=True)
class Expectation:
    """Something that the code is meant to achieve, and what was measured."""

    name: str
    expected: str
    measured: str
    met: bool


def flat_memory(what: str, peaks_mib: Iterable[float]) -> Expectation:
    """Judge peaks that are expected to be the same whatever the size."""
    peaks = list(peaks_mib)
    spread = max(peaks) - min(peaks)
    return Expectation(f"peak memory, {what}", "flat", f"differs by {spread:.0f} MiB", spread <= _FLAT_MIB)


def flat_time(what: str, factor: float) -> Expectation:
    """Judge the time per key of the most keys, in multiples of that of fewer."""
    return Expectation(f"time per key, {what}", "flat", f"{factor:.2f}-fold", factor <= _FLAT_TIME_FACTOR)


@dataclass(frozen=True)
class Sheet:
    """A table of texts."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """Return the table without its title."""
        return "".join(f"{_line(cells)}\n" for cells in (self.columns, ["---"] * len(self.columns), *self.rows))


@dataclass(frozen=True)
class Report:
    """What one part of the benchmarks found."""

    name: str
    """Of its files."""

    found: Mapping[str, Any]
    """The measurements, of numbers and texts: a document's."""

    sheets: Sequence[Sheet]
    expectations: Sequence[Expectation] = ()
    last_line: str = ""
    """What a run ends with, in a sentence."""

    @property
    def met(self) -> bool:
        """Whether every expectation is."""
        return all(one.met for one in self.expectations)

    def show(self, console: Console) -> None:
        """Print every table, and the expectations last."""
        for sheet in self._all_sheets():
            table = Table(*sheet.columns, title=sheet.title, title_justify="left")
            for row in sheet.rows:
                table.add_row(*(Text(cell, style={"missed": "bold red", "met": "green"}.get(cell, "")) for cell in row))
            console.print(table)

    def to_markdown(self) -> str:
        """Return the same tables as docs/costs.md quotes them."""
        return "\n".join(f"**{sheet.title}**\n\n{sheet.to_markdown()}" for sheet in self._all_sheets())

    def to_json(self, *, quick: bool) -> str:
        """Return all of it as one document, schema `pipeline.bench/1`."""
        document = {
            "schema": "pipeline.bench/1",
            "quick": quick,
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
            **self.found,
            "expectations": [asdict(one) for one in self.expectations],
        }
        return json.dumps(_rounded(document), indent=1) + "\n"

    def write(self, folder: Path, *, quick: bool) -> None:
        """Write the document and the Markdown into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(self.to_json(quick=quick), encoding="utf-8")
        (folder / f"{self.name}.md").write_text(self.to_markdown(), encoding="utf-8")

    def _all_sheets(self) -> Sequence[Sheet]:
        judged = [(one.name, one.expected, one.measured, "met" if one.met else "missed") for one in self.expectations]
        verdicts = Sheet("Expectations", ("measured", "expected", "result", ""), judged)
        return [*self.sheets, verdicts] if judged else self.sheets


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells).replace("\n", ", ") + " |"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
