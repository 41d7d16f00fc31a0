"""Findings of a comparison, one per key."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from replication_core.aws.errors import StoreError
from replication_core.datasets import RecordKey

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DRIFT", "SUSPECT", "Finding", "Looked", "Verdict", "absent", "unknown"]


class Verdict(StrEnum):
    """The relation of a replica to its source, where they are not equal."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"
    IN_FLIGHT = "in flight"
    """Expected: it is on its way, or just was."""

    OUTSIDE = "outside"
    """Expected: the route does not replicate it."""

    UNKNOWN = "unknown"
    """It could not be compared."""


DRIFT = frozenset({Verdict.MISSING, Verdict.DIFFERENT, Verdict.EXTRA})
"""What a reconcile of the key is to mend; it can't for what is given up whenever it is tried, such as a large item."""

SUSPECT = DRIFT | {Verdict.UNKNOWN}
"""The verdicts that a second look may change."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A key whose replica is not, or not known to be, equal to its source."""

    key: RecordKey
    verdict: Verdict
    what: tuple[str, ...] = ()
    """What differs, by name and never by value; or why it is expected or not known."""

    size: int = 0
    """Bytes of the source's object."""

    source: str | None = None
    """Tells one state of the source from another; None where it has none."""

    own: bool = False
    """Of an extra one: the target made it itself, or somebody did by hand, since it has no mark of the route."""


def absent(key: RecordKey) -> Finding:
    """Return the finding of a key that was there, and that neither side has any more."""
    return Finding(key, Verdict.IN_FLIGHT, ("neither side has it any more",))


def unknown(key: RecordKey, error: StoreError) -> Finding:
    """Return the finding of a key that could not be compared, and why."""
    return Finding(key, Verdict.UNKNOWN, (f"{error.kind}: {error.message}",))


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at some keys."""

    objects: int = 0
    items: int = 0
    """Of the source, how many were compared."""

    findings: "Sequence[Finding]" = ()
