"""Holds: routes that were put back to a former version of their function, and stay there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pipeline_common.json_records import record_of
from pipeline_common.release import NEVER_RELEASED, Version

__all__ = ["Hold", "standing_holds"]


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Where a route's live alias was put back to, and from what."""

    version: str
    """The function's version that is live."""

    release: str
    """Its release; empty where its description tells none."""

    from_release: str
    """The newest release that the route was put back from; empty where that told none."""

    by: str
    at: str
    """When, in ISO 8601."""

    def __str__(self) -> str:
        return f"{self.release} ({self.version})" if self.release else f"version {self.version}"

    def document(self) -> dict[str, str]:
        """Return it as the replication's contract has it."""
        return asdict(self)

    @classmethod
    def parse(cls, document: Any) -> Self | None:
        """Read such a document; None for an empty one. Raises ValueError for anything else."""
        if document == {}:
            return None
        try:
            return record_of(cls, document)
        except ValueError as error:
            raise ValueError(f"{document!r} is no hold") from error

    def outlasts(self, release: Version) -> bool:
        """Tell whether a deploy of that release leaves it: one that is no newer than what was found bad."""
        return not release.is_newer_than(self.found_bad)

    @property
    def found_bad(self) -> Version:
        """The newest release that the route was put back from, and where none is told the oldest there can be."""
        try:
            return Version.parse(self.from_release)
        except ValueError:
            return NEVER_RELEASED


def standing_holds(exported: Mapping[str, Any], release: Version) -> dict[str, Hold]:
    """Return the holds, by target, that a deploy of that release leaves, from what the stack exported before."""
    targets = str(exported.get("targets", "")).split(",")
    found = {target: Hold.parse(exported.get(f"{target}_held", {})) for target in targets}
    return {target: hold for target, hold in found.items() if hold and hold.outlasts(release)}
