"""Segments of a table whose partition key is binary, which moto by itself fails to scan."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.dynamodb.models.dynamo_type import Item

__all__ = ["binary_segments"]


@contextmanager
def binary_segments() -> Iterator[None]:
    """Have moto scan such a table by segments in the block."""
    original = Item.is_within_segment

    def is_within(item: Any, segments: Any) -> bool:
        value = item.hash_key.value
        if not isinstance(value, bytes) or segments == (None, None):
            return original(item, segments)
        segment, of = segments
        return bool(sum(value) % of == segment)

    with patch.object(Item, "is_within_segment", is_within):
        yield
