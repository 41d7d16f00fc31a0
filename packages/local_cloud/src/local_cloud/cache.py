"""Where what takes long to make is kept, once per user, outside the checkout."""

import os
from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["CACHE_VARIABLE", "cache_root"]

CACHE_VARIABLE = "DATA_PIPELINE_CACHE"
"""The environment variable that names another cache folder."""


def cache_root() -> Path:
    """Return the user's cache folder for this project; it may not exist yet."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).absolute() if given else user_cache_path("data-pipeline", appauthor=False)
