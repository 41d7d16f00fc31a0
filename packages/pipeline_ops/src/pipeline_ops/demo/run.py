"""The demo from a system of its own to its exit code."""

import sys
import uuid
from collections.abc import Iterator

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.checkout import open_projects
from pipeline_ops.clients import ClientMaker
from pipeline_ops.counts import counted
from pipeline_ops.demo.arrivals import DEADLINE_SECONDS, apply_and_watch
from pipeline_ops.demo.changes import Wave, scenario
from pipeline_ops.demo.comparison import compare
from pipeline_ops.demo.processing import processed
from pipeline_ops.demo.report import DemoResult
from pipeline_ops.demo.stores import DemoStore, SystemOutputs
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.local import running_system
from pipeline_ops.progress import ProgressDisplay
from pipeline_ops.routes.route import explained
from pipeline_ops.terminal import Console, Shown, console, document, silence, waiting

__all__ = ["demo", "run_demo"]


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
        code = run_demo(system.cloud.client, system.outputs, console(), as_json)
    sys.exit(code)


def run_demo(
    client: ClientMaker,
    outputs: SystemOutputs,
    out: Console,
    as_json: bool,
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> int:
    """Change production, watch every target follow, compare all of it, and print the answer.

    Returns the exit code: 1 if a target did not have a change within `deadline_seconds` of its wave's end, or if
    anything was different at the end. With `as_json` the console gets one JSON document and nothing else. Raises
    OperatorError when the system refuses to be changed or read.
    """
    source, targets = DemoStore.replicated(client, outputs)
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
                source, targets, wave.changes, on_progress=still_to_come, deadline_seconds=deadline_seconds
            )
            waves.append((wave.title, arrivals))
        say(f"Comparing {', '.join(target.environment for target in targets)} with {source.environment}")
        comparisons = [compare(source, target) for target in targets]
    result = DemoResult(source.environment, (f"demo/{run}/", f"{run}-"), waves, comparisons)
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
