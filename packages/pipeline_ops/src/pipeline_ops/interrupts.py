"""Ctrl-C while Pulumi runs: passed on to it, which finishes the resources it is at and releases its lock."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupts", "ReadingInterrupts", "interrupt_notice"]


class Interrupts:
    """Counts the interrupts of a block, and passes each on to every engine that runs in it.

    Engines run in a process group of their own: a terminal's Ctrl-C reaches this process alone, and Pulumi is sent it
    once. A second one makes Pulumi end at once, which can leave resources that its state does not know.
    """

    def __init__(self, on_interrupt: Callable[[int], None] = lambda _: None) -> None:
        self._on_interrupt = on_interrupt
        self._engines: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.count = 0

    @contextmanager
    def passed_on(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM over inside the block; does nothing outside the main thread, where Python can't."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._pass_on) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    @contextmanager
    def engine(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Pass interrupts on to the process inside the block; one that came before it began reaches it too."""
        with self._lock:
            self._engines.add(process)
            already = self.count
        for _ in range(already):
            process.send_signal(signal.SIGINT)
        try:
            yield
        finally:
            with self._lock:
                self._engines.discard(process)

    def _pass_on(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        # The set is only ever replaced element by element, and a signal handler must not wait for a lock that the
        # code it interrupts may hold.
        for process in tuple(self._engines):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGINT)
        self._on_interrupt(self.count)


class ReadingInterrupts(Interrupts):
    """Those of a command by which Pulumi changes nothing: the first one ends it, as Python does by itself."""

    @contextmanager
    def passed_on(self) -> Iterator[None]:
        """Leave the signals as they are: KeyboardInterrupt is raised where the command is."""
        yield

    @contextmanager
    def engine(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """End the process, which has a process group of its own, when the block is interrupted."""
        try:
            yield
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()  # until it has released its lock
            raise


def interrupt_notice(count: int) -> str:
    """Say what the first Ctrl-C does, and what a second one would."""
    if count == 1:
        return "Interrupted: Pulumi finishes the resources it is at. Once more ends it at once, and may lose track."
    return "Interrupted again: Pulumi ends at once."
