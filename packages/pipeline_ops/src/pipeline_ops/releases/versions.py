"""The version that a checkout has of a project, and the releases that came before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_common.release import NEVER_RELEASED, UNKNOWN, Release, Version
from pipeline_ops.releases.closure import Closure
from pipeline_ops.releases.git import Git

__all__ = ["Commit", "checkout_version", "commits_since", "last_release"]

_SHORT = 7
"""Characters of a commit's hash in a version: as many everywhere, where git by itself takes as many as it needs."""


@dataclass(frozen=True)
class Commit:
    """A commit by its hash and its subject, `area: what it does`.

    >>> commit = Commit("abc1234567", "queue_worker!: write envelopes of another form")
    >>> commit.area, commit.what, commit.breaks, commit.short
    ('queue_worker', 'write envelopes of another form', True, 'abc1234')
    """

    hash: str
    subject: str

    @property
    def short(self) -> str:
        """The hash, as versions and notes have it."""
        return self.hash[:_SHORT]

    @property
    def area(self) -> str:
        """What of the repository it says that it changes; `other` where it says nothing."""
        area, colon, _ = self.subject.partition(": ")
        return area.removesuffix("!") if colon else "other"

    @property
    def what(self) -> str:
        """What it does there."""
        return self.subject.partition(": ")[2] or self.subject

    @property
    def breaks(self) -> bool:
        """Whether it says that somebody has to follow it."""
        return self.subject.partition(": ")[0].endswith("!")


def checkout_version(repository: Path, project: str) -> Version:
    """Return the version that the repository's folder has of a project.

    A commit that touches nothing of the project's closure makes no other version, and so no other function.
    """
    git = Git(repository)
    if not git.knows(f"projects/{project}/__main__.py"):
        return UNKNOWN
    paths = Closure(repository, project).paths
    last = last_release(git, project)
    if last is None and git("rev-parse", "--is-shallow-repository") == "true":
        return UNKNOWN
    commits = commits_since(git, last, paths)
    is_dirty = git.changed(paths)
    released = last.version if last else NEVER_RELEASED
    if not commits and not is_dirty:
        return released
    newest = commits[0].hash if commits else git("rev-list", "--max-count=1", "HEAD", "--", *paths)
    return Version(released.number, f"{len(commits)}.g{newest[:_SHORT]}{'.dirty' if is_dirty else ''}")


def last_release(git: Git, project: str) -> Release | None:
    """Return the newest release that the current commit holds; None before the first."""
    tags = git("for-each-ref", "--merged=HEAD", "--format=%(refname:lstrip=2)", f"refs/tags/{project}/").split("\n")
    return max(filter(None, map(_release, tags)), key=lambda release: release.version.number, default=None)


def commits_since(git: Git, last: Release | None, paths: Sequence[str]) -> list[Commit]:
    """Return the commits after a release, or all, that touch something there: the newest first."""
    since = f"refs/tags/{last}..HEAD" if last else "HEAD"
    lines = git("rev-list", "--no-commit-header", "--format=%H %s", since, "--", *paths).split("\n")
    return [Commit(hash_, subject) for hash_, _, subject in (line.partition(" ") for line in lines if line)]


def _release(tag: str) -> Release | None:
    try:
        return Release.parse(tag)
    except ValueError:
        return None
