"""Findings of a comparison, one per key."""

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from replication_core.aws.errors import StoreError
from replication_core.datasets import RecordKey
from replication_core.masking.marks import Doubt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replication_core.masking.mask import Mask

__all__ = [
    "DRIFT",
    "OF_ANOTHER_POLICY",
    "OF_POLICY",
    "SUSPECT",
    "Finding",
    "Looked",
    "Verdict",
    "absent",
    "extra",
    "state_digest",
    "unknown",
    "verdict_of",
]


class Verdict(StrEnum):
    """The relation of a replica to its source, where they are not equal."""

    UNMASKED = "unmasked"
    """The route masks, and nothing proves that a policy has made it: whatever it is, it may be as in production."""

    STALE = "stale"
    """Another policy than the route's has made it, or one with another key."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"
    IN_FLIGHT = "in flight"
    """Expected: it is on its way, or just was."""

    OUTSIDE = "outside"
    """Expected: the route does not replicate it."""

    REFUSED = "refused"
    """Expected: the route's policy refuses it, and no other policy has left a replica."""

    UNKNOWN = "unknown"
    """It could not be compared."""


_DIGEST_KEY = os.urandom(32)

OF_ANOTHER_POLICY = frozenset({Verdict.UNMASKED, Verdict.STALE})
"""The verdicts on a replica that another policy than the route's has made, or none."""

DRIFT = OF_ANOTHER_POLICY | {Verdict.MISSING, Verdict.DIFFERENT, Verdict.EXTRA}
"""What a reconcile of the key is to mend; it can't for what is given up whenever it is tried, such as a large item."""

OF_POLICY = OF_ANOTHER_POLICY | {Verdict.REFUSED}
"""The verdicts that a route has none of that masks nothing."""

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

    orphan: bool = False
    """The key is the target's: no key of the source is known to be masked to it, so that no notice can name it."""

    @property
    def deletes(self) -> bool:
        """Whether a repair deletes the replica."""
        return self.verdict is Verdict.EXTRA or self.source is None


def state_digest(text: str) -> str:
    """Return what tells a state of a source from another in this process, and tells nobody anything of the state."""
    return hashlib.blake2b(text.encode(), key=_DIGEST_KEY, digest_size=16).hexdigest()


def verdict_of(doubt: Doubt) -> Verdict:
    """Return the verdict on a replica that is not known to be of the route's policy."""
    return Verdict.UNMASKED if doubt.is_unmasked else Verdict.STALE


def extra(key: RecordKey, doubt: Doubt | None, mask: "Mask | None", *, own: bool, orphan: bool = False) -> Finding:
    """Return the finding of a replica that has no source, unless it is no replica.

    A policy may keep its own ones. Where keys are masked, what is no replica is in no replica's way.
    """
    if own:
        return Finding(key, Verdict.OUTSIDE if orphan else Verdict.EXTRA, own=True, orphan=orphan)
    if doubt:
        return Finding(key, verdict_of(doubt), (doubt,), orphan=orphan)
    if mask is None or not mask.policy.keeps_deleted(key.dataset.name):
        return Finding(key, Verdict.EXTRA, orphan=orphan)
    return Finding(key, Verdict.OUTSIDE, ("the policy keeps what its source has deleted",), orphan=orphan)


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
