"""Conditions of a policy, as functions of what they are about. Pure."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from replication_core.masking.attributes import Attribute
from replication_core.masking.paths import Path, parse_path
from replication_core.masking.policy import Condition

__all__ = ["Holds", "all_hold", "value_at"]

Holds = Callable[[Mapping[str, Attribute]], bool]
"""Tells by a record's attributes whether it travels."""


def all_hold(conditions: Iterable[Condition]) -> Holds:
    """Return what tells whether all of these hold."""
    each = [_holds(condition) for condition in conditions]
    return lambda attributes: all(holds(attributes) for holds in each)


def _holds(condition: Condition) -> Holds:
    path, test = parse_path(condition.attribute), _TESTS[condition.op](condition.value)

    return lambda attributes: test(value_at(attributes, path))


def value_at(attributes: Mapping[str, Attribute], path: Path) -> Attribute | None:
    """Return the attribute at a path of names, None where there is none."""
    found: Attribute | None = {"M": attributes}
    for name in path:
        found = found.get("M", {}).get(name) if found else None
    return found


_Test = Callable[[Attribute | None], bool]


def _comparable(attribute: Attribute | None) -> tuple[str, Any] | None:
    """Return a scalar's type and what to compare it by; None for what is not there, and for what is no scalar."""
    for type_, value in (attribute or {}).items():
        if type_ in {"S", "N", "B", "BOOL"}:
            return type_, Decimal(value) if type_ == "N" else value
    return None


def _equals(value: Attribute) -> _Test:
    wanted = _comparable(value)
    return lambda attribute: _comparable(attribute) == wanted


def _not(value: Attribute) -> _Test:
    equals = _equals(value)
    return lambda attribute: not equals(attribute)


def _in(values: Iterable[Attribute]) -> _Test:
    wanted = [_comparable(value) for value in values]
    return lambda attribute: _comparable(attribute) in wanted


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Attribute], _Test]:
    """Return the test that compares with a value of the same type; of another type no value passes it."""

    def test(value: Attribute) -> _Test:
        [(type_, _)] = value.items()
        wanted = (_comparable(value) or ("", None))[1]

        def holds(attribute: Attribute | None) -> bool:
            found = _comparable(attribute)
            return found is not None and found[0] == type_ and compare(found[1], wanted)

        return holds

    return test


def _exists(value: bool) -> _Test:
    return lambda attribute: (attribute is not None) is value


_TESTS: Mapping[str, Callable[[Any], _Test]] = {
    "equals": _equals,
    "not": _not,
    "in": _in,
    "above": _compared(lambda found, wanted: found > wanted),
    "below": _compared(lambda found, wanted: found < wanted),
    "begins": _compared(lambda found, wanted: found.startswith(wanted)),
    "exists": _exists,
}
