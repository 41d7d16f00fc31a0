"""The keys that a source's keys are masked to: what tells an extra key where masks have no inverse."""

import hashlib
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Self

from replication_core.datasets import RecordKey
from replication_core.desired import desired_key
from replication_core.masking.mask import Mask
from replication_core.masking.refusals import Unclassified

__all__ = ["MaskedKeys", "place_of"]

_DIGEST_KEY = os.urandom(32)
_DIGEST_BYTES = 8
_PARTS = 256
_PART_SHIFT = 8 * (_DIGEST_BYTES - 1)


class MaskedKeys:
    """A set of keys in 8 bytes each: first all are added, by any thread, then it is sorted, then it is asked.

    It holds digests of 64 bits. A key that is not in it passes for one that is once in 2**64 divided by their number,
    and nobody can look for such a key: the digests are this process's own.
    """

    def __init__(self) -> None:
        # In parts, since what sorts one makes a list of it, whose numbers take several times as much.
        self._parts = [array("Q") for _ in range(_PARTS)]

    @classmethod
    def of(cls, keys: Iterable[RecordKey]) -> Self:
        """Return the set of these, to be asked."""
        made = cls()
        for key in keys:
            made.add(key)
        made.sort()
        return made

    def add(self, key: RecordKey) -> None:
        """Add a key."""
        digest = _digest(key)
        self._parts[digest >> _PART_SHIFT].append(digest)

    def sort(self) -> None:
        """Make it ready to be asked."""
        for position, part in enumerate(self._parts):
            self._parts[position] = array("Q", sorted(part))

    def __contains__(self, key: RecordKey) -> bool:
        """Tell whether the key was added."""
        digest = _digest(key)
        part = self._parts[digest >> _PART_SHIFT]
        found = bisect_left(part, digest)
        return found < len(part) and part[found] == digest


def place_of(key: RecordKey, mask: Mask | None, masked: MaskedKeys | None = None) -> RecordKey:
    """Return where a replica is to be, adding that to the keys; of a refused key its own, where an older one may be."""
    try:
        place = desired_key(key, mask)
    except Unclassified:
        return key
    if masked is not None:
        masked.add(place)
    return place


def _digest(key: RecordKey) -> int:
    # Each value with its length, so that no two keys are one text.
    text = "".join(f"{len(value)}:{value}" for value in key.values)
    raw = text.encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, key=_DIGEST_KEY, digest_size=_DIGEST_BYTES).digest())
