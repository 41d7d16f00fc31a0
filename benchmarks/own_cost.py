"""What the replicator's code costs by itself: its imports at a cold start, and `reconcile` by the number of keys.

The store that is reconciled computes each state from its key and keeps nothing, so that time and memory are the
reconciler's alone: this is what a backfill or a drift check over so many keys costs besides its calls.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.own_process import elsewhere, peak_mib
from replication_core.reconcile import Action, Reading, Writing, reconcile

__all__ = ["ColdImport", "Growth", "measure_growth", "measure_imports"]

_IMPORT = "import time; begin = time.perf_counter(); import {module}; print(time.perf_counter() - begin)"
_BASELINE = "boto3"
"""What every design needs."""

_MODULES = (_BASELINE, "replicator_lambda.handler", "replicator_lambda.notifier")
_BATCH = 100
_LEAST_KEYS = 20_000
"""Keys that every measurement works on at least, in as many passes as that takes."""


@dataclass(frozen=True)
class ColdImport:
    """The median import time of a module in fresh processes, relative to boto3's."""

    module: str
    seconds: float
    times_boto3: float


def measure_imports(runs: int) -> list[ColdImport]:
    """Import each module in so many processes, the modules taking turns; byte code is compiled beforehand."""
    turns = [{module: _import_once(module) for module in _MODULES} for _ in range(runs + 1)]
    medians = {module: statistics.median(turn[module] for turn in turns[1:]) for module in _MODULES}
    return [ColdImport(module, median, median / medians[_BASELINE]) for module, median in medians.items()]


def _import_once(module: str) -> float:
    program = _IMPORT.format(module=module)
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@dataclass(frozen=True)
class Growth:
    """What so many keys cost: time per key, and the process's peak memory."""

    keys: int
    microseconds_per_key: float
    peak_mib: float


def measure_growth(sizes: Sequence[int]) -> list[Growth]:
    """Reconcile so many keys in batches, each number in a process of its own."""
    return [elsewhere(_growth, keys) for keys in sizes]


def _growth(keys: int) -> Growth:
    _pass(_LEAST_KEYS)
    # A short pass is repeated, since a single one is over before its time can be told.
    seconds = statistics.median(_pass(keys) for _ in range(max(1, _LEAST_KEYS // keys)))
    return Growth(keys, round(seconds / keys * 1e6, 2), peak_mib())


class _MadeUpStore:
    """Answers at once, and for every key alike."""

    def read(self, keys: Collection[str]) -> Reading[str, str]:
        return {key: key for key in keys}

    def write(self, states: Mapping[str, str | None]) -> Writing[str]:
        return dict.fromkeys(states, 1)

    def confirm(self, states: Mapping[str, str | None]) -> Reading[str, str]:
        return states


def _pages(keys: int) -> Iterator[list[str]]:
    for start in range(0, keys, _BATCH):
        yield [f"prefix/{number:012d}" for number in range(start, min(start + _BATCH, keys))]


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
