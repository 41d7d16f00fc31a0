"""Byte code in a function's archive, without which each cold start compiles all that it imports.

It is named by the Python that can read it and holds no time and no machine's path. Only one patch release of Python
makes the same bytes of every source (3.11.2 and 3.11.7 differ in two files of 618), so just one may make them for AWS.
"""

import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

__all__ = ["RUNTIME_PYTHON", "Python", "compile_command", "runtime_python", "this_python"]

RUNTIME_PYTHON = "3.13.18"
"""The Python of the functions' runtime; each patch release of Lambda's reads what another one has compiled."""

_PLACE_IN_LAMBDA = "/var/task"
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""

_DOWNLOAD_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Python:
    """A Python that compiles: its executable, and its version in full."""

    executable: Path
    version: str


def this_python() -> Python:
    """Return the Python that runs this, which runs a local cloud's functions too."""
    return Python(Path(sys.executable), platform.python_version())


def runtime_python() -> Python | None:
    """Return uv's own build of the runtime's Python, which uv installs unless it has; None where it can't be had."""
    asked = f"cpython@{RUNTIME_PYTHON}"
    if _uv("install", "--no-bin", asked) is None:
        return None
    # Only uv's own, since uv gives up at an executable on PATH that can't be asked for its version.
    found = _uv("find", "--no-project", "--managed-python", asked)
    return Python(Path(found.strip()), RUNTIME_PYTHON) if found else None


def _uv(*arguments: str) -> str | None:
    """Return what `uv python` prints; None where it fails, takes too long, or there is no uv."""
    try:
        command = [find_uv_bin(), "--no-config", "--quiet", "python", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=True)  # noqa: S603 - no shell
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def compile_command(python: Python, folder: Path, packages: Iterable[str]) -> Sequence[str]:
    """Return the command that puts byte code beside the sources of packages in the folder of an archive.

    Readers do not compare it with its source: in Lambda nothing changes, and each read of a source would cost.
    """
    compileall = (str(python.executable), "-I", "-S", "-B", "-m", "compileall", "-q")
    places = ("-s", str(folder), "-p", _PLACE_IN_LAMBDA, *(str(folder / package) for package in packages))
    return (*compileall, "--invalidation-mode", "unchecked-hash", *places)
