r"""Patterns of objects' keys: which rule a key has, and what the rule's placeholders stand for. Pure.

`{name}` is one or more characters but `/`, `*` likewise without a name, and `**` at the end is any rest, or none. A `\`
before one of `{}*\` means the character itself.

Of the patterns of a key the most specific has it. They are compared from the left, segment by segment, and the first
that differs decides: a literal, then a literal with wildcards, then a wildcard alone, then `**`. Of two literals with
wildcards the one is more specific all whose texts are the other's too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import combinations, zip_longest
from typing import NamedTuple, Self

__all__ = ["KeyMatch", "KeyPattern", "KeyPatternError", "KeyPatterns"]


class KeyPatternError(ValueError):
    """What is no pattern, or no set of patterns; the message continues a sentence about it."""


class Specificity(IntEnum):
    """The kinds of a pattern's segments, the most specific first."""

    LITERAL = 0
    MIXED = 1
    WILDCARD = 2
    REST = 3


_TOKEN = re.compile(
    r"\\(?P<escaped>[{}*\\])|\{(?P<name>[A-Za-z_][A-Za-z0-9_-]*)\}|(?P<wild>\*)|(?P<literal>[^{}*\\\0]+)"
)
_ANY = "\0"
"""Stands for a wildcard where a segment is written as a text; no pattern has it."""


@dataclass(frozen=True)
class _Segment:
    """What stands between two slashes: literals, and `_ANY` for each wildcard, with the wildcards' names."""

    text: str
    names: tuple[str, ...] = ()
    is_rest: bool = False

    @classmethod
    def parse(cls, written: str) -> Self:
        if written == "**":
            return cls(_ANY, ("",), is_rest=True)
        text, names, at = "", [], 0
        while at < len(written):
            found = _TOKEN.match(written, at)
            if not found:
                raise KeyPatternError(rf"has {written[at]!r} by itself: write {{name}}, *, or a \ before it")
            is_wild = found["name"] or found["wild"]
            if is_wild and text.endswith(_ANY):
                raise KeyPatternError("has two wildcards side by side: write what stands between them, or only one")
            names += [found["name"] or ""] if is_wild else []
            text += _ANY if is_wild else found["escaped"] or found["literal"]
            at = found.end()
        return cls(text, tuple(names))

    @property
    def specificity(self) -> Specificity:
        if self.is_rest:
            return Specificity.REST
        if self.text == _ANY:
            return Specificity.WILDCARD
        return Specificity.MIXED if self.names else Specificity.LITERAL

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts it behind every other one that is more specific, which has more literal characters."""
        return self.specificity, self.text.count(_ANY) - len(self.text)

    @cached_property
    def regex(self) -> str:
        """A regular expression with a group for each wildcard.

        A wildcard ends where what follows it stands for the first time, and the segment's last one as late as it can.
        Nothing else is tried: that finds a match where there is one, in a time that is linear in the key.
        """
        if self.is_rest:
            return "(.*)"
        first, *others = map(re.escape, self.text.split(_ANY))
        if not others:
            return first
        *between, last = others
        return f"(?>{first}{''.join(f'(?>([^/]+?){literal})' for literal in between)}([^/]+){last}(?=/|\\Z))"

    def holds(self, other: "_Segment") -> bool:
        """Tell whether every text of the other one is this one's too."""
        return re.fullmatch(self.regex, other.text, re.DOTALL) is not None

    def meets(self, other: "_Segment") -> bool:
        """Tell whether there is a text of both: whether they can be walked through in step."""
        ends = len(self.text), len(other.text)
        seen, ahead = set(), [(0, 0)]
        while ahead and ends not in seen:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                ahead += self._steps(other, *at)
        return ends in seen

    def _steps(self, other: "_Segment", mine: int, its: int) -> Iterator[tuple[int, int]]:
        """Yield where both may be once they have one character more in common."""
        if mine == len(self.text) or its == len(other.text):
            return
        one, two = self.text[mine], other.text[its]
        if _ANY in {one, two} or one == two:
            yield mine + 1, its + 1
            if one == _ANY:
                yield mine, its + 1
            if two == _ANY:
                yield mine + 1, its


