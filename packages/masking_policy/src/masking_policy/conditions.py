"""What of a dataset travels, and leaves, as people write it: `{status: {in: [open, paid]}, total: {above: 10}}`."""

from collections.abc import Collection
from typing import Any

from masking_policy.yaml_parts import YamlPart
from replication_core.masking.paths import PathError, parse_path, path_text
from replication_core.masking.policy import Condition

__all__ = ["ON_ATTRIBUTES", "ON_TAGS", "read_conditions", "read_deletes"]

ON_TAGS = ("equals", "not", "in", "begins", "exists")
ON_ATTRIBUTES = (*ON_TAGS, "above", "below")


def read_conditions(part: YamlPart, operators: Collection[str]) -> tuple[Condition, ...]:
    """Return the conditions that a part of a file lists, by these operators; all of them have to hold."""
    of_tags = operators is ON_TAGS
    return tuple(
        Condition(name, operator, _value(operator, value, of_tags=of_tags))
        for written, each in part.entries().items()
        if (name := path_text((written,)) if of_tags else _attribute(each, written))
        for operator, value in _comparisons(each, operators).items()
    )


def read_deletes(part: YamlPart | None) -> str:
    """Return what becomes of the replica of a record that is deleted: it is by default too."""
    return part.one_of(("mirror", "keep"), "mirror") if part else "mirror"


def _comparisons(part: YamlPart, operators: Collection[str]) -> dict[str, YamlPart]:
    if not part.is_mapping:
        part.fault("has no comparison", "write for example {equals: open}, or {in: [open, paid]}")
        return {}
    if not (found := part.fields(operators)):
        part.fault("compares with nothing", f"write one of {', '.join(operators)}")
    return found


def _attribute(part: YamlPart, written: str) -> str:
    """Return an attribute's path in its one spelling; notes one that may lead to several values."""
    try:
        path = parse_path(written)
    except PathError as error:
        part.fault(str(error).partition(": ")[0], "write an attribute's name")
        return ""
    if not all(isinstance(step, str) for step in path):
        part.fault("may be several values", "name one attribute")
        return ""
    return path_text(path)


def _value(operator: str, part: YamlPart, *, of_tags: bool) -> Any:
    if operator == "exists":
        return part.truth()
    if operator == "in":
        found = [_constant(each, of_tags=of_tags) for each in part.parts()]
        if part.is_list and not found:
            part.fault("is an empty list, which nothing is in", "name at least one")
        return found
    constant = _constant(part, of_tags=of_tags)
    if operator == "begins" and "S" not in constant:
        part.fault("is no text to begin with", "write it in quotes")
    if operator in {"above", "below"} and "BOOL" in constant:
        part.fault("is no number and no text", "write one")
    return constant


def _constant(part: YamlPart, *, of_tags: bool) -> dict[str, Any]:
    """Return a constant; every tag is a text, whatever YAML takes it for."""
    return {"S": part.text()} if of_tags else part.constant()
