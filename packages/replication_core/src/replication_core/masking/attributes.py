"""Attributes masked by the rules of their paths, as one function for each place of a policy's trie. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from replication_core.masking.paths import Node, Path, Step, path_text
from replication_core.masking.policy import DROP, Rule
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.masking.refusals import Unclassified
from replication_core.masking.rules import RULES, Masker

__all__ = ["Attribute", "AttributeMask", "AttributeMasks", "AttributesMask", "left_out"]

Attribute = Mapping[str, Any]
"""A value under its type, as in DynamoDB's own JSON: `{"S": "text"}`."""

AttributeMask = Callable[[Attribute], Attribute | None]
"""Makes the replica's attribute of a source's, None where it is left out; raises Unclassified."""

AttributesMask = Callable[[Mapping[str, Attribute]], dict[str, Attribute]]
"""Makes a replica's attributes, or a map's members, of a source's; raises Unclassified."""


def left_out(_: Attribute) -> None:
    """Leave an attribute out."""


@dataclass(frozen=True, slots=True)
class AttributeMasks:
    """What makes the functions of one policy."""

    pseudonyms: Pseudonyms
    drops_unknown: bool
    """Whether what no rule is for is left out; else it is refused."""

    def masker(self, rule: Rule, path: str) -> Masker:
        """Return what masks values by a rule other than `drop`, and refuses them in the words of the policy."""
        return RULES[rule.kind].masker(rule.settings, self.pseudonyms, path=path, line=rule.line)

    def attribute(self, node: Node[Rule], path: Path = ()) -> AttributeMask:
        """Return what masks the values at a place."""
        if _is_dropped(node):
            return left_out
        place, rule = path_text(path), node.rule
        drops = rule is not None and rule.kind == DROP
        mask = self.masker(rule, place) if rule and not drops else None
        members = self.attributes(node, path) if mask is None or node.names or node.other else None
        element = self.attribute(node.elements, (*path, Step.ELEMENTS)) if node.elements else None
        if mask and members is None and element is None:
            return self.scalar(mask)

        def masked(attribute: Attribute) -> Attribute | None:
            [(type_, value)] = attribute.items()
            if type_ == "M" and members:
                return {"M": members(value)}
            if type_ == "L" and element:
                return {"L": [made for each in value if (made := element(each)) is not None]}
            if mask:
                return {type_: mask(type_, value)}
            if type_ == "NULL" and not drops:
                return attribute
            if not drops:
                self.unknown("a value", place)
            return None

        return masked

    def scalar(self, mask: Masker) -> AttributeMask:
        """Return what masks the values at a place that no path leads on from."""

        def masked(attribute: Attribute) -> Attribute:
            [(type_, value)] = attribute.items()
            return {type_: mask(type_, value)}

        return masked

    def attributes(self, node: Node[Rule], path: Path = ()) -> AttributesMask:
        """Return what masks all that a map at a place has, or an item where the path is empty."""
        masks = {name: self.attribute(below, (*path, name)) for name, below in node.names.items()}
        step, place = Step.NAMES if node.renames else Step.ANY, path_text(path)
        other = self.attribute(node.other, (*path, step)) if node.other else None
        rename = self.masker(node.renames or Rule("keep"), path_text((*path, step)))

        def masked(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
            made: dict[str, Attribute] = {}
            for name, attribute in attributes.items():
                mask = masks.get(name, other)
                if mask is None:
                    self.unknown("an attribute", place)
                elif (value := mask(attribute)) is not None:
                    if name not in masks:
                        name = rename("S", name)  # noqa: PLW2901 - as the replica has it
                        if name in made or name in masks:
                            raise Unclassified("two names would become the same", path=place)
                    made[name] = value
            return made

        return masked

    def unknown(self, what: str, path: str) -> None:
        """Refuse what no rule is for, unless that is left out."""
        if not self.drops_unknown:
            raise Unclassified(f"has {what} that no rule is for", path=path)


def _is_dropped(node: Node[Rule]) -> bool:
    """Tell whether all that is at a place, and below, is left out."""
    if node.rule is None or node.rule.kind != DROP or node.names:
        return False
    return all(below is None or below is node or _is_dropped(below) for below in (node.other, node.elements))
