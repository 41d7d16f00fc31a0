"""Worktrees of a repository at a commit: a release's in the user's cache, and one that ends with a block."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from pipeline_common.infra.lambda_archive import cache_root
from pipeline_ops.releases.git import Git

__all__ = ["fleeting_worktree", "release_worktree"]


@contextmanager
def fleeting_worktree(git: Git, commit: str) -> Iterator[Path]:
    """Give the repository's folder as it is in a commit, for the block."""
    with tempfile.TemporaryDirectory(prefix="pipeline-") as name:
        folder = Path(name) / "worktree"
        git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder / git("rev-parse", "--show-prefix")
        finally:
            git("worktree", "remove", "--force", str(folder))


@contextmanager
def release_worktree(git: Git, commit: str) -> Iterator[Path]:
    """Give the repository's folder as it is in a commit, for the block; who wants the same one meanwhile waits.

    What git ignores stays there from block to block: above all the environment, which takes a while to make.
    """
    owner = hashlib.sha256(git("rev-parse", "--path-format=absolute", "--git-common-dir").encode()).hexdigest()
    folder = cache_root() / "releases" / f"{commit[:12]}-{owner[:8]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        own = Git(folder)
        if not _is_at(own, commit):
            shutil.rmtree(folder, ignore_errors=True)
            git("worktree", "prune")
            git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        own("reset", "--quiet", "--hard")
        own("clean", "--quiet", "--force", "-d")
        yield folder / git("rev-parse", "--show-prefix")


def _is_at(worktree: Git, commit: str) -> bool:
    """Tell whether the folder is a worktree at the commit, and no folder within somebody's repository."""
    folder = worktree.repository
    return (
        folder.is_dir()
        and worktree.succeeds("rev-parse", "--verify", "--quiet", "HEAD")
        and worktree("rev-parse", "--show-toplevel", "HEAD").splitlines() == [str(folder.resolve()), commit]
    )