@dataclass(frozen=True)
class KeyPattern:
    """One pattern.

    >>> pattern = KeyPattern("incoming/{customer}/{file}.csv")
    >>> pattern.wildcards, pattern.fill(["c_1", "a"])
    (('customer', 'file'), 'incoming/c_1/a.csv')
    """

    text: str

    def __post_init__(self) -> None:
        """Raise KeyPatternError for what is no pattern."""
        segments = self.segments
        if not self.text or self.text.startswith("/"):
            raise KeyPatternError("is empty" if not self.text else "begins with a slash, which no key here does")
        if any(segment.is_rest for segment in segments[:-1]):
            raise KeyPatternError("has ** before its end: write * for one segment")
        named = [name for name in self.wildcards if name]
        if repeated := {name for name in named if named.count(name) > 1}:
            raise KeyPatternError(f"has {{{min(repeated)}}} twice: give each a name of its own")

    @cached_property
    def segments(self) -> tuple[_Segment, ...]:
        """What stands between its slashes."""
        return tuple(map(_Segment.parse, self.text.split("/")))

    @cached_property
    def wildcards(self) -> tuple[str, ...]:
        """The names of the wildcards in order, empty for one that has none."""
        return tuple(name for segment in self.segments for name in segment.names)

    @cached_property
    def rank(self) -> tuple[tuple[int, int], ...]:
        """Sorts it behind every more specific one."""
        return tuple(segment.rank for segment in self.segments)

    @cached_property
    def regex(self) -> str:
        """A regular expression with a group for each wildcard."""
        return "/".join(segment.regex for segment in self.segments)

    @cached_property
    def literals(self) -> tuple[str, ...]:
        """What stands before each wildcard, and behind the last one."""
        return tuple("/".join(segment.text for segment in self.segments).split(_ANY))

    def fill(self, values: Sequence[str]) -> str:
        """Return the key whose wildcards stand for these values."""
        first, *others = self.literals
        return first + "".join(value + literal for value, literal in zip(values, others, strict=True))

    def ties_with(self, other: "KeyPattern") -> bool:
        """Tell whether there may be a key of both, and neither is more specific."""
        for one, two in zip(self.segments, other.segments, strict=False):
            if one.text != two.text or one.is_rest != two.is_rest:
                if one.specificity != two.specificity or one.holds(two) or two.holds(one):
                    return False
                break
        return self._meets(other)

    def may_begin_with(self, prefix: str) -> bool:
        """Tell whether there may be a key of it that begins so; the prefix ends with a slash."""
        whole = prefix.translate({ord(each): f"\\{each}" for each in "{}*\\"})
        return self._meets(KeyPattern(f"{whole}**"))

    def _meets(self, other: "KeyPattern") -> bool:
        for one, two in zip_longest(self.segments, other.segments):
            if one is None or two is None or one.is_rest or two.is_rest:
                return one is not None and two is not None
            if not one.meets(two):
                return False
        return True


class KeyMatch(NamedTuple):
    """Which of several patterns a key has, and what its wildcards stand for, in their order."""

    place: int
    values: tuple[str, ...]


class KeyPatterns:
    """The patterns of one bucket, each key of which has one at most.

    >>> KeyPatterns([KeyPattern("**"), KeyPattern("in/{file}.csv")]).match("in/a.csv")
    KeyMatch(place=1, values=('a',))
    """

    def __init__(self, patterns: Sequence[KeyPattern]) -> None:
        self._patterns = patterns
        self._order = sorted(range(len(patterns)), key=lambda place: patterns[place].rank)
        ends = 0
        self._places: dict[int, tuple[int, int]] = {}
        """By the number of the empty group that ends a pattern: its place, and the number of its first group."""
        for place in self._order:
            begins, ends = ends, ends + len(patterns[place].wildcards) + 1
            self._places[ends] = place, begins
        either = "|".join(f"{patterns[place].regex}()" for place in self._order)
        self._regex = re.compile(f"(?:{either})" if either else r"(?!)", re.DOTALL)

    def match(self, key: str) -> KeyMatch | None:
        """Return the pattern of a key, None where it has none."""
        found = self._regex.fullmatch(key)
        if not found or not found.lastindex:
            return None
        place, begins = self._places[found.lastindex]
        return KeyMatch(place, found.groups()[begins : found.lastindex - 1])

    def ties(self) -> Iterator[tuple[int, int]]:
        """Yield the places of each two that can have the same key, and neither is more specific."""
        for one, two in combinations(range(len(self._patterns)), 2):
            if self._patterns[one].ties_with(self._patterns[two]):
                yield one, two
