"""Versions of the Pulumi CLI that fit."""

import subprocess
from pathlib import Path

from semver import Version

__all__ = ["PULUMI_VERSION", "fits", "version_of"]

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
