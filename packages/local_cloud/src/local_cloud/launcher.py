"""The launcher by which Pulumi finds the provider stand-in: on a PATH made for the local cloud, and on no other."""

import hashlib
import os
import shlex
import sys
import tempfile
from pathlib import Path

from local_cloud.cache import cache_root

__all__ = ["launcher_folder"]

_NAME = "pulumi-resource-aws"


def launcher_folder() -> Path:
    """Return a folder holding nothing but `pulumi-resource-aws`, which starts the stand-in with this Python.

    It is no console script of the environment: there, a deployment to AWS would find it too. -P keeps the folder that
    Pulumi starts it in, a project's, from being importable.
    """
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m local_cloud.provider "$@"\n'
    folder = cache_root() / "launcher" / hashlib.sha256(script.encode()).hexdigest()[:20]
    launcher = folder / _NAME
    if not launcher.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_at_once(launcher, script)
    return folder


def _write_at_once(path: Path, text: str) -> None:
    # Written aside and renamed, because another run may start the launcher at any moment.
    handle, name = tempfile.mkstemp(dir=path.parent.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).chmod(0o755)
    Path(name).replace(path)
