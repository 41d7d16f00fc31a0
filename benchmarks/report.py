"""The results as tables for the terminal, as Markdown for docs/costs.md, and as a plot."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.results import STAND_IN, Results, replicating_calls

__all__ = ["plot", "print_results", "to_markdown"]

_COLOURS = {"sequential": "#9aa5b1", "replicator": "#1f6feb"}

Rows = Sequence[Sequence[str]]


def _sections(results: Results) -> Iterator[tuple[str, Sequence[str], Rows]]:
    yield (
        "Cost of a change, per target, in batches of 100",
        ("server", "change", "design", "calls", "of which", "bytes sent and received", "bytes of objects"),
        [
            (
                cost.server,
                cost.kind,
                cost.design,
                f"{replicating_calls(cost):g}",
                "\n".join(f"{count:g} {name}" for name, count in cost.by_operation.items()),
                f"{cost.bytes:,.0f}",
                f"{cost.object_bytes:,.0f}",
            )
            for cost in results.costs
        ],
    )
    yield (
        "Changes per second in two targets: the replicator's, in multiples of the sequential design's",
        ("server", "kind", "latency added to each call", "ratio"),
        [(rate.server, rate.kind, f"{rate.latency_ms} ms", f"{rate.ratio:.1f}") for rate in results.rates],
    )
    sizes = sorted({peak.object_mib for peak in results.peaks})
    yield (
        "Peak memory of the process in MiB, by the object's size",
        ("design", *(f"{size} MiB" for size in sizes)),
        [(design, *(f"{peak.peak_mib:.0f}" for peak in results.peaks if peak.design == design)) for design in _COLOURS],
    )
    yield (
        "Import time in a fresh process, in multiples of boto3's",
        ("module", "times"),
        [(one.module, f"{one.times_boto3:.2f}") for one in results.imports],
    )
    yield (
        "Reconcile's own cost by the number of keys, over a made-up store",
        ("keys", "time per key, relative", "peak memory in MiB"),
        [
            (
                f"{one.keys:,}",
                f"{one.microseconds_per_key / results.growth[0].microseconds_per_key:.2f}",
                f"{one.peak_mib:.0f}",
            )
            for one in results.growth
        ],
    )


def print_results(console: Console, results: Results) -> None:
    """Print every table, and the expectations last."""
    for title, columns, rows in _sections(results):
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    table = Table("expected", "", "measured", "", title="Expectations", title_justify="left")
    for one in results.expectations():
        verdict = Text("met", style="green") if one.met else Text("missed", style="bold red")
        table.add_row(one.name, one.expected, one.measured, verdict)
    console.print(table)


def to_markdown(results: Results) -> str:
    """Return the expectations, the ratios and the memory as docs/costs.md quotes them."""
    lines = ["| measured | expected | result |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.expected} | {one.measured} |" for one in results.expectations()]
    lines += ["", "| server | kind | latency per call | changes per second, times the sequential design's |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {rate.server} | {rate.kind} | {rate.latency_ms} ms | {rate.ratio:.1f} |" for rate in results.rates]
    sizes = sorted({peak.object_mib for peak in results.peaks})
    lines += ["", f"| peak memory, MiB | {' | '.join(f'{size} MiB object' for size in sizes)} |"]
    lines += [f"|---|{'---|' * len(sizes)}"]
    for design in _COLOURS:
        peaks = [f"{peak.peak_mib:.0f}" for peak in results.peaks if peak.design == design]
        lines.append(f"| {design} | {' | '.join(peaks)} |")
    return "\n".join(lines) + "\n"


def plot(results: Results, path: Path) -> None:
    """Draw calls per change, the ratios and the memory side by side, as SVG."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    calls, ratios, memory = figure.subplots(1, 3)
    _plot_calls(calls, results)
    _plot_ratios(ratios, results)
    _plot_memory(memory, results)
    # With fixed identifiers and without the date, the same results give the same file.
    with rc_context({"svg.hashsalt": "benchmarks"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _plot_calls(axes: Axes, results: Results) -> None:
    costs = [cost for cost in results.costs if cost.server == STAND_IN]
    kinds = list(dict.fromkeys(cost.kind for cost in costs))
    for shift, (design, colour) in enumerate(_COLOURS.items()):
        found = [cost for cost in costs if cost.design == design]
        places = [kinds.index(cost.kind) + (shift - 0.5) * 0.4 for cost in found]
        bars = axes.bar(places, [replicating_calls(cost) for cost in found], 0.4, label=design, color=colour)
        axes.bar_label(bars, fmt="%g", fontsize=8)
    axes.set_xticks(range(len(kinds)), kinds, rotation=15)
    axes.set_title("calls per change and target")
    axes.legend()


def _plot_ratios(axes: Axes, results: Results) -> None:
    rates = [rate for rate in results.rates if rate.server == STAND_IN]
    names = [f"{rate.kind}\n{rate.latency_ms} ms" for rate in rates]
    bars = axes.bar(names, [rate.ratio for rate in rates], color=_COLOURS["replicator"])
    axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.axhline(1, color=_COLOURS["sequential"], linestyle="--")
    axes.set_title("changes per second, times the sequential design's")


def _plot_memory(axes: Axes, results: Results) -> None:
    for design, colour in _COLOURS.items():
        found = [peak for peak in results.peaks if peak.design == design]
        axes.plot(
            [peak.object_mib for peak in found],
            [peak.peak_mib for peak in found],
            marker="o",
            label=design,
            color=colour,
        )
    axes.set_title("peak memory in MiB, by the object's MiB")
    axes.set_ylim(bottom=0)
    axes.legend()
