"""The sources of the release before: of the newest tag behind the current commit, or, before there is one, of history.

The committed history of this repository serves as releases.
"""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

__all__ = ["FUNCTIONS", "former_sources"]

ROOT = Path(__file__).parents[1]
FUNCTIONS = ("packages/replication_core", "packages/queue_worker", "packages/replicator_lambda")
_PARTS = ("packages", "projects", "requirements")


def former_sources(folder: Path) -> Path:
    """Put the packages and projects of the release before into the folder; skip the test where history has none."""
    tags = _git("tag", "--list", "replication/v*", "--merged", "HEAD~1", "--sort=-version:refname").split()
    commits = _git("rev-list", "--max-count=1", "--skip=1", "HEAD", "--", *FUNCTIONS).split()
    if not (found := [*tags, *commits]):
        pytest.skip("there is no history here: the checkout is shallow, or no repository")
    archive = subprocess.run(["git", "archive", found[0], *_PARTS], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""
