"""The language in which a resource type declares its inputs: kinds of value, and what AWS asks of each.

A kind settles a value the program gave (its type checked, nested defaults filled in) and tells whether two values mean
the same to AWS, so that a policy's key order or a list's order is never a change.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_cloud.provider.naming import Naming
from local_cloud.provider.wire import UNKNOWN, Archive, has_unknown

__all__ = [
    "ArchiveFile",
    "Block",
    "Document",
    "Flag",
    "Integer",
    "ListOf",
    "MapOf",
    "Number",
    "Properties",
    "Property",
    "PropertyKind",
    "Refusal",
    "Rule",
    "Text",
    "is_absent",
    "same",
    "says_nothing",
    "settle",
]

Properties = dict[str, Any]
Rule = Callable[[Any], str | None]
"""What AWS asks of a value: a sentence that says what is wrong with it, or None."""


@dataclass(frozen=True)
class Refusal:
    """An input that is refused: where it is and why."""

    path: str
    reason: str


class PropertyKind(ABC):
    """A kind of property value."""

    @abstractmethod
    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Return the known value in the form that is recorded, adding to `refusals` what is wrong with it."""

    def same(self, one: Any, other: Any) -> bool:
        """Tell whether both present values mean the same to AWS."""
        return bool(one == other)


@dataclass(frozen=True, kw_only=True)
class Property:
    """One input of a resource type, or of a block in it."""

    kind: PropertyKind
    required: bool = False
    default: Any = None
    """What AWS takes where nothing is given; recorded, so that a change made outside is seen."""
    replaces: bool = False
    """A change cannot be made in place."""
    readable: bool = True
    """AWS tells the current value; if not, a refresh keeps the recorded one."""
    computed: bool = False
    """AWS chooses a value where none is given: a refresh doesn't call what it chose a change."""
    naming: Naming | None = None
    """How the name is made where none is given."""
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Text(PropertyKind):
    """A string, one of `among` where that is given."""

    among: tuple[str, ...] = ()

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept a string."""
        if not isinstance(value, str):
            refusals.append(Refusal(path, f"a text is expected, not {_shown(value)}"))
        elif self.among and value not in self.among:
            refusals.append(Refusal(path, f"{value!r} is not one of {', '.join(self.among)}"))
        return value


@dataclass(frozen=True)
class Flag(PropertyKind):
    """True or false."""

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept a boolean."""
        if not isinstance(value, bool):
            refusals.append(Refusal(path, f"true or false is expected, not {_shown(value)}"))
        return value


@dataclass(frozen=True)
class Number(PropertyKind):
    """A number from `minimum` to `maximum`, both included."""

    minimum: float | None = None
    maximum: float | None = None

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept a number within the limits."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            refusals.append(Refusal(path, f"a number is expected, not {_shown(value)}"))
        elif self._outside(value):
            refusals.append(Refusal(path, f"{value} is not from {self.minimum} to {self.maximum}"))
        return value

    def _outside(self, value: float) -> bool:
        too_small = self.minimum is not None and value < self.minimum
        return too_small or (self.maximum is not None and value > self.maximum)


@dataclass(frozen=True)
class Integer(Number):
    """A whole number from `minimum` to `maximum`, both included."""

    minimum: int | None = None
    maximum: int | None = None

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept a whole number within the limits."""
        if isinstance(value, float):
            refusals.append(Refusal(path, f"a whole number is expected, not {value}"))
            return value
        return super().settle(value, path, refusals)


@dataclass(frozen=True)
class Document(PropertyKind):
    """A JSON object as a string; given as an object it is written as one, as the AWS provider does."""

    ordered: bool = False
    """The order of lists has a meaning, as it has not in policies and event patterns."""

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept a JSON object, or the string that holds one."""
        if isinstance(value, Mapping):
            return json.dumps(value)
        try:
            if not isinstance(json.loads(value), dict):
                refusals.append(Refusal(path, "a JSON object is expected"))
        except (TypeError, ValueError) as error:
            refusals.append(Refusal(path, f"this is not JSON: {error}"))
        return value

    def same(self, one: Any, other: Any) -> bool:
        """Compare what the documents say, not how they are written."""
        try:
            return bool(self._canonical(json.loads(one)) == self._canonical(json.loads(other)))
        except (TypeError, ValueError):
            return bool(one == other)

    def _canonical(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self._canonical(item) for key, item in value.items()}
            case list() if self.ordered:
                return [self._canonical(item) for item in value]
            case list():
                items = sorted(
                    (self._canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True)
                )
                return items[0] if len(items) == 1 else items  # AWS writes a list of one and the one alone alike
            case bool() | int() | float() if not self.ordered:
                return json.dumps(value)  # "5" and 5, "true" and true are alike in a policy
            case _:
                return value


