"""Versions and releases of a project, and the version that a running program deploys."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Self

from semver import Version as Semantic

__all__ = [
    "NEVER_RELEASED",
    "UNKNOWN",
    "Release",
    "Version",
    "deployed_version",
    "deploying",
    "version_described",
    "with_version",
]


@dataclass(frozen=True, slots=True)
class Version:
    """What a checkout has of a project: a release, or what has changed since.

    `v1.4.0` is a release; `v1.4.0+3.gabc1234` has three commits more that touch the project, of which `gabc1234` is the
    last; `v1.4.0+3.gabc1234.dirty` has changes besides that no commit holds.

    >>> later = Version.parse("v1.4.0+3.gabc1234")
    >>> later.is_release, later.is_newer_than(Version.parse("v1.4.0"))
    (False, False)
    """

    number: Semantic
    """The release's, without what came after it."""

    since: str = ""
    """What came after it; empty for the release itself."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` has written; raises ValueError for anything else, a pre-release too."""
        number = Semantic.parse(text[1:]) if text.startswith("v") else None
        if number is None or number.prerelease is not None:
            raise ValueError(f"{text!r} is no version such as v1.4.0")
        return cls(number.replace(build=None), number.build or "")

    @property
    def is_release(self) -> bool:
        """Whether it is just a release."""
        return not self.since

    def bumped(self, part: str) -> "Version":
        """Return the next release, in which that part is raised: `major`, `minor` or `patch`."""
        return Version(self.number.next_version(part))

    def is_newer_than(self, other: "Version") -> bool:
        """Tell whether it is of a later release; what came after a release counts for nothing.

        https://semver.org/#spec-item-10
        """
        return self.number > other.number

    def __str__(self) -> str:
        return f"v{self.number}+{self.since}" if self.since else f"v{self.number}"


NEVER_RELEASED = Version(Semantic(0))
"""What a project has before its first release."""

UNKNOWN = Version(Semantic(0), "unknown")
"""That of a checkout of which git knows nothing, such as an unpacked archive."""


@dataclass(frozen=True, slots=True)
class Release:
    """A project's version as its tag names it: `replication/v1.4.0`."""

    project: str
    version: Version

    @classmethod
    def parse(cls, tag: str) -> Self:
        """Read a tag's name; raises ValueError for one that is no release's."""
        project, _, version = tag.rpartition("/")
        release = cls(project, Version.parse(version))
        if not project or "/" in project or not release.version.is_release:
            raise ValueError(f"{tag!r} is no release such as replication/v1.4.0")
        return release

    def __str__(self) -> str:
        return f"{self.project}/{self.version}"


def with_version(description: str, version: Version) -> str:
    """Return a resource's description that says of which version it is.

    >>> with_version("Replicates", Version.parse("v1.4.0"))
    'Replicates (v1.4.0)'
    """
    return f"{description} ({version})"


def version_described(description: str) -> Version | None:
    """Return the version that such a description says; None where it says none.

    >>> str(version_described("Replicates (v1.4.0)"))
    'v1.4.0'
    """
    _, parenthesis, version = description.rpartition(" (")
    try:
        return Version.parse(version.removesuffix(")")) if parenthesis else None
    except ValueError:
        return None


_deployed: ContextVar[Version] = ContextVar("deployed_version", default=UNKNOWN)


@contextmanager
def deploying(version: Version) -> Iterator[None]:
    """Say which version the program inside the block deploys; by hand (`pulumi up`) nobody says."""
    token = _deployed.set(version)
    try:
        yield
    finally:
        _deployed.reset(token)


def deployed_version() -> Version:
    """Return the version that the running program deploys, `UNKNOWN` where nobody has said."""
    return _deployed.get()
