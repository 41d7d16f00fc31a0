"""The Pulumi CLI built from its Go module."""

from collections.abc import Callable
from pathlib import Path

from semver import Version

from pipeline_ops.go_program import GoProgram

__all__ = ["build"]

_VERSION_SYMBOL = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


def build(version: Version, folder: Path, on_progress: Callable[[str], None]) -> None:
    """Build the CLI into `folder`, which must not exist; about 6 minutes on two cores. Raises BuildError."""
    GoProgram(
        name="pulumi",
        title=f"the Pulumi CLI {version}",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        module=Path(__file__).with_name("module"),
        linker_flags=f"-s -w -X {_VERSION_SYMBOL}=v{version}",
        takes="about 6 minutes on two cores",
    ).build(folder, on_progress)
