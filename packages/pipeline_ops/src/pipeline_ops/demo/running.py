"""The demo from its first change to its exit code."""

import uuid
from collections.abc import Iterator

from rich.console import Console
from rich.status import Status

from pipeline_common.contracts import ProcessingOutputs
from pipeline_common.environments import Environment
from pipeline_ops.demo.changes import Wave, scenario
from pipeline_ops.demo.comparison import compare
from pipeline_ops.demo.processing import processed
from pipeline_ops.demo.report import DemoResult, print_result, to_json
from pipeline_ops.demo.stores import Store, System
from pipeline_ops.demo.watching import DEADLINE_SECONDS, Outcome, apply_and_watch

__all__ = ["run_demo"]


def run_demo(system: System, console: Console, as_json: bool, *, deadline_seconds: float = DEADLINE_SECONDS) -> int:
    """Change production, watch every target follow, compare all of it, and print the answer.

    Returns the exit code: 1 if a target did not have a change within `deadline_seconds` of its wave's end, or if
    anything was different at the end. With `as_json` the console gets one JSON document and nothing else.
    """
    source = Store.of(system, Environment.PROD)
    targets = Store.targets_of(system, Environment.PROD)
    run = uuid.uuid4().hex[:8]
    progress = Console(quiet=True) if as_json else console
    with progress.status(f"Changing {source.environment}") as status:
        waves = [
            (wave.title, _play(source, targets, wave, status, deadline_seconds)) for wave in _waves(system, source, run)
        ]
        status.update(f"Comparing {', '.join(target.environment for target in targets)} with {source.environment}")
        comparisons = compare(source, targets)
    result = DemoResult(source.environment, (f"demo/{run}/", f"{run}-"), waves, comparisons)
    if as_json:
        console.print(to_json(result), markup=False, highlight=False, soft_wrap=True, emoji=False)
    else:
        print_result(console, result)
    return 0 if result.ok else 1


def _waves(system: System, source: Store, run: str) -> Iterator[Wave]:
    """Yield the waves, each made when the one before is over: what is processed stands in the bucket by then."""
    yield from scenario(run)
    outputs = system.outputs.get(f"{ProcessingOutputs.PROJECT}/{source.environment}")
    if outputs is not None:
        yield processed(source, ProcessingOutputs.parse(outputs), run)


def _play(source: Store, targets: list[Store], wave: Wave, status: Status, deadline_seconds: float) -> list[Outcome]:
    def progress(left: int) -> None:
        status.update(f"{left} replicas still to come")

    status.console.print(f"{source.environment}: {len(wave.changes)} objects and items {wave.title}")
    progress(len(wave.changes) * len(targets))
    return apply_and_watch(source, targets, wave.changes, on_progress=progress, deadline_seconds=deadline_seconds)
