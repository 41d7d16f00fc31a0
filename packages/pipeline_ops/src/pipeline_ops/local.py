"""`local`: the whole system kept up on this machine."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from pipeline_ops.checkout import open_projects
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.interrupts import Interrupts, interrupt_notice
from pipeline_ops.playground import Playground
from pipeline_ops.progress import ProgressDisplay
from pipeline_ops.running_system import running_system
from pipeline_ops.terminal import console, tell
from pipeline_ops.where import LOCAL_STOPS

__all__ = ["local"]

_ALIVE_SECONDS = 1.0


def local(detach: bool, stop: bool, endpoint: str | None, provider: str | None, suffix: str | None) -> None:
    """Bring the whole system up on this machine, until Ctrl-C, or end the one that is up."""
    if stop and (detach or endpoint or provider or suffix):
        raise OperatorError("--stop ends the one that is up, and goes with no other option.", MISUSED)
    repository = open_projects().repository
    playground = Playground(repository)
    if stop:
        tell("The local cloud has ended." if playground.stop() else "No local cloud is up.")
    elif detach:
        with ProgressDisplay(console(stderr=True)) as progress:
            given = {"--endpoint": endpoint, "--provider": provider, "--suffix": suffix}
            arguments = [word for name, value in given.items() if value is not None for word in (name, value)]
            running = playground.detach(arguments, progress.say)
        tell(f"The local cloud is up at {running.endpoint}: {playground.description}")
        tell(f"`{LOCAL_STOPS}` ends it.")
    else:
        _hold(repository, playground, endpoint, provider, suffix)


def _hold(
    repository: Path, playground: Playground, endpoint: str | None, provider: str | None, suffix: str | None
) -> None:
    with playground.held(), ProgressDisplay(console(stderr=True)) as progress:
        interrupts = Interrupts(lambda count: progress.say(interrupt_notice(count)))
        with running_system(
            repository,
            endpoint,
            provider=provider,
            suffix=suffix,
            on_event=progress.on_event,
            on_progress=progress.say,
            interrupts=interrupts,
        ) as system:
            playground.describe(system)
            progress.say(
                f"The whole system is up at {system.cloud.endpoint}: {playground.description}. Ctrl-C ends it."
            )
            if not _wait_for_signal(system.cloud.is_alive):
                raise OperatorError(f"The emulator at {system.cloud.endpoint} has ended by itself.")


def _wait_for_signal(is_alive: Callable[[], bool]) -> bool:
    """Wait for SIGINT or SIGTERM; False when what is held ended by itself."""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not asked.wait(_ALIVE_SECONDS):
            if not is_alive():
                return False
        return True
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
