"""A program built from its Go module, once per user, with every dependency pinned and hashed by a module of ours."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BuildError", "GoProgram", "build_environment"]

_REPORT_SECONDS = 30.0
_LIMIT_SECONDS = 3600.0
_TAIL_LINES = 12
_OWN_SETTINGS = ("GOFLAGS", "GOWORK", "GOOS", "GOARCH", "GOEXPERIMENT", "CGO_ENABLED", "GO111MODULE", "GOBIN")


class BuildError(Exception):
    """The program can't be built here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """What is built, and by what."""

    name: str
    """Of the executable."""

    title: str
    """What it is called, with its version, in what is said while it is built."""

    package: str
    module: Path
    """The folder of the go.mod that names the package's version, and of the go.sum that holds every hash."""

    linker_flags: str = "-s -w"
    takes: str
    """How long that is, in words."""

    def build(self, folder: Path, on_progress: Callable[[str], None]) -> None:
        """Build it into `folder`, which must not exist; raises BuildError with the compiler's last lines."""
        go = shutil.which("go")
        if go is None:
            raise BuildError("Go is not on PATH")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as temporary:
            module, result = Path(temporary) / "module", Path(temporary) / "result"
            shutil.copytree(self.module, module)
            command = [
                *(go, "build", "-mod=readonly", "-trimpath", "-ldflags", self.linker_flags),
                *("-o", str(result / self.name), self.package),
            ]
            result.mkdir()
            on_progress(sentence := f"Building {self.title} from its Go module ({self.takes}, once)")
            _run(command, module, lambda elapsed: on_progress(f"{sentence}: {elapsed / 60:.1f} minutes so far"))
            result.rename(folder)


def build_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the build: the user's, without the settings that would make another program of it."""
    return {name: value for name, value in environ.items() if name not in _OWN_SETTINGS} | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "",
        "GOWORK": "off",
    }


def _run(command: list[str], folder: Path, on_wait: Callable[[float], None]) -> None:
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603 (the Go tool, with nothing of a user's in its arguments)
            command, cwd=folder, env=build_environment(os.environ), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while (code := _ended(process)) is None:
                elapsed = time.monotonic() - started
                if elapsed > _LIMIT_SECONDS:
                    raise BuildError(f"it took more than {_LIMIT_SECONDS / 60:.0f} minutes")
                on_wait(elapsed)
        finally:
            process.kill()  # does nothing to one that has ended
            process.wait()
        if code != 0:
            output.seek(0)
            raise BuildError("the Go compiler said: " + "\n".join(output.read().splitlines()[-_TAIL_LINES:]))


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_REPORT_SECONDS)
    except subprocess.TimeoutExpired:
        return None
