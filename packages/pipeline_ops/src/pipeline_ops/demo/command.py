"""`demo` as it is typed: a system of its own, changed and compared."""

import sys

from pipeline_ops.checkout import open_projects
from pipeline_ops.demo.run import run_demo
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.local import running_system
from pipeline_ops.progress import ProgressDisplay
from pipeline_ops.terminal import console

__all__ = ["demo"]


def demo(endpoint: str | None, provider: str | None, suffix: str | None, as_json: bool) -> None:
    """Deploy everything on this machine, change production's data and show it arrive."""
    interrupts = Interrupts()
    with (
        ProgressDisplay(console(stderr=True)) as progress,
        running_system(
            open_projects().repository,
            endpoint,
            provider=provider,
            suffix=suffix,
            on_event=progress.on_event,
            on_progress=progress.say,
            interrupts=interrupts,
        ) as system,
    ):
        progress.finish()
        code = run_demo(system, console(), as_json)
    sys.exit(code)
