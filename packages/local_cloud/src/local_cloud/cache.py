"""The user's cache, outside the checkout, for what takes long to make."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

__all__ = ["CACHE_VARIABLE", "cache_root", "make_once"]

CACHE_VARIABLE = "DATA_PIPELINE_CACHE"
"""The environment variable that names another cache folder."""


def cache_root() -> Path:
    """Return the user's cache folder for this project; it may not exist yet."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).absolute() if given else user_cache_path("data-pipeline", appauthor=False)


def make_once(
    folder: Path,
    is_made: Callable[[], bool],
    make: Callable[[], None],
    on_wait: Callable[[], None] = lambda: None,
) -> None:
    """Have `make` make a folder of the cache, unless `is_made` says that it is there.

    Callers in any process wait for the first, which `on_wait` may tell. `make` finds no such folder, and is to rename
    a whole one to it: then an interrupted one leaves nothing that looks finished.
    """
    if is_made():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        if not is_made():
            shutil.rmtree(folder, ignore_errors=True)
            make()
    finally:
        lock.release()
