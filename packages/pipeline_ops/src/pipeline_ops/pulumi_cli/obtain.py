"""The search for a Pulumi CLI of a version that fits, and its installation where there is none."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from semver import Version

from local_cloud.cache import cache_root, make_once
from pipeline_ops.errors import OperatorError
from pipeline_ops.go_program import BuildError, GoProgram
from pipeline_ops.pulumi_cli.release import ReleaseError, download

__all__ = ["BUILT", "PULUMI_VERSION", "ensure", "fits", "version_of"]

PULUMI_VERSION = Version(3, 259, 0)
"""The version that is downloaded or built: that of the locked SDK, and of the Go module in this package."""

_VERSION_SECONDS = 30


def fits(version: Version | None) -> bool:
    """Tell whether a CLI of this version may be used: the pinned one or a later one of the same major version.

    Pulumi keeps a newer CLI compatible with an older SDK within a major version, and not the other way round.
    """
    return version is not None and version.major == PULUMI_VERSION.major and version >= PULUMI_VERSION


def version_of(executable: Path) -> Version | None:
    """Return what the CLI says its version is, or None when it can't be run or answers something else."""
    try:
        answer = subprocess.run(  # noqa: S603 (the CLI that is asked for its version)
            [str(executable), "version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=True,
        )
        return Version.parse(answer.stdout.strip().removeprefix("v"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


_VERSION_SYMBOL = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"

BUILT = GoProgram(
    name="pulumi",
    title=f"the Pulumi CLI {PULUMI_VERSION}",
    package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    module=Path(__file__).with_name("module"),
    linker_flags=f"-s -w -X {_VERSION_SYMBOL}=v{PULUMI_VERSION}",
    takes="about 6 minutes on two cores",
)
"""The CLI as it is built from its Go module, where there is no release."""


def ensure(on_progress: Callable[[str], None] = lambda _: None) -> Path:
    """Return the Pulumi CLI's executable.

    The one on PATH where its version fits, else the one in the user's cache, where it is put first: from the official
    release where that can be downloaded, else built from its Go module, which takes about 6 minutes. Concurrent
    callers wait for the first; an interrupted one leaves nothing that looks finished. Raises OperatorError.
    """
    on_path = shutil.which("pulumi")
    if on_path and fits(version_of(Path(on_path))):
        return Path(on_path).absolute()
    folder = cache_root() / "pulumi" / str(PULUMI_VERSION)
    executable = folder / "pulumi"
    make_once(
        folder,
        executable.exists,
        lambda: _get(folder, on_progress),
        lambda: on_progress("Waiting for another process that is getting the Pulumi CLI"),
    )
    return executable


def _get(folder: Path, on_progress: Callable[[str], None]) -> None:
    on_progress(f"Looking for the Pulumi CLI {PULUMI_VERSION}")
    try:
        download(PULUMI_VERSION, folder, on_progress)
    except ReleaseError as missing:
        on_progress(f"No official release here: {missing}")
        try:
            BUILT.build(folder, on_progress)
        except BuildError as failed:
            because, *said = str(failed).splitlines()
            raise OperatorError(
                f"The Pulumi CLI {PULUMI_VERSION} is neither on PATH nor to be had: {missing}, and it can't be built "
                f"from its Go module because {because}. Install it (https://www.pulumi.com/docs/install) or Go 1.25+.",
                details=said,
            ) from failed
    version = version_of(folder / "pulumi")
    if not fits(version):
        shutil.rmtree(folder, ignore_errors=True)
        raise OperatorError(f"The Pulumi CLI that was just made does not run here (it says {version}).")
