"""How long a route works off what has queued up while it stood still: by a formula, and by simulating its queue."""

import heapq
import math
import random
from dataclasses import dataclass

__all__ = ["Backlog", "Route"]

_FIRST_POLLERS = 5
_MORE_POLLERS_PER_SECOND = 300 / 60
"""Batches that Lambda works on at the same time at first, and how fast it adds more.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""

_SPREAD = 0.5
"""A batch takes up to so much more, or less, than on average."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """So many functions that are each handed full batches of a queue, one after another."""

    functions: int
    batch: int
    batch_seconds: float

    @property
    def per_second(self) -> float:
        """The changes that it makes at most."""
        return self.functions * self.batch / self.batch_seconds


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What waits in a queue after an outage, and what goes on coming."""

    arriving: float
    """Changes a second, during the outage too."""

    outage_seconds: float

    @property
    def waiting(self) -> float:
        """The changes that wait when the outage ends."""
        return self.arriving * self.outage_seconds

    def drained_after(self, route: Route) -> float:
        """Return the seconds until nothing waits but what has just come; infinite where the route never gets there."""
        spare = route.per_second - self.arriving
        return self.waiting / spare if spare > 0 else math.inf

    def simulate(self, route: Route, *, most_seconds: float, seed: int = 13) -> float:
        """Return the same of a queue that is handed out batch by batch, by functions that are begun one after another.

        No two batches take equally long. The answer is infinite where it is not drained after so many seconds.
        """
        chance = random.Random(seed)
        # When each function is free to take a batch: those beyond the first are begun as Lambda adds pollers.
        free = [max(0, number + 1 - _FIRST_POLLERS) / _MORE_POLLERS_PER_SECOND for number in range(route.functions)]
        taken = 0
        while free[0] < most_seconds:
            now = free[0]
            if self.waiting + self.arriving * now - taken < route.batch:
                return now
            taken += route.batch
            heapq.heapreplace(free, now + route.batch_seconds * chance.uniform(1 - _SPREAD, 1 + _SPREAD))
        return math.inf
