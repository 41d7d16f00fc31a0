"""Measure the replicator beside the obvious sequential design, and write down what was found."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

import local_cloud
from benchmarks import operating, processing
from benchmarks.calls import measure_calls
from benchmarks.cold_import import measure_imports
from benchmarks.growth import measure_growth
from benchmarks.memory import measure_memory
from benchmarks.report import plot, print_results, to_markdown
from benchmarks.results import EMULATOR, STAND_IN, Results
from benchmarks.site import Site
from benchmarks.stand_in import running_stand_in
from benchmarks.throughput import Load, Rate, measure_rates

RESULTS = Path(__file__).parent / "results"
QUICK_RESULTS = Path(__file__).parents[1] / ".local" / "bench"
"""Where a quick run writes, so that it leaves the committed results alone."""


def main(arguments: Sequence[str]) -> int:
    """Run everything; the exit code is 1 if an expectation was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: seconds, and noisier")
    parser.add_argument("--endpoint", help="an emulator that runs already, instead of one started here")
    parser.add_argument("--output", type=Path, help="the folder for results.json and results.svg")
    asked = parser.parse_args(arguments)
    output = asked.output or (QUICK_RESULTS if asked.quick else RESULTS)
    console = Console()
    results = run(console, quick=asked.quick, endpoint=asked.endpoint)
    print_results(console, results)
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(results.to_json(), encoding="utf-8")
    (output / "results.md").write_text(to_markdown(results), encoding="utf-8")
    plot(results, output / "results.svg")
    console.print(f"Written to {output}: results.json, results.md, results.svg", soft_wrap=True)
    rest = [*(["--quick"] if asked.quick else []), "--output", str(output)]
    processing.main(rest)
    missed = operating.main(rest)
    return missed or (0 if all(one.met for one in results.expectations()) else 1)


def run(console: Console, *, quick: bool, endpoint: str | None) -> Results:
    """Measure everything: calls and memory against the emulator, rates against it and against the stand-in."""
    with console.status("Starting") as status:
        with local_cloud.start(endpoint, status.update) as cloud, running_stand_in() as stand_in:
            servers = {EMULATOR: Site.make(cloud.endpoint, cloud.credentials), STAND_IN: Site.make(stand_in)}
            status.update("Counting calls")
            costs = [cost for server, site in servers.items() for cost in measure_calls(site, server)]
            status.update("Measuring memory")
            peaks = measure_memory(servers[EMULATOR], (1, 16) if quick else (1, 64, 256))
            rates: list[Rate] = []
            for server, site in servers.items():
                for rate in measure_rates(site, server, Load.of(quick=quick)):
                    rates.append(rate)
                    status.update(f"Measuring rates: {server}, {rate.kind}, {rate.latency_ms} ms")
        status.update("Measuring imports")
        imports = measure_imports(3 if quick else 9)
        status.update("Measuring growth")
        growth = measure_growth((1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000))
    return Results(quick, costs, rates, peaks, imports, growth)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
