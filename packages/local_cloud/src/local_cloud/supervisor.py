"""Runs one command and ends it, with all its children, when whoever started this goes away.

Started as a script, with nothing but the standard library: `python supervisor.py FOLDER COMMAND...`. Its standard
input is a pipe that the owner keeps open and never writes to; the owner's end, even by SIGKILL, closes it. Then the
command's process group is asked to end, killed after a grace period, and FOLDER is removed. It exits with the
command's exit code.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from types import FrameType

__all__ = ["main", "supervise"]

GRACE_SECONDS = 3.0
_POLL_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1


class _StopRequested(BaseException):
    """Raised in the main loop by a signal."""


def supervise(folder: str, command: list[str], owner: int) -> int:
    """Run the command until it ends by itself or the descriptor `owner` reaches its end; return its exit code."""
    signal.signal(signal.SIGTERM, _request_stop)
    signal.signal(signal.SIGINT, _request_stop)
    # A group of its own, so that the command's children can be ended with it, and this process not.
    process = subprocess.Popen(  # noqa: S603 (running the given command is its purpose)
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 (one thread only)
    )
    try:
        with contextlib.suppress(_StopRequested):
            _wait_for_end(process, owner)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_group(process)
        shutil.rmtree(folder, ignore_errors=True)
    return process.returncode


def _request_stop(_number: int, _frame: FrameType | None) -> None:
    raise _StopRequested


def _wait_for_end(process: subprocess.Popen[bytes], owner: int) -> None:
    while process.poll() is None:
        readable, _, _ = select.select([owner], [], [], _POLL_SECONDS)
        if readable and not os.read(owner, 1024):
            return


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # The group outlives its leader while a child of it lives, so it is signalled even after the command ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)


def _die_with_parent() -> None:
    # Linux only: should this supervisor itself be killed, the kernel ends the command; elsewhere nothing more is known.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Supervise the command of this process's arguments."""
    _, folder, *command = sys.argv
    return supervise(folder, command, sys.stdin.fileno())


if __name__ == "__main__":
    sys.exit(main())
