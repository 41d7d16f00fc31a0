"""The replicator beside the obvious sequential design: all that one run measured, and how it is judged and drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.designs import REPLICATOR, SEQUENTIAL
from benchmarks.own_cost import ColdImport, Growth
from benchmarks.replicating import Cost, Peak, Rate
from benchmarks.report import Expectation, Report, Sheet, flat_memory, flat_time

__all__ = ["EMULATOR", "STAND_IN", "Results"]

EMULATOR = "emulator"
STAND_IN = "stand-in"

_MAX_CALLS = {"object": 3.0, "object with tags": 4.0, "item": 0.1}
"""As S3 answers a head: with the number of tags, as the stand-in does.

The emulator leaves the number out, so that there an object with tags is found out, and copied again, at the end.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: x-amz-tagging-count
"""

_MOST_TIMES_BOTO3 = 1.2
_MOST_OF_UNCOMPILED = 0.45
_MIN_RATIOS_AT_30_MS = {"objects": 7.0, "items": 25.0}
_COLOURS = {SEQUENTIAL: "#9aa5b1", REPLICATOR: "#1f6feb"}


@dataclass(frozen=True)
class Results:
    """One run."""

    costs: Sequence[Cost]
    rates: Sequence[Rate]
    peaks: Sequence[Peak]
    imports: Sequence[ColdImport]
    growth: Sequence[Growth]

    def report(self) -> Report:
        """Return it with its tables and verdicts."""
        found = {name: [asdict(one) for one in getattr(self, name)] for name in ("costs", "peaks", "imports", "growth")}
        rates = [{**asdict(rate), "ratio": rate.ratio} for rate in self.rates]
        return Report("results", {**found, "rates": rates}, list(self._sheets()), list(self.expectations()))

    def expectations(self) -> Iterator[Expectation]:
        """Judge what was measured: calls and rates by the stand-in's, whose answers and speed hide neither."""
        ours = [cost for cost in self.costs if cost.design == REPLICATOR]
        for cost in ours:
            if cost.server == STAND_IN and cost.kind in _MAX_CALLS:
                most, calls = _MAX_CALLS[cost.kind], cost.replicating_calls
                name = f"calls per {cost.kind} and target"
                yield Expectation(name, f"at most {most:g}", f"{calls:g}", round(calls, 6) <= most)
        moved = max((cost.object_bytes for cost in ours), default=0.0)
        yield Expectation("bytes of objects through the function", "0", f"{moved:g}", moved == 0)
        for rate in self.rates:
            if rate.server == STAND_IN and rate.latency_ms == 30:
                least = _MIN_RATIOS_AT_30_MS[rate.kind]
                name = f"{rate.kind} per second at 30 ms, times the sequential design's"
                yield Expectation(name, f"at least {least:g}", f"{rate.ratio:.1f}", rate.ratio >= least)
        peaks = {peak.object_mib: peak.peak_mib for peak in self.peaks if peak.design == REPLICATOR}
        yield flat_memory(f"objects of {min(peaks)} to {max(peaks)} MiB", peaks.values())
        few, many = self.growth[0], self.growth[-1]
        sizes = f"{few.keys:,} to {many.keys:,} keys"
        for one in self.imports:
            if one.module == "replicator_lambda.handler":
                for name, most, times in (
                    ("import, times boto3's", _MOST_TIMES_BOTO3, one.times_boto3),
                    ("import, times what it takes without byte code", _MOST_OF_UNCOMPILED, one.share),
                ):
                    yield Expectation(name, f"at most {most:g}", f"{times:.2f}", round(times, 2) <= most)
        yield flat_memory(sizes, (few.peak_mib, many.peak_mib))
        yield flat_time(sizes, many.microseconds_per_key / few.microseconds_per_key)

    def _sheets(self) -> Iterator[Sheet]:
        yield Sheet(
            "Cost of a change, per target, in batches of 100",
            ("server", "change", "design", "calls", "of which", "bytes sent and received", "bytes of objects"),
            [
                (
                    *(cost.server, cost.kind, cost.design, f"{cost.replicating_calls:g}"),
                    "\n".join(f"{count:g} {name}" for name, count in cost.by_operation.items()),
                    *(f"{cost.bytes:,.0f}", f"{cost.object_bytes:,.0f}"),
                )
                for cost in self.costs
            ],
        )
        yield Sheet(
            "Changes per second in two targets: the replicator's, in multiples of the sequential design's",
            ("server", "kind", "latency added to each call", "ratio"),
            [(rate.server, rate.kind, f"{rate.latency_ms} ms", f"{rate.ratio:.1f}") for rate in self.rates],
        )
        peaks = {
            design: {f"{peak.object_mib} MiB": f"{peak.peak_mib:.0f}" for peak in self.peaks if peak.design == design}
            for design in _COLOURS
        }
        yield Sheet(
            "Peak memory of the process in MiB, by the object's size",
            ("design", *peaks[REPLICATOR]),
            [(design, *of_sizes.values()) for design, of_sizes in peaks.items()],
        )
        yield Sheet(
            "CPU of an import in a fresh process, as in Lambda",
            ("module", "times what it takes without byte code", "times boto3's"),
            [(one.module, f"{one.share:.2f}", f"{one.times_boto3:.2f}") for one in self.imports],
        )
        least = self.growth[0].microseconds_per_key
        yield Sheet(
            "Reconcile's own cost by the number of keys, over a made-up store",
            ("keys", "time per key, relative", "peak memory in MiB"),
            [
                (f"{one.keys:,}", f"{one.microseconds_per_key / least:.2f}", f"{one.peak_mib:.0f}")
                for one in self.growth
            ],
        )

    def plot(self, path: Path) -> None:
        """Draw calls per change, the ratios and the memory side by side, as SVG."""
        figure = Figure(figsize=(13, 4), layout="constrained")
        for axes, draw in zip(
            figure.subplots(1, 3), (self._plot_calls, self._plot_ratios, self._plot_memory), strict=True
        ):
            draw(axes)
        # With fixed identifiers and without the date, the same results give the same file.
        with rc_context({"svg.hashsalt": "benchmarks"}):
            figure.savefig(path, format="svg", metadata={"Date": None})

    def _plot_calls(self, axes: Axes) -> None:
        costs = [cost for cost in self.costs if cost.server == STAND_IN]
        kinds = list(dict.fromkeys(cost.kind for cost in costs))
        for shift, (design, colour) in enumerate(_COLOURS.items()):
            found = [cost for cost in costs if cost.design == design]
            places = [kinds.index(cost.kind) + (shift - 0.5) * 0.4 for cost in found]
            bars = axes.bar(places, [cost.replicating_calls for cost in found], 0.4, label=design, color=colour)
            axes.bar_label(bars, fmt="%g", fontsize=8)
        axes.set_xticks(range(len(kinds)), kinds, rotation=15)
        axes.set_title("calls per change and target")
        axes.legend()

    def _plot_ratios(self, axes: Axes) -> None:
        rates = [rate for rate in self.rates if rate.server == STAND_IN]
        names = [f"{rate.kind}\n{rate.latency_ms} ms" for rate in rates]
        bars = axes.bar(names, [rate.ratio for rate in rates], color=_COLOURS[REPLICATOR])
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
        axes.axhline(1, color=_COLOURS[SEQUENTIAL], linestyle="--")
        axes.set_title("changes per second, times the sequential design's")

    def _plot_memory(self, axes: Axes) -> None:
        for design, colour in _COLOURS.items():
            found = {peak.object_mib: peak.peak_mib for peak in self.peaks if peak.design == design}
            axes.plot(list(found), list(found.values()), marker="o", label=design, color=colour)
        axes.set_title("peak memory in MiB, by the object's MiB")
        axes.set_ylim(bottom=0)
        axes.legend()