@dataclass(frozen=True)
class MapOf(PropertyKind):
    """Values of one kind by name."""

    of: PropertyKind

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept an object whose values are all of the kind; a null value is as if it was not there."""
        if not isinstance(value, Mapping):
            refusals.append(Refusal(path, f"an object is expected, not {_shown(value)}"))
            return value
        present = {key: item for key, item in value.items() if item is not None}
        return {key: _settle_one(self.of, item, f"{path}.{key}", refusals) for key, item in present.items()}


@dataclass(frozen=True)
class ListOf(PropertyKind):
    """Values of one kind, at most `most`; their order has no meaning unless `ordered`."""

    of: PropertyKind
    ordered: bool = False
    most: int | None = None

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept a list whose items are all of the kind."""
        if not isinstance(value, list):
            refusals.append(Refusal(path, f"a list is expected, not {_shown(value)}"))
            return value
        if self.most is not None and len(value) > self.most:
            refusals.append(Refusal(path, f"{len(value)} are given, AWS takes at most {self.most}"))
        return [_settle_one(self.of, item, f"{path}[{place}]", refusals) for place, item in enumerate(value)]

    def same(self, one: Any, other: Any) -> bool:
        """Compare item by item, in order or, if that has no meaning, each with any other."""
        if len(one) != len(other):
            return False
        if self.ordered:
            return all(_same(self.of, left, right) for left, right in zip(one, other, strict=True))
        left_over = list(other)
        for item in one:
            match = next((place for place, rest in enumerate(left_over) if _same(self.of, item, rest)), None)
            if match is None:
                return False
            del left_over[match]
        return True


@dataclass(frozen=True)
class Block(PropertyKind):
    """A nested object with its own declared properties."""

    properties: Mapping[str, Property]

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept an object of the declared properties, and fill in their defaults."""
        if not isinstance(value, Mapping):
            refusals.append(Refusal(path, f"an object is expected, not {_shown(value)}"))
            return value
        return settle(self.properties, value, refusals, within=path)

    def same(self, one: Any, other: Any) -> bool:
        """Compare property by property."""
        return all(same(declared, one.get(name), other.get(name)) for name, declared in self.properties.items())


@dataclass(frozen=True)
class ArchiveFile(PropertyKind):
    """An archive; two are the same when the engine's hashes are."""

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Accept an archive that is on this machine, or is put together of what is."""
        if not isinstance(value, Archive) or (value.path is None and value.assets is None):
            refusals.append(Refusal(path, "a FileArchive (a folder or a .zip file) or an AssetArchive is expected"))
        return value


def settle(
    properties: Mapping[str, Property], values: Mapping[str, Any], refusals: list[Refusal], *, within: str = ""
) -> Properties:
    """Return the values with defaults filled in and nulls left out, adding to `refusals` each that cannot be accepted.

    A name that is not declared is refused, never ignored. What is not known yet is left for the deployment to check.
    """
    settled: Properties = {}
    for name in values:
        if name not in properties and values[name] is not None:
            path = _path(within, name)
            refusals.append(Refusal(path, f"the local stand-in does not implement the input property {path!r}"))
    for name, declared in properties.items():
        value = values.get(name)
        value = declared.default if value is None else value
        if value is not None:
            settled[name] = _settle_property(declared, value, _path(within, name), refusals)
        elif declared.required:
            refusals.append(Refusal(_path(within, name), "a value is required"))
    return settled


def same(declared: Property, one: Any, other: Any) -> bool:
    """Tell whether both values of the property, present or not, mean the same to AWS."""
    return _same(declared.kind, one, other)


def says_nothing(declared: Property, value: Any) -> bool:
    """Tell whether the property's value is as good as not given, a block without any value among them."""
    return _says_nothing(declared.kind, value)


def is_absent(value: Any) -> bool:
    """Tell whether the value says nothing: AWS answers what was never given with empty strings, lists and objects."""
    return value is None or value in ("", {}, [])


def _same(kind: PropertyKind, one: Any, other: Any) -> bool:
    if has_unknown(one) or has_unknown(other):
        return False
    if _says_nothing(kind, one) or _says_nothing(kind, other):
        return _says_nothing(kind, one) and _says_nothing(kind, other)
    return kind.same(one, other)


def _says_nothing(kind: PropertyKind, value: Any) -> bool:
    if isinstance(kind, Block) and isinstance(value, Mapping):
        return all(_says_nothing(declared.kind, value.get(name)) for name, declared in kind.properties.items())
    return is_absent(value)


def _settle_property(declared: Property, value: Any, path: str, refusals: list[Refusal]) -> Any:
    if value is UNKNOWN:
        return value
    before = len(refusals)
    settled = declared.kind.settle(value, path, refusals)
    if len(refusals) == before and not has_unknown(settled):
        refusals.extend(Refusal(path, reason) for rule in declared.rules if (reason := rule(settled)))
    return settled


def _settle_one(kind: PropertyKind, value: Any, path: str, refusals: list[Refusal]) -> Any:
    return value if value is UNKNOWN else kind.settle(value, path, refusals)


def _path(within: str, name: str) -> str:
    return f"{within}.{name}" if within else name


def _shown(value: Any) -> str:
    return f"a {type(value).__name__}" if value is not None else "null"
