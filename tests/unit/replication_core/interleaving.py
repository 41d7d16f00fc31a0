"""Reconcilers run one store call at a time, in an order, and with accidents, that a test decides."""

import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from replication_core.aws.errors import StoreError

__all__ = ["Actor", "Crash", "Fate", "step"]

T = TypeVar("T")


class Crash(BaseException):
    """The end of a process: nothing that it runs may catch this."""


class Fate(Enum):
    """What becomes of a store call."""

    GOES = auto()
    IS_REFUSED = auto()
    TAKES_EFFECT_BUT_TIMES_OUT = auto()
    CRASHES_BEFORE = auto()
    CRASHES_AFTER = auto()


class Actor(Generic[T]):
    """A thread that only ever runs while `advance` waits for it, from one store call to the next."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._fate = Fate.GOES
        self.result: T | None = None
        """What the work returned; None while it goes on, and after a crash."""
        self.over = False
        self._has_crashed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def advance(self, fate: Fate = Fate.GOES) -> None:
        """Let the call that the actor stands before meet its fate, and run on to the next one or the end."""
        self._fate = fate
        self._go.release()
        self._stopped.acquire()
        if self.over:
            self._thread.join()

    def _run(self) -> None:
        _current.actor = self
        try:
            self._pause()
            self.result = self._work()
        except Crash:
            pass
        finally:
            self.over = True
            self._stopped.release()

    def _pause(self) -> Fate:
        self._stopped.release()
        self._go.acquire()
        return self._fate

    def step(self, effect: Callable[[], object]) -> None:
        if self._has_crashed:  # what cleans up after an error has no process any more to do so
            raise Crash
        fate = self._pause()
        self._has_crashed = fate in {Fate.CRASHES_BEFORE, Fate.CRASHES_AFTER}
        if fate is Fate.CRASHES_BEFORE:
            raise Crash
        if fate is Fate.IS_REFUSED:
            raise StoreError("SlowDown", "please reduce your request rate")
        effect()
        if fate is Fate.CRASHES_AFTER:
            raise Crash
        if fate is Fate.TAKES_EFFECT_BUT_TIMES_OUT:
            raise StoreError("ReadTimeoutError", "no answer")


class _Current(threading.local):
    actor: Actor[Any] | None = None


_current = _Current()


def step(effect: Callable[[], T]) -> T:
    """Make a store call: stand still until the test decides its fate."""
    actor = _current.actor
    assert actor is not None, "store calls are made by actors only"
    answer: list[T] = []
    actor.step(lambda: answer.append(effect()))
    return answer[0]
