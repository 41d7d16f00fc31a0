"""The Pulumi CLI built from its Go module, every dependency pinned and hashed by the module in this package."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from semver import Version

__all__ = ["BuildError", "build", "build_environment"]

_MODULE = Path(__file__).with_name("module")
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VERSION_SYMBOL = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_REPORT_SECONDS = 30.0
_LIMIT_SECONDS = 3600.0
_POLL_SECONDS = 1.0
_TAIL_LINES = 12
_OWN_SETTINGS = ("GOFLAGS", "GOWORK", "GOOS", "GOARCH", "GOEXPERIMENT", "CGO_ENABLED", "GO111MODULE", "GOBIN")


class BuildError(Exception):
    """The CLI can't be built here; the message says why."""


def build(version: Version, folder: Path, on_progress: Callable[[str], None]) -> None:
    """Build the CLI into `folder`, which must not exist; about 6 minutes on two cores.

    The module proxy and toolchain are the user's own settings. Raises BuildError with the compiler's last lines.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildError("Go is not on PATH")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as temporary:
        module, result = Path(temporary) / "module", Path(temporary) / "result"
        shutil.copytree(_MODULE, module)
        command = [
            *(go, "build", "-mod=readonly", "-trimpath"),
            *("-ldflags", f"-s -w -X {_VERSION_SYMBOL}=v{version}"),
            *("-o", str(result / "pulumi"), _PACKAGE),
        ]
        result.mkdir()
        _run(command, module, lambda elapsed: on_progress(_waiting(version, elapsed)))
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
    reported = -_REPORT_SECONDS
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603 (the Go tool, with nothing of a user's in its arguments)
            command, cwd=folder, env=build_environment(os.environ), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                elapsed = time.monotonic() - started
                if elapsed > _LIMIT_SECONDS:
                    raise BuildError(f"it took more than {_LIMIT_SECONDS / 60:.0f} minutes")
                if elapsed - reported >= _REPORT_SECONDS:
                    on_wait(elapsed)
                    reported = elapsed
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            raise BuildError("the Go compiler said: " + "\n".join(output.read().splitlines()[-_TAIL_LINES:]))


def _waiting(version: Version, elapsed: float) -> str:
    sentence = f"Building the Pulumi CLI {version} from its Go module (about 6 minutes on two cores, once)"
    return sentence if elapsed < 1 else f"{sentence}: {elapsed / 60:.1f} minutes so far"
