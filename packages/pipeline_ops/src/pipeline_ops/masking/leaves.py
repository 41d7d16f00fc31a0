"""Leaves of a record: each of its values with the rule that a policy has for it, told in the policy's own words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from replication_core.masking.attributes import Attribute
from replication_core.masking.paths import Node, Path, Step, path_text
from replication_core.masking.policy import Rule

__all__ = ["Leaf", "NumberText", "attribute_of", "leaves", "size_of"]

_SCALARS = {"S": "characters", "N": "digits", "B": "bytes"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value, or a name that is data, and its place."""

    path: str
    """As the policy has it: no name that no rule says."""

    type: str
    """DynamoDB's."""

    value: Any
    rule: Rule | None
    """None where no rule is for it."""


def leaves(attributes: Mapping[str, Attribute], root: Node[Rule], path: Path = ()) -> Iterator[Leaf]:
    """Yield the values of an item, or of a record as attributes, in their order; of what is dropped as a whole one."""
    for name, attribute in attributes.items():
        known = root.names.get(name)
        step: str | Step = name if known else Step.NAMES if root.renames else Step.ANY
        place = (*path, step)
        if not known and root.renames:
            yield Leaf(f"{path_text(place)} (a name)", "S", name, root.renames)
        yield from _at(attribute, known or root.other, place)


def _at(attribute: Attribute, node: Node[Rule] | None, path: Path) -> Iterator[Leaf]:
    [(type_, value)] = attribute.items()
    if node is None:
        yield Leaf(path_text(path), type_, value, None)
    elif type_ == "M" and (node.names or (node.other and node.other is not node)):
        yield from leaves(value, node, path)
    elif type_ == "L" and node.elements and node.elements is not node:
        for element in value:
            yield from _at(element, node.elements, (*path, Step.ELEMENTS))
    else:
        yield Leaf(path_text(path), type_, value, node.rule)


def size_of(type_: str, value: Any) -> str:
    """Say how long a value is, and nothing else of it.

    >>> size_of("S", "secret"), size_of("SS", ["a", "b"]), size_of("BOOL", True)
    ('S, 6 characters', 'SS, 2 members', 'BOOL')
    """
    if type_ in _SCALARS:
        length = sum(map(str.isdigit, value)) if type_ == "N" else len(value)
        return f"{type_}, {length:,} {_SCALARS[type_]}"
    return type_ if type_ in {"BOOL", "NULL"} else f"{type_}, {len(value):,} members"


class NumberText(str):
    """A number of a JSON text, as it is written there."""

    __slots__ = ()


def attribute_of(value: Any) -> Attribute:
    """Return a value of a JSON text as an attribute; its numbers are NumberText."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case NumberText():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case dict():
            return {"M": {name: attribute_of(each) for name, each in value.items()}}
        case _:
            return {"L": list(map(attribute_of, value))}
