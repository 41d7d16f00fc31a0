"""Batches for one call each, and the retry of what a call did not take."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from replication_core.aws.errors import StoreError

__all__ = ["Call", "batches", "thoroughly"]

T = TypeVar("T")

Call = Callable[[Sequence[T]], Mapping[T, StoreError]]
"""Makes one call for a batch, and returns why it did not take which of the batch; raises StoreError for all of it."""

_NO_PAUSES = (0.0, 0.0)


def batches(
    values: Iterable[T], most: int, *, size_of: Callable[[T], int] = lambda _: 0, most_bytes: int = 0
) -> Iterator[list[T]]:
    """Divide values, in their order, into batches of so many, and of so many bytes where the values have a size.

    A value of more bytes is alone.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    batch: list[T] = []
    size = 0
    for value in values:
        more = size_of(value)
        if batch and (len(batch) == most or size + more > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(value)
        size += more
    if batch:
        yield batch


def thoroughly(
    batch: Sequence[T],
    call: Call[T],
    *,
    pauses: Sequence[float] = _NO_PAUSES,
    pause: Callable[[float], None] = time.sleep,
) -> dict[T, StoreError]:
    """Call until everything of the batch is taken, and return the errors of what can't be.

    A batch that is refused for good is halved until what it is refused for stands alone. What a call leaves is called
    again, after the first of the pauses, in seconds, and after the following ones where calls in a row take nothing;
    what is left after as many of them as there are pauses, and one more, has the last call's error.
    """
    errors: dict[T, StoreError] = {}
    left = batch
    stalls = 0
    while left:
        try:
            refused = call(left)
        except StoreError as error:
            if not error.permanent or len(left) == 1:
                return errors | dict.fromkeys(left, error)
            middle = len(left) // 2
            halves = (thoroughly(half, call, pauses=pauses, pause=pause) for half in (left[:middle], left[middle:]))
            return errors | next(halves) | next(halves)
        errors |= {each: error for each, error in refused.items() if error.permanent}
        rest = [each for each in refused if each not in errors]
        stalls = stalls + 1 if len(rest) == len(left) else 0
        if stalls > len(pauses):
            return errors | {each: refused[each] for each in rest}
        if rest:
            pause(pauses[max(stalls, 1) - 1])
        left = rest
    return errors
