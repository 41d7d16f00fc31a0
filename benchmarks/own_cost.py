"""What the replicator's code costs by itself: its imports at a cold start, and `reconcile` by the number of keys.

The store that is reconciled computes each state from its key and keeps nothing, so that time and memory are the
reconciler's alone: this is what a backfill or a drift check over so many keys costs besides its calls.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import boto3

from benchmarks.own_process import elsewhere, peak_mib
from pipeline_common.infra.byte_code import this_python
from pipeline_common.infra.lambda_archive import build
from replication_core.reconcile import Action, Reading, Writing, reconcile

__all__ = ["ColdImport", "Growth", "measure_growth", "measure_imports"]

_ROOT = Path(__file__).parents[1]
_PACKAGE = "replicator_lambda"
_HANDLERS = (f"{_PACKAGE}.handler", f"{_PACKAGE}.notifier")
_IMPORT = """
import sys, time
sys.path.insert(0, {place!r})
begin = time.process_time()
import {module}
print(time.process_time() - begin)
"""

_BATCH = 100
_LEAST_KEYS = 20_000
"""Keys that every measurement works on at least, in as many passes as that takes."""


@dataclass(frozen=True)
class ColdImport:
    """The median CPU seconds that a module's import takes in fresh processes, with and without byte code."""

    module: str
    seconds: float
    seconds_without: float
    boto3_seconds: float
    """What boto3's own import takes with byte code."""

    @property
    def share(self) -> float:
        """What byte code leaves of the time."""
        return self.seconds / self.seconds_without

    @property
    def times_boto3(self) -> float:
        """The time in multiples of boto3's."""
        return self.seconds / self.boto3_seconds


def measure_imports(runs: int) -> list[ColdImport]:
    """Import the handlers in so many processes, taking turns, as a cold start does.

    They come of the archive, unpacked, where no byte code is written; of this Python there is nothing but its library.
    """
    with tempfile.TemporaryDirectory(prefix="cold-import-") as name:
        compiled, plain = Path(name, "compiled"), Path(name, "plain")
        build(_PACKAGE, repository=_ROOT, into=compiled, python=this_python())
        build(_PACKAGE, repository=_ROOT, into=plain)
        # The first turn, which does not count, writes the byte code of boto3, for it is read of where it is installed.
        cached, installed = f"pycache_prefix={name}/boto3", Path(boto3.__file__).parents[1]
        cases = {
            "boto3": partial(_import_once, "-X", cached, place=installed, module="boto3"),
            **{each: partial(_import_once, "-B", place=compiled, module=each) for each in _HANDLERS},
            **{f"{each} without": partial(_import_once, "-B", place=plain, module=each) for each in _HANDLERS},
        }
        turns = [{case: seconds() for case, seconds in cases.items()} for _ in range(runs + 1)]
    medians = {case: statistics.median(turn[case] for turn in turns[1:]) for case in cases}
    return [ColdImport(each, medians[each], medians[f"{each} without"], medians["boto3"]) for each in _HANDLERS]


def _import_once(*options: str, place: Path, module: str) -> float:
    """Return the CPU seconds of a module's import by a Python with these options, which has it of that place."""
    command = [sys.executable, "-I", "-S", *options, "-c", _IMPORT.format(module=module, place=str(place))]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


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
