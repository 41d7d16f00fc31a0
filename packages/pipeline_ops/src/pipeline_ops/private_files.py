"""Files and folders for their owner's eyes alone, whatever the umask is: production's keys are in them."""

import os
import stat
from pathlib import Path
from typing import TextIO

__all__ = [
    "LOCAL_FOLDER",
    "local_folder",
    "make_missing_folders",
    "open_private",
    "private_folder",
]

LOCAL_FOLDER = ".local"
"""The folder of the checkout for what belongs to local clouds, and for reports."""

_FOLDER = 0o700
_FILE = 0o600


def private_folder(folder: Path) -> Path:
    """Return a folder of ours, made where it isn't there; one that was open to others no longer is."""
    make_missing_folders(folder)
    folder.chmod(_FOLDER)
    return folder


def local_folder(repository: Path) -> Path:
    """Return the checkout's `.local`, made where it isn't there: keys of clouds and of production are in it."""
    return private_folder(repository / LOCAL_FOLDER)


def make_missing_folders(folder: Path) -> None:
    """Make a folder, and those above it, each private; one that exists is somebody's, and stays as it is."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=_FOLDER, exist_ok=True)


def open_private(path: Path) -> TextIO:
    """Return the file opened to be written anew; one that was open to others no longer is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # not a device or a pipe, such as /dev/stdout
            os.fchmod(descriptor, _FILE)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "w", encoding="utf-8")
