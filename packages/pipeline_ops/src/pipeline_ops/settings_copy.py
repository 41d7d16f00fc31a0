"""The temporary copy of a project's settings that Pulumi works on, so that no command rewrites a committed file."""

import re
import shutil
from pathlib import Path

from pipeline_ops.projects import Projects, StackId

__all__ = ["copy_settings"]

# A key at the margin, with the indented lines that its value may go on in.
_REAL_KEY = re.compile(rb"^(?:secretsprovider|encryptedkey)[ \t]*:[^\n]*(?:\n[ \t]+[^\n]*)*\n?", re.MULTILINE)


def copy_settings(projects: Projects, stack: StackId, folder: Path, *, local: bool = False) -> None:
    """Write the project's and the stack's settings into `folder`: the committed ones, byte for byte.

    An instance's are its environment's, under the name that Pulumi looks for.

    A local cloud gets the very same, so that what Pulumi reads there it reads on AWS, and what it refuses it refuses;
    where the stack is, its program is told (`pipeline_ops.program`). Only what names a KMS key of the real world for
    the stack's secrets is left out there.
    """
    source = projects.folder(stack.project)
    shutil.copyfile(source / "Pulumi.yaml", folder / "Pulumi.yaml")
    committed = (source / stack.settings_file).read_bytes()
    (folder / f"Pulumi.{stack.environment}.yaml").write_bytes(_REAL_KEY.sub(b"", committed) if local else committed)
