"""Release notes: what a release changes, how much by semantic versioning, and which archives it has. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import NamedTuple

from pipeline_common.release import Release, Version
from pipeline_ops.counts import counted
from pipeline_ops.releases.contract_changes import ContractChange
from pipeline_ops.releases.versions import Commit

__all__ = ["CHANGELOG", "Bump", "ReleaseNotes", "archives_noted", "proposed_bump", "with_notes"]

CHANGELOG = "CHANGELOG.md"
"""The file of all releases' notes, in the repository's folder."""

_HEAD = "# Changelog\n\nEach release as the release command wrote it, the newest first.\n"
_SECTION = re.compile(r"^(?=## )", re.MULTILINE)
_ARCHIVE = re.compile(r"^Archive `(\w+)`: `sha256:([0-9a-f]{64})`$", re.MULTILINE)


class Bump(NamedTuple):
    """The part of a version to raise, and why."""

    part: str
    """One of `major`, `minor` and `patch`."""

    why: str


def proposed_bump(project: str, former: Version | None, commits: Iterable[Commit], contract: ContractChange) -> Bump:
    """Return which part of the version has to be raised, and why.

    Who reads the contract has to follow a major release; a minor one declares or exports more, or otherwise, than the
    one before it; a patch changes how the project does what it did.
    """
    breaking = next((commit for commit in commits if commit.breaks), None)
    if former is None:
        return Bump("major", "it is the first release")
    if contract.gone:
        return Bump("major", f"its contract no longer has {', '.join(contract.gone)} as it was")
    if breaking:
        return Bump("major", f"{breaking.short} says that it breaks something")
    if contract.new:
        return Bump("minor", f"its contract has {', '.join(contract.new)} besides")
    if own := next((commit for commit in commits if commit.area == project), None):
        return Bump("minor", f"{own.short} changes what {project} itself declares")
    return Bump("patch", f"neither its contract nor what {project} itself declares has changed")


@dataclass(frozen=True, kw_only=True)
class ReleaseNotes:
    """The notes of one release, which stand in its tag and in the changelog."""

    release: Release
    former: Version | None
    on: date
    commits: Sequence[Commit]
    """Those that touch the project since the former release, the newest first."""

    contract: ContractChange
    needs: Mapping[str, Sequence[str]]
    """The outputs that it reads and the former release did not, by the projects that have to export them."""

    archives: Mapping[str, str]
    """The SHA-256 of each function's archive, by the package that it is built from."""

    @property
    def text(self) -> str:
        """The notes in Markdown."""
        paragraphs = [f"## {_title(self.release)} ({self.on})", *self._changes()]
        if self.contract.new:
            paragraphs.append(f"The contract has {_code(self.contract.new)} besides.")
        if self.contract.gone:
            paragraphs.append(f"The contract no longer has {_code(self.contract.gone)} as before.")
        paragraphs += [
            f"Deploy {project} first where that does not export {_code(names)} yet."
            for project, names in self.needs.items()
            if names
        ]
        paragraphs += ["\n".join(f"Archive `{name}`: `sha256:{each}`" for name, each in sorted(self.archives.items()))]
        return "\n\n".join(filter(None, paragraphs)) + "\n"

    def _changes(self) -> list[str]:
        if self.former is None:
            return [f"The first release, of {counted(len(self.commits), 'commit')}."]
        areas = groupby(sorted(self.commits, key=lambda commit: commit.area), key=lambda commit: commit.area)
        return [
            f"Since {self.former}:",
            "\n".join(f"- {area}: {commit.what} ({commit.short})" for area, commits in areas for commit in commits),
        ]


def archives_noted(changelog: str, release: Release) -> dict[str, str]:
    """Return the SHA-256 of each archive that the release's notes in a changelog name, by its package."""
    sections = (each for each in _SECTION.split(changelog) if each.startswith(f"## {_title(release)} ("))
    return dict(_ARCHIVE.findall(next(sections, "")))


def with_notes(changelog: str, notes: ReleaseNotes) -> str:
    """Return the changelog with a release's notes above all others.

    It may have them already, by a release that was cut off before its tag was made.
    """
    same = re.escape(notes.text.partition("(")[0])
    rest = re.sub(rf"^{same}\(.*?(?=^## |\Z)", "", changelog.removeprefix(_HEAD), flags=re.DOTALL | re.MULTILINE)
    return f"{_HEAD}\n{notes.text}{rest}"


def _title(release: Release) -> str:
    return f"{release.project} {release.version}"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
