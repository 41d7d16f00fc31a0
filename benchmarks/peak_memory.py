"""A process's peak of resident memory; `python -m benchmarks.peak_memory COMMAND` tells a command's, and its time."""

import resource
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["peak_bytes"]

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Return this process's peak of resident memory so far.

    Where there is /proc its VmHWM is taken: getrusage's ru_maxrss includes what the parent had at the fork.
    """
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return _max_rss_bytes(resource.RUSAGE_SELF)


def _max_rss_bytes(who: int) -> int:
    usage = resource.getrusage(who).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024


def _tell_of(command: list[str]) -> None:
    """Run a command, and print its seconds and its peak: here, since this small process adds little to the latter."""
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    print(time.perf_counter() - begin, _max_rss_bytes(resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    _tell_of(sys.argv[1:])
