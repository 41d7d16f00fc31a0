"""Measure replicating, processing, operating and masking, each beside the obvious design or what it should cost."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

import local_cloud
from benchmarks.beside_rclone import measure_beside_rclone
from benchmarks.masking import measure_masking
from benchmarks.operating import measure_operating
from benchmarks.over_http import measure_over_http
from benchmarks.own_cost import measure_growth, measure_imports
from benchmarks.processing import measure_processing
from benchmarks.replicating import Rate, measure_calls, measure_memory, measure_rates
from benchmarks.report import Report
from benchmarks.results import EMULATOR, STAND_IN, Results
from benchmarks.scale import PAGE, Measured, computed
from benchmarks.site import Site
from benchmarks.stand_in import running_stand_in
from benchmarks.streamed_bodies import measure_streamed_bodies
from benchmarks.sustaining import measure_sustaining

RESULTS = Path(__file__).parent / "results"
QUICK_RESULTS = Path(__file__).parents[1] / ".local" / "bench"
"""Where a quick run writes, so that it leaves the committed results alone."""

_PARTS = ("replicating", "processing", "operating", "commands", "masking", "sustaining", "beside-rclone")
_ASKED = (*_PARTS, "scale")


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; the exit code is 1 if an expectation was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: seconds, and noisier")
    parser.add_argument("--endpoint", help="an emulator that runs already, instead of one started here")
    parser.add_argument("--output", type=Path, help="the folder for the tables, the documents and the plot")
    parser.add_argument("part", nargs="?", choices=_ASKED, help="one part instead of all; `scale`: docs/scale.md anew")
    parser.add_argument("--only", choices=_ASKED, help="the same")
    parser.add_argument(
        "--bodies-to",
        metavar="MIB",
        type=int,
        help="instead: the memory of masking one body, of 1 MiB and of ever more up to so many, such as 10240",
    )
    asked = parser.parse_args(arguments)
    wanted = asked.part or asked.only
    output: Path = asked.output or (QUICK_RESULTS if asked.quick else RESULTS)
    output.mkdir(parents=True, exist_ok=True)

    def replicating(say: Callable[[str], None], *, quick: bool) -> Report:
        results = measure_replicating(say, quick=quick, endpoint=asked.endpoint)
        results.plot(output / "results.svg")
        return results.report()

    parts: Mapping[str, Callable[..., Report]] = {
        "replicating": replicating,
        "processing": measure_processing,
        "operating": measure_operating,
        "commands": measure_over_http,
        "masking": measure_masking,
        "sustaining": measure_sustaining,
        "beside-rclone": measure_beside_rclone,
        "bodies": partial(measure_streamed_bodies, largest=asked.bodies_to),
    }
    console = Console()
    met = True
    last_line = ""
    for part in ["bodies"] if asked.bodies_to else [part for part in _PARTS if wanted in (None, part)]:
        with console.status("Starting") as status:
            report = parts[part](status.update, quick=asked.quick)
        report.show(console)
        report.write(output, quick=asked.quick)
        met = met and report.met
        last_line = report.last_line
    if output == RESULTS:
        PAGE.write_text(computed(PAGE.read_text(encoding="utf-8"), Measured.read(RESULTS)), encoding="utf-8")
    console.print(f"Written to {output}", soft_wrap=True)
    if last_line:
        console.print(last_line, soft_wrap=True, highlight=False)
    return 0 if met else 1


def measure_replicating(say: Callable[[str], None], *, quick: bool, endpoint: str | None) -> Results:
    """Measure calls and memory against the emulator, and calls and rates against both it and the stand-in."""
    with local_cloud.start(endpoint, say) as cloud, running_stand_in() as stand_in:
        servers = {EMULATOR: Site.make(cloud.endpoint, cloud.credentials), STAND_IN: Site.make(stand_in)}
        say("Counting calls")
        costs = [cost for server, site in servers.items() for cost in measure_calls(site, server)]
        say("Measuring memory")
        peaks = list(measure_memory(servers[EMULATOR], (1, 16) if quick else (1, 64, 256)))
        rates: list[Rate] = []
        for server, site in servers.items():
            for rate in measure_rates(site, server, quick=quick):
                rates.append(rate)
                say(f"Measuring rates: {server}, {rate.kind}, {rate.latency_ms} ms")
    say("Measuring imports")
    imports = measure_imports(3 if quick else 9)
    say("Measuring growth")
    growth = measure_growth((1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000))
    return Results(costs, rates, peaks, imports, growth)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
