"""Items, and their states as the reconciler compares them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Item", "ItemState", "ordered"]

Item = Mapping[str, Any]
"""An item in DynamoDB's own JSON, each attribute with its type: nothing is converted on the way."""


@dataclass(frozen=True, slots=True, eq=False)
class ItemState:
    """An item, equal to another whose sets hold the same in whatever order."""

    item: Item

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ItemState):
            return NotImplemented
        return self.item == other.item or ordered(dict(self.item)) == ordered(dict(other.item))

    def __hash__(self) -> int:
        return hash(frozenset(self.item))


def ordered(value: Any) -> Any:
    """Return an attribute, or a map of them, with every set's members sorted."""
    if isinstance(value, dict):
        return {
            name: sorted(inner) if name in {"SS", "NS", "BS"} and isinstance(inner, list) else ordered(inner)
            for name, inner in value.items()
        }
    return [ordered(inner) for inner in value] if isinstance(value, list) else value
