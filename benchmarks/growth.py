"""How reconcile's own cost grows with the number of keys, against a store that is made up as it is read.

The store computes each state from its key and keeps nothing, and a pager makes up the keys, so that time and memory
are the reconciler's alone: this is what a backfill or a drift check over so many keys costs besides its calls.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.designs import BATCH
from benchmarks.memory import MEBIBYTE
from benchmarks.peak_memory import peak_bytes
from replication_core.reconcile import Action, Reading, Writing, reconcile

__all__ = ["Growth", "measure_growth"]


_LEAST_KEYS = 20_000
"""Keys that every measurement works on at least, in as many passes as that takes."""


@dataclass(frozen=True)
class Growth:
    """What so many keys cost: time per key, and the process's peak memory."""

    keys: int
    microseconds_per_key: float
    peak_mib: float


def measure_growth(sizes: Sequence[int]) -> list[Growth]:
    """Reconcile so many keys in batches, each number in a process of its own."""
    measured = []
    for keys in sizes:
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.growth", str(keys)], capture_output=True, text=True, check=True
        )
        seconds, peak = answer.stdout.split()
        measured.append(Growth(keys, round(float(seconds) / keys * 1e6, 2), round(int(peak) / MEBIBYTE, 1)))
    return measured


class _MadeUpStore:
    """Answers at once, and for every key alike."""

    def read(self, keys: Collection[str]) -> Reading[str, str]:
        return {key: key for key in keys}

    def write(self, states: Mapping[str, str | None]) -> Writing[str]:
        return dict.fromkeys(states, 1)

    def confirm(self, states: Mapping[str, str | None]) -> Reading[str, str]:
        return states


def _pages(keys: int) -> Iterator[list[str]]:
    for start in range(0, keys, BATCH):
        yield [f"prefix/{number:012d}" for number in range(start, min(start + BATCH, keys))]


def _measure_here(keys: int) -> None:
    _pass(_LEAST_KEYS)
    # A short pass is repeated, since a single one is over before its time can be told.
    seconds = statistics.median(_pass(keys) for _ in range(max(1, _LEAST_KEYS // keys)))
    print(seconds, peak_bytes())


def _pass(keys: int) -> float:
    store = _MadeUpStore()
    begin = time.perf_counter()
    copied = 0
    for page in _pages(keys):
        copied += sum(outcome.action is Action.COPIED for outcome in reconcile(page, store).values())
    seconds = time.perf_counter() - begin
    if copied != keys:
        raise RuntimeError(f"{copied} of {keys} keys were copied")
    return seconds


if __name__ == "__main__":
    _measure_here(int(sys.argv[1]))
