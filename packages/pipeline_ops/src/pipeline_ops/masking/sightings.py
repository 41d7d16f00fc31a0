"""Sightings of a dataset's values: which paths there are, of which types, how many differ, and what detectors find.

No value is kept: of texts a keyed digest, by a key that nobody else has, for the estimate of how many differ.
"""

import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from replication_core.masking.attributes import Attribute
from replication_core.masking.detectors import DETECTORS, detected
from replication_core.masking.paths import Path, Step

__all__ = ["Sighting", "Sketch", "detections"]

_KEY = os.urandom(32)
_SKETCH = 256
_SPACE = 2**64

_STRUCTURE = 64
"""Names of a map above which they are data, as a customer's number is: an attribute's name is one of a few."""

_VARIETY = 4
"""Times as many names as one map has, above which they are data as well: names of a structure come again and again."""

_SCALARS = frozenset({"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"})


class Sketch:
    """Estimates how many different texts were added, by the smallest of their digests."""

    def __init__(self) -> None:
        self._least: list[int] = []
        self._known: set[int] = set()

    def add(self, text: str) -> None:
        """Count a text."""
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), key=_KEY, digest_size=8).digest()
        self._put(int.from_bytes(digest, "big"))

    def _put(self, number: int) -> None:
        if number in self._known or (len(self._least) == _SKETCH and number > -self._least[0]):
            return
        self._known.add(number)
        heapq.heappush(self._least, -number)
        if len(self._least) > _SKETCH:
            self._known.remove(-heapq.heappop(self._least))

    def merge(self, other: "Sketch") -> None:
        """Count what the other one has counted."""
        for number in other._known:  # noqa: SLF001 - its own kind
            self._put(number)

    @property
    def estimate(self) -> int:
        """How many: exact where they are few."""
        if len(self._least) < _SKETCH:
            return len(self._least)
        return round((_SKETCH - 1) * _SPACE / -self._least[0])


def detections(text: str) -> Iterator[str]:
    """Yield the name of each detector that finds something in a text."""
    found: list[str] = []
    while (name := detected(text, found)) is not None:
        found.append(name)
        yield name


@dataclass
class Sighting:
    """What was seen at one path."""

    records: int = 0
    """Values seen there."""

    types: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    different: Sketch = field(default_factory=Sketch)
    members: dict[str, "Sighting"] = field(default_factory=dict)
    """What is below each name of a map."""

    others: "Sighting | None" = None
    """What is below every name, where names are data."""

    elements: "Sighting | None" = None

    def add(self, attribute: Attribute) -> None:
        """Take a value in."""
        [(type_, value)] = attribute.items()
        self.records += 1
        self.types[type_] += 1
        match type_:
            case "M":
                self.add_members(value)
            case "L":
                self.elements = self.elements or Sighting()
                for element in value:
                    self.elements.add(element)
            case "SS" | "NS" | "BS":
                for member in value:
                    self._look_at(member)
            case _ if type_ in _SCALARS:
                self._look_at(value)

    def add_members(self, members: Mapping[str, Attribute], *, may_be_data: bool = True) -> None:
        """Take in what a map has, or an item, whose names are never data."""
        for name, attribute in members.items():
            if may_be_data and not self.others and self._names_are_data(name):
                self._merge_members()
            (self.others or self.members.setdefault(name, Sighting())).add(attribute)
            if self.others:
                self._note(name, self.others)

    def varies(self, maps: int) -> bool:
        """Tell whether so many maps have so many names that those are data."""
        return len(self.members) * maps > _VARIETY * sum(each.records for each in self.members.values())

    def take_rare(self, records: int) -> int:
        """Forget the names that few of the records have, where names vary; return how many those are."""
        few = (name for name, each in self.members.items() if 2 * each.records < records)
        rare = list(few) if self.varies(records) else []
        for name in rare:
            del self.members[name]
        return len(rare)

    def _names_are_data(self, name: str) -> bool:
        return (name not in self.members and len(self.members) == _STRUCTURE) or next(
            detections(name), None
        ) is not None

    def _merge_members(self) -> None:
        self.others = self.others or Sighting()
        for name, each in self.members.items():
            self.others.merge(each)
            self._note(name, self.others)
        self.members = {}

    def _note(self, name: str, others: "Sighting") -> None:
        others.hits.update(detections(name))

    def merge(self, other: "Sighting") -> None:
        """Take in what the other one has seen."""
        self.records += other.records
        self.types.update(other.types)
        self.hits.update(other.hits)
        self.different.merge(other.different)
        for name, each in other.members.items():
            (self.others or self.members.setdefault(name, Sighting())).merge(each)
        for below in ("others", "elements"):
            if theirs := getattr(other, below):
                own = getattr(self, below) or Sighting()
                own.merge(theirs)
                setattr(self, below, own)

    def _look_at(self, value: Any) -> None:
        text = value.hex() if isinstance(value, bytes) else str(value)
        self.different.add(text)
        if isinstance(value, str):
            self.hits.update(detections(value))

    def paths(self, path: Path = ()) -> Iterator[tuple[Path, "Sighting"]]:
        """Yield what was seen at each path where values are, and where names are data, in the paths' order."""
        if self.varies(self.types["M"]):
            self._merge_members()
        if path and _SCALARS & self.types.keys():
            yield path, self
        for name, below in sorted(self.members.items()):
            yield from below.paths((*path, name))
        if self.others:
            yield (*path, Step.NAMES), self.others
            below_names = replace(self.others, types=Counter())
            yield from below_names.paths((*path, Step.NAMES))
        if self.elements:
            yield from self.elements.paths((*path, Step.ELEMENTS))

    def told_hits(self) -> str:
        """Say what detectors found, and in how many of a hundred values."""
        rates = ((DETECTORS[name], round(100 * count / max(self.records, 1))) for name, count in self.hits.items())
        return ", ".join(f"{what} in {rate} %" for what, rate in rates)
