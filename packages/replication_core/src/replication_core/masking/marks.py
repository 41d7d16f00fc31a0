"""Marks of a policy on its replicas: which rules have made one, and a code that proves it. Pure.

A mark is `<fingerprint>.<key>.<code>`: of the rules, of the key that the code was made with, and of the two with the
replica's own key. Only who has the route's key can make one. It proves that the route has made a replica of that key by
those rules once, and nothing of what is there now: who may write there can keep a mark and change all else.
"""

import re
from enum import StrEnum

from replication_core.datasets import RecordKey
from replication_core.masking.pseudonyms import Pseudonyms, frame, token

__all__ = ["Doubt", "Marks"]

_NAMESPACE = "~mark"
_KEY_CHARACTERS = 8
_FORMER = re.compile(r"[0-9a-f]{24}")
"""A mark of a former release: a fingerprint alone, which anybody can copy."""


class Doubt(StrEnum):
    """Why a replica is not known to be of the route's policy."""

    POLICY = "another policy of the route has made it"
    KEY = "it was made with another key, or another generation of it"
    RELEASE = "a former release has made it, whose marks prove nothing"
    SEAL = "its mark is forged, or was copied from another key"
    UNMASKED = "a route without a policy has made it"
    UNMARKED = "it has no mark: it is somebody else's, or was written over"

    @property
    def is_unmasked(self) -> bool:
        """Whether it may be as in production: no policy has made it, as far as anybody can tell."""
        return self in {Doubt.SEAL, Doubt.UNMASKED, Doubt.UNMARKED}


class Marks:
    """Makes and judges the marks of one route's key, in one generation."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._digest = pseudonyms.namespace(_NAMESPACE)
        self._key = token(self._digest("S", ""))[:_KEY_CHARACTERS]

    def made(self, fingerprint: str, place: RecordKey) -> str:
        """Return the mark of a replica of this key that rules of this fingerprint have made."""
        told = [fingerprint, place.dataset.name]
        for one, value in zip(place.dataset.key, place.values, strict=True):
            told += (one.type, value)
        framed = b"".join([frame(text.encode("utf-8", "surrogatepass")) for text in told])
        return f"{fingerprint}.{self._key}.{token(self._digest('B', framed))}"

    def doubt(self, mark: str, fingerprint: str, place: RecordKey) -> Doubt | None:
        """Return what a replica's mark leaves open; None where rules of this fingerprint have made it."""
        if mark == self.made(fingerprint, place):
            return None
        if _FORMER.fullmatch(mark):
            return Doubt.RELEASE
        told, _, rest = mark.partition(".")
        key, _, code = rest.partition(".")
        if code and key != self._key:
            return Doubt.KEY
        return Doubt.POLICY if mark == self.made(told, place) else Doubt.SEAL
