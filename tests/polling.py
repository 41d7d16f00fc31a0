"""Waiting for what happens elsewhere: poll, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["eventually"]

T = TypeVar("T")


def eventually(look: Callable[[], T], *, what: str, within: float = 60.0, every: float = 0.2) -> T:
    """Return what `look` returns as soon as it is true; fail with `what` and the last answer after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {what} (last answer: {answer!r})")
        time.sleep(every)
