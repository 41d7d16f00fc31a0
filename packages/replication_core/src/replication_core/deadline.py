"""The deadline until which a function may start new work."""

import time
from collections.abc import Callable

__all__ = ["Deadline"]

_RESERVE_SHARE = 0.2
_RESERVE_SECONDS = 15.0


class Deadline:
    """Tells when an invocation's time is nearly used up.

    The reserve, a fifth of the time but no more than 15 seconds, is for what is under way and for the reports. Until
    `start` is called there is no limit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = 0.0
        self._limit: float | None = None

    def start(self, remaining_ms: int | None) -> None:
        """Begin an invocation that has this many milliseconds; None for one without limit."""
        if remaining_ms is None:
            self._limit = None
            return
        seconds, self._begun = remaining_ms / 1000, self._clock()
        self._limit = self._begun + seconds - min(_RESERVE_SHARE * seconds, _RESERVE_SECONDS)

    def passed(self) -> bool:
        """Tell whether nothing new is to be started."""
        return self._limit is not None and self._clock() >= self._limit

    def half_passed(self) -> bool:
        """Tell whether half of that time is gone, and the rest is for what can't be left out."""
        return self._limit is not None and self._clock() >= (self._begun + self._limit) / 2
