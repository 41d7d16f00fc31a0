"""The language in which a resource type declares its inputs: kinds of property, and what AWS asks of each.

A property settles a value the program gave (its type checked, nested defaults filled in), tells whether two values
mean the same to AWS, so that a policy's key order or a list's order is never a change, and translates between Pulumi's
names and forms and the API's.
"""

import hashlib
import json
from abc import ABC
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from local_cloud.provider.rules import Rule, matches
from local_cloud.provider.wire import UNKNOWN, Archive, has_unknown

__all__ = [
    "ArchiveFile",
    "Block",
    "Document",
    "Flag",
    "Integer",
    "ListOf",
    "MapOf",
    "Name",
    "NamingError",
    "Number",
    "Pairs",
    "Properties",
    "Property",
    "Refusal",
    "Text",
    "is_absent",
]

Properties = dict[str, Any]

_RANDOM_DIGITS = 7


class NamingError(ValueError):
    """No name can be made within the type's limit."""


@dataclass(frozen=True)
class Refusal:
    """An input that is refused: where it is and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Property(ABC):
    """One input of a resource type, or of a block in it."""

    api: str = ""
    """The API's name, where that is not the same with a capital letter."""
    apart: bool = False
    """The call that creates takes it not: one of its own does."""
    by: tuple[str, ...] = ()
    """The calls that change it alone: one that puts it and, where there is one, the one that drops it."""
    required: bool = False
    default: Any = None
    """What AWS takes where nothing is given; recorded, so that a change made outside is seen."""
    implied: Any = None
    """The same, not recorded: it is told only where another value was given, and put where that is dropped."""
    replaces: bool = False
    """A change cannot be made in place."""
    readable: bool = True
    """AWS tells the current value; if not, no call takes it either, and a refresh keeps the recorded one."""
    computed: bool = False
    """AWS chooses a value where none is given: a refresh doesn't call what it chose a change."""
    rules: tuple[Rule, ...] = ()

    form: ClassVar[type | tuple[type, ...]]
    expected: ClassVar[str]
    nothing: ClassVar[Any] = None

    def settle(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        """Return the value in the form that is recorded, adding to `refusals` what is wrong with it.

        What is not known yet is left for the deployment to check.
        """
        if value is UNKNOWN:
            return value
        if not isinstance(value, self.form) or (isinstance(value, bool) and self.form is not bool):
            shown = f"a {type(value).__name__}" if value is not None else "null"
            refusals.append(Refusal(path, f"{self.expected} is expected, not {shown}"))
            return value
        before = len(refusals)
        settled = self._settled(value, path, refusals)
        if len(refusals) == before and not has_unknown(settled):
            refusals.extend(Refusal(path, reason) for reason in self._faults(settled))
        return settled

    def same(self, one: Any, other: Any) -> bool:
        """Tell whether both values, present or not, mean the same to AWS; what is unknown may mean anything."""
        if has_unknown(one) or has_unknown(other):
            return False
        if self.says_nothing(one) or self.says_nothing(other):
            return self.says_nothing(one) and self.says_nothing(other)
        return self._alike(one, other)

    def says_nothing(self, value: Any) -> bool:
        """Tell whether the value is as good as not given, a block without any value among them."""
        return is_absent(value)

    @property
    def dropped(self) -> Any:
        """What the API takes where a value is no more given."""
        return self.nothing if self.implied is None else self.implied

    def api_name(self, name: str) -> str:
        """Return what the API calls the property of this name."""
        return self.api or name[:1].upper() + name[1:]

    def written(self, value: Any) -> Any:
        """Return the value as the API takes it."""
        return value

    def told(self, value: Any, given: Any) -> Any:
        """Return the API's value in Pulumi's form; `given` is what is recorded, or None."""
        return value

    def _settled(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        return value

    def _faults(self, value: Any) -> Iterator[str]:
        yield from (reason for rule in self.rules if (reason := rule(value)))

    def _alike(self, one: Any, other: Any) -> bool:
        return bool(one == other)


@dataclass(frozen=True)
class Text(Property):
    """A string, one of `among` where that is given."""

    among: tuple[str, ...] = ()

    form = str
    expected = "a text"
    nothing = ""

    def _faults(self, value: str) -> Iterator[str]:
        if self.among and value not in self.among:
            yield f"{value!r} is not one of {', '.join(self.among)}"
        yield from super()._faults(value)


@dataclass(frozen=True)
class Name(Property):
    """A resource's own name, all of which matches a pattern, said as `allowed`; another one replaces the resource."""

    pattern: str
    shortest: int
    longest: int
    allowed: str
    lower: bool = False
    """AWS takes no capital letters."""
    replaces: bool = field(default=True, kw_only=True)

    form = str
    expected = "a text"

    def make(self, logical_name: str, seed: bytes, proposed: str | None) -> str:
        """Return the name where the program gives none: as the engine proposes, else with a dash and random digits.

        The same seed gives the same one. `proposed` is made by the stack's `pulumi:autonaming`, and empty where that
        turns naming off. Raises NamingError for that, and where the name would be too long: the AWS provider shortens
        nothing either.
        """
        if proposed == "":
            raise NamingError("pulumi:autonaming is off for this resource, so that it has to be given a name")
        name = proposed or f"{logical_name}-{hashlib.sha256(seed).hexdigest()[:_RANDOM_DIGITS]}"
        if len(name) > self.longest:
            made = f"{name!r}, made from the resource's name, has {len(name)} characters"
            raise NamingError(f"{made}: AWS takes at most {self.longest}")
        return name.lower() if self.lower else name

    def _faults(self, value: str) -> Iterator[str]:
        if reason := matches(self.pattern, self.shortest, self.longest, self.allowed)(value):
            yield reason
        yield from super()._faults(value)


@dataclass(frozen=True)
class Flag(Property):
    """True or false; the API may write it as a text."""

    form = bool
    expected = "true or false"

    def told(self, value: Any, given: Any) -> bool:
        return value in (True, "true")


@dataclass(frozen=True)
class Number(Property):
    """A number from `minimum` to `maximum`, both included."""

    minimum: float | None = None
    maximum: float | None = None

    form = (int, float)
    expected = "a number"

    def _faults(self, value: float) -> Iterator[str]:
        too_small = self.minimum is not None and value < self.minimum
        if too_small or (self.maximum is not None and value > self.maximum):
            yield f"{value} is not from {self.minimum} to {self.maximum}"
        yield from super()._faults(value)


@dataclass(frozen=True)
class Integer(Number):
    """A whole number from `minimum` to `maximum`, both included; the API may write it as a text."""

    def told(self, value: Any, given: Any) -> int:
        return int(value)

    def _faults(self, value: float) -> Iterator[str]:
        if isinstance(value, int):
            yield from super()._faults(value)
        else:
            yield f"a whole number is expected, not {value}"


@dataclass(frozen=True)
class Document(Property):
    """A JSON object as a string; given as an object it is written as one, as the AWS provider does."""

    ordered: bool = False
    """The order of lists has a meaning, as it has not in policies and event patterns."""

    form = (str, Mapping)
    expected = "a JSON object"
    nothing = ""

    def told(self, value: Any, given: Any) -> Any:
        return json.dumps(value) if isinstance(value, Mapping) else value

    def _settled(self, value: Any, path: str, refusals: list[Refusal]) -> Any:
        if isinstance(value, Mapping):
            return json.dumps(value)
        try:
            if not isinstance(json.loads(value), dict):
                refusals.append(Refusal(path, "a JSON object is expected"))
        except ValueError as error:
            refusals.append(Refusal(path, f"this is not JSON: {error}"))
        return value

    def _alike(self, one: Any, other: Any) -> bool:
        # What the documents say is compared, not how they are written.
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
                items = sorted(map(self._canonical, value), key=lambda item: json.dumps(item, sort_keys=True))
                return items[0] if len(items) == 1 else items  # AWS writes a list of one and the one alone alike
            case bool() | int() | float() if not self.ordered:
                return json.dumps(value)  # "5" and 5, "true" and true are alike in a policy
            case _:
                return value


@dataclass(frozen=True)
class MapOf(Property):
    """Values of one kind by name; a null value is as if it was not there."""

    of: Property

    form = Mapping
    expected = "an object"
    nothing: ClassVar = {}

    def _settled(self, value: Mapping[str, Any], path: str, refusals: list[Refusal]) -> Properties:
        present = {key: item for key, item in value.items() if item is not None}
        return {key: self.of.settle(item, f"{path}.{key}", refusals) for key, item in present.items()}


@dataclass(frozen=True)
class Pairs(MapOf):
    """Values by name that the API has as a list of blocks with these two members, as most have tags."""

    name: str
    value: str

    def written(self, value: Mapping[str, Any]) -> list[Properties]:
        return [{self.name: name, self.value: item} for name, item in value.items()]

    def told(self, value: list[Properties], given: Any) -> Properties:
        return {each[self.name]: each[self.value] for each in value}


@dataclass(frozen=True)
class ListOf(Property):
    """Values of one kind, at most `most`; their order has no meaning unless `ordered`."""

    of: Property
    ordered: bool = False
    most: int | None = None

    form = list
    expected = "a list"
    nothing: ClassVar = []

    def written(self, value: list[Any]) -> list[Any]:
        return [self.of.written(item) for item in value]

    def told(self, value: list[Any], given: Any) -> list[Any]:
        return [self.of.told(item, None) for item in value]

    def _settled(self, value: list[Any], path: str, refusals: list[Refusal]) -> list[Any]:
        if self.most is not None and len(value) > self.most:
            refusals.append(Refusal(path, f"{len(value)} are given, AWS takes at most {self.most}"))
        return [self.of.settle(item, f"{path}[{place}]", refusals) for place, item in enumerate(value)]

    def _alike(self, one: list[Any], other: list[Any]) -> bool:
        if len(one) != len(other):
            return False
        if self.ordered:
            return all(map(self.of.same, one, other))
        left_over = list(other)
        for item in one:
            match = next((place for place, rest in enumerate(left_over) if self.of.same(item, rest)), None)
            if match is None:
                return False
            del left_over[match]
        return True


@dataclass(frozen=True)
class Block(Property):
    """An object with declared properties, as are all inputs of a resource type together.

    A name that is not declared is refused, never ignored.
    """

    properties: Mapping[str, Property]

    form = Mapping
    expected = "an object"
    nothing: ClassVar = {}

    def says_nothing(self, value: Any) -> bool:
        if not isinstance(value, Mapping):
            return is_absent(value)
        return all(declared.says_nothing(value.get(name)) for name, declared in self.properties.items())

    def written(self, value: Mapping[str, Any]) -> Any:
        taken = {name: each for name, each in self.properties.items() if each.readable and not each.apart}
        present = {name: each for name, each in taken.items() if value.get(name) is not None}
        return {each.api_name(name): each.written(value[name]) for name, each in present.items()}

    def told(self, value: Any, given: Mapping[str, Any] | None) -> Properties:
        found: Properties = {}
        for name, declared in self.properties.items():
            now, before = value.get(declared.api_name(name)), (given or {}).get(name)
            now = declared.default if is_absent(now) else declared.told(now, before)
            implied = before is None and now == declared.implied
            if declared.readable and not implied and not declared.says_nothing(now):
                found[name] = now
        return found

    def _settled(self, value: Mapping[str, Any], path: str, refusals: list[Refusal]) -> Properties:
        settled: Properties = {}
        within = f"{path}." if path else ""
        for name in value:
            if name not in self.properties and value[name] is not None:
                reason = f"the local stand-in does not implement the input property {within + name!r}"
                refusals.append(Refusal(within + name, reason))
        for name, declared in self.properties.items():
            item = declared.default if value.get(name) is None else value[name]
            if item is not None:
                settled[name] = declared.settle(item, within + name, refusals)
            elif declared.required:
                refusals.append(Refusal(within + name, "a value is required"))
        return settled

    def _alike(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        return all(declared.same(one.get(name), other.get(name)) for name, declared in self.properties.items())


@dataclass(frozen=True)
class ArchiveFile(Property):
    """An archive that is on this machine, or is put together of what is; two are the same when their hashes are."""

    form = Archive
    expected = "a FileArchive (a folder or a .zip file) or an AssetArchive"

    def _faults(self, value: Archive) -> Iterator[str]:
        if value.path is None and value.assets is None:
            yield f"{self.expected} is expected"


def is_absent(value: Any) -> bool:
    """Tell whether the value says nothing: AWS answers what was never given with empty strings, lists and objects."""
    return value is None or value in ("", {}, [])
