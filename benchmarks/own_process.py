"""Measurements in a process of their own, whose time and memory nothing else has a part in."""

import contextlib
import os
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = ["CommandCost", "command_cost", "elsewhere", "peak_mib", "timed"]

T = TypeVar("T")

_STATUS = Path("/proc/self/status")


def elsewhere(function: Callable[..., T], *arguments: object) -> T:
    """Return what a module's function returns in a fresh process; raises CalledProcessError where it fails."""
    asked = pickle.dumps((function, arguments))
    command = [sys.executable, "-m", "benchmarks.own_process"]
    answer: T = pickle.loads(subprocess.run(command, input=asked, stdout=subprocess.PIPE, check=True).stdout)
    return answer


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that something takes here, and the processor's, of all threads."""
    begin, processor = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - begin, time.process_time() - processor


def peak_mib() -> float:
    """Return this process's peak of resident memory so far.

    Where there is /proc its VmHWM is taken: getrusage's ru_maxrss includes what the parent had at the fork.
    """
    if not _STATUS.exists():
        return _max_rss_mib(resource.RUSAGE_SELF)
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)


def _max_rss_mib(who: int) -> float:
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(who).ru_maxrss / unit, 1)


@dataclass(frozen=True)
class CommandCost:
    """What a command took, and what it said of errors and findings."""

    seconds: float
    processor_seconds: float
    """Of all its threads, also in the kernel."""

    peak_mib: float
    said: str


def command_cost(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> CommandCost:
    """Run a command, as the first one of this process; raises RuntimeError where it fails.

    Called `elsewhere`, it adds little to the command's peak.
    """
    begin = time.perf_counter()
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if answer.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{answer.stderr}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_seconds = used.ru_utime + used.ru_stime
    return CommandCost(seconds, processor_seconds, _max_rss_mib(resource.RUSAGE_CHILDREN), answer.stderr)


if __name__ == "__main__":
    _function, _arguments = pickle.load(sys.stdin.buffer)
    with contextlib.redirect_stdout(sys.stderr):
        _answer = _function(*_arguments)
    sys.stdout.buffer.write(pickle.dumps(_answer))
