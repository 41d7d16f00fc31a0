"""The demo from its first change to its exit code."""

import uuid
from collections.abc import Callable, Iterator

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.counts import counted
from pipeline_ops.demo.arrivals import DEADLINE_SECONDS, Arrival, apply_and_watch
from pipeline_ops.demo.changes import Wave, scenario
from pipeline_ops.demo.comparison import compare
from pipeline_ops.demo.processing import processed
from pipeline_ops.demo.report import DemoResult, print_result, to_document
from pipeline_ops.demo.stores import DemoStore, System
from pipeline_ops.routes.route import explained
from pipeline_ops.terminal import Console, Shown, document, silence, waiting

__all__ = ["run_demo"]


def run_demo(system: System, console: Console, as_json: bool, *, deadline_seconds: float = DEADLINE_SECONDS) -> int:
    """Change production, watch every target follow, compare all of it, and print the answer.

    Returns the exit code: 1 if a target did not have a change within `deadline_seconds` of its wave's end, or if
    anything was different at the end. With `as_json` the console gets one JSON document and nothing else. Raises
    OperatorError when the system refuses to be changed or read.
    """
    source = DemoStore.source_of(system)
    targets = DemoStore.targets_of(system, source.environment)
    run = uuid.uuid4().hex[:8]
    progress = silence() if as_json else console
    with waiting(f"Changing {source.environment}", progress) as say, explained("The demo can't go on"):
        waves = []
        for wave in _waves(system, source, run):
            changed = counted(len(wave.changes), "object or item", "objects and items")
            progress.print(Shown(f"{source.environment}: {changed} {wave.title}"))
            waves.append((wave.title, _play(source, targets, wave, say, deadline_seconds)))
        say(f"Comparing {', '.join(target.environment for target in targets)} with {source.environment}")
        comparisons = compare(source, targets)
    result = DemoResult(source.environment, (f"demo/{run}/", f"{run}-"), waves, comparisons)
    if as_json:
        document(to_document(result), console)
    else:
        print_result(console, result)
    return 0 if result.ok else 1


def _waves(system: System, source: DemoStore, run: str) -> Iterator[Wave]:
    """Yield the waves, each made when the one before is over: what is processed stands in the bucket by then."""
    yield from scenario(run)
    outputs = system.outputs.get(f"{ProcessingOutputs.PROJECT}/{source.environment}")
    if outputs is not None:
        yield processed(source, ProcessingOutputs.parse(outputs), run)


def _play(
    source: DemoStore,
    targets: list[DemoStore],
    wave: Wave,
    say: Callable[[str], None],
    deadline_seconds: float,
) -> list[Arrival]:
    def progress(left: int) -> None:
        say(f"{counted(left, 'replica')} still to come")

    progress(len(wave.changes) * len(targets))
    return apply_and_watch(source, targets, wave.changes, on_progress=progress, deadline_seconds=deadline_seconds)
