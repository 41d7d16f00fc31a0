"""The size of an item, as DynamoDB counts it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ITEM_BYTES", "size_of"]

ITEM_BYTES = 400 * 1024
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: an item's names and values."""


def size_of(attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the bytes of an item's names and values, or of a map's; a number is counted as a byte more at most.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    size = 0
    for name, attribute in attributes.items():
        size += _text(name) + _value(attribute)
    return size


def _value(attribute: Mapping[str, Any]) -> int:
    [(type_, value)] = attribute.items()
    return _BYTES[type_](value)


def _text(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def _number(value: str) -> int:
    return (len(value.strip("-0.")) + 1) // 2 + 2


def _one(_: bool) -> int:
    return 1


def _set(member: Callable[[Any], int]) -> Callable[[list[Any]], int]:
    return lambda members: 3 + sum(1 + member(each) for each in members)


_BYTES: Mapping[str, Callable[[Any], int]] = {
    "S": _text,
    "N": _number,
    "B": len,
    "BOOL": _one,
    "NULL": _one,
    "SS": _set(_text),
    "NS": _set(_number),
    "BS": _set(len),
    "M": lambda value: 3 + size_of(value) + len(value),
    "L": _set(_value),
}
