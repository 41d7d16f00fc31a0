"""Paths to values within an item or a record, and the trie that finds the rule of each. Pure.

A path is names, with `.` between them: `address.city`. `.*` is any one name, `[]` every element of a list, `{}` every
name of a map whose names are data. A name with one of `.*[]{}'` in it, or with a blank at an end, is quoted, a quote in
it doubled: `'na.me'`.

Of the paths that lead to a value the most specific has it. They are compared from the left, and the first step that
differs decides: a name is more specific than any name, and that more than the end of a path, whose rule may cover all
below it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["DEPTH", "Node", "Path", "PathError", "Placed", "Step", "contradictions", "parse_path", "path_text", "trie"]

DEPTH = 32
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: nested attributes."""

_NODES = 100_000
"""The most nodes of a trie: paths with many `.*` of different lengths multiply."""


class PathError(ValueError):
    """What is no path, or no set of paths; the message continues a sentence about it."""


class Step(Enum):
    """The steps of a path that are no name."""

    ANY = "*"
    ELEMENTS = "[]"
    NAMES = "{}"


Path = tuple[str | Step, ...]

_PLAIN = r"[^.*\[\]{}'\x00-\x1f\s](?:[^.*\[\]{}'\x00-\x1f]*[^.*\[\]{}'\x00-\x1f\s])?"
_STEP = re.compile(
    rf"(?P<dot>\.)?(?:(?P<plain>{_PLAIN})|'(?P<quoted>(?:[^']|'')+)'|(?P<any>\*))|(?P<below>\[\]|\{{\}})"
)
_UNQUOTED = re.compile(_PLAIN)


def parse_path(text: str) -> Path:
    """Return a path's steps; raises PathError.

    >>> parse_path("contacts[].'e.mail'") == ("contacts", Step.ELEMENTS, "e.mail")
    True
    """
    steps: list[str | Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if not found or bool(found["dot"]) != bool(steps and not found["below"]) or (found["below"] and not steps):
            raise PathError(f"is no path from its character {at + 1} on: write names with dots, .*, [] and {{}}")
        plain, quoted = found["plain"], found["quoted"]
        steps.append(plain or (quoted.replace("''", "'") if quoted else Step(found["any"] or found["below"])))
        at = found.end()
    if not steps:
        raise PathError("is empty")
    if len(steps) > DEPTH + 1:
        raise PathError(f"has {len(steps)} steps, where {DEPTH} levels are possible below an attribute")
    return tuple(steps)


def path_text(path: Path) -> str:
    """Return a path's one spelling, which `parse_path` reads.

    >>> path_text(("a b", Step.ANY, "c.d", Step.NAMES))
    "a b.*.'c.d'{}"
    """
    return "".join(map(_step_text, path)).removeprefix(".")


def _step_text(step: str | Step) -> str:
    if isinstance(step, Step):
        return ".*" if step is Step.ANY else step.value
    return f".{step}" if _UNQUOTED.fullmatch(step) else ".'" + step.replace("'", "''") + "'"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """What stands at a path: a rule for the values there, and where it ends in `{}` one for the names."""

    path: Path
    rule: T | None
    names: T | None = None


@dataclass(slots=True, eq=False)
class Node(Generic[T]):
    """A place within a value. What is None, no rule is for.

    The value below a name is at `names.get(name, other)`, an element of a list at `elements`.
    """

    rule: T | None = None
    """The rule of what is here, itself or as one that covers it from above."""

    names: dict[str, "Node[T]"] = field(default_factory=dict)
    other: "Node[T] | None" = None
    """What is below every name but those in `names`."""

    renames: T | None = None
    """The rule of the names that lead to `other`, where they are data."""

    elements: "Node[T] | None" = None


def trie(placed: Iterable[Placed[T]], covers: Callable[[T], bool] = lambda _: False) -> Node[T]:
    """Return the trie of these paths; a rule that `covers` is for all below its path too.

    Raises PathError where two have the same path, which `.*` and `{}` in the same place are, where `{}` has no rule for
    the names, and where they make too large a trie.
    """
    root: _Branch[T] = _Branch()
    for each in placed:
        root.add(each)
    return _Builder(covers).node((root,))


def contradictions(placed: Sequence[Placed[T]]) -> Iterator[tuple[int, str]]:
    """Yield what `trie` would refuse of some of these paths, by the place of each, and why; it goes on about the path.

    One that contradicts an earlier one is told alone.
    """
    root: _Branch[T] = _Branch()
    added = []
    for place, each in enumerate(placed):
        try:
            root.add(each)
            added.append((place, each))
        except PathError as error:
            yield place, str(error)
    for place, each in added:
        branch: _Branch[T] | None = root
        for step in each.path:
            if branch and step is Step.NAMES and not branch.renames:
                yield place, "has {} without a rule for the names there"
                break
            branch = branch.below.get(step) if branch else None


class _Branch(Generic[T]):
    """A place of the paths as they are written."""

    def __init__(self) -> None:
        self.rule: T | None = None
        self.renames: T | None = None
        self.below: dict[str | Step, _Branch[T]] = {}

    def add(self, placed: Placed[T]) -> None:
        branch = last = self
        for step in placed.path:
            if {step, *branch.below} >= {Step.ANY, Step.NAMES}:
                raise PathError("has .* or {} where another path has the other of them")
            last, branch = branch, branch.below.setdefault(step, _Branch())
        if (placed.rule and branch.rule) or (placed.names and last.renames):
            raise PathError("is the path of another rule too")
        branch.rule = placed.rule or branch.rule
        last.renames = placed.names or last.renames


class _Builder(Generic[T]):
    """Gives each place what less specific paths say of it as well, so that one step is one look-up."""

    def __init__(self, covers: Callable[[T], bool]) -> None:
        self._covers = covers
        self._made = 0

    def node(self, branches: tuple[_Branch[T], ...], cover: Node[T] | None = None) -> Node[T]:
        """Return the node of branches that lead to the same place, the most specific first, below a cover if any."""
        self._made += 1
        if self._made > _NODES:
            raise PathError("multiply by their .* to more than can be held: write fewer of them")
        node: Node[T] = Node()
        for count, branch in enumerate(branches, 1):
            node.rule = node.rule or branch.rule
            if branch.rule and self._covers(branch.rule):
                branches, cover = branches[:count], _cover(branch.rule)
                break
        else:
            node.rule = node.rule or (cover.rule if cover else None)
        names = dict.fromkeys(name for branch in branches for name in branch.below if isinstance(name, str))
        node.names = {name: self._below(branches, cover, name, Step.ANY, Step.NAMES) or Node() for name in names}
        node.other = self._below(branches, cover, Step.ANY, Step.NAMES) or cover
        node.elements = self._below(branches, cover, Step.ELEMENTS) or cover
        node.renames = self._renames(branches)
        return node

    def _below(self, branches: tuple[_Branch[T], ...], cover: Node[T] | None, *steps: str | Step) -> Node[T] | None:
        found = tuple(branch.below[step] for branch in branches for step in steps if step in branch.below)
        return self.node(found, cover) if found else None

    def _renames(self, branches: tuple[_Branch[T], ...]) -> T | None:
        for branch in branches:
            if Step.NAMES in branch.below:
                if not branch.renames:
                    raise PathError("has {} without a rule for the names there")
                return branch.renames
            if Step.ANY in branch.below:
                return None
        return None


def _cover(rule: T) -> Node[T]:
    """Return the node of all that is below a rule that covers it."""
    node = Node(rule)
    node.other = node.elements = node
    return node
