"""A table's items by segments, which are scanned at the same time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replication_core.aws.failures import told, translated
from replication_core.changes import ItemKey
from replication_core.items.dynamodb import KEYS_ALONE, key_attributes, key_of
from replication_core.items.states import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Page", "Segment", "scan"]


@dataclass(frozen=True, slots=True)
class Segment:
    """One of the parts that a scan is divided into."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Page:
    """What one call found, at most 1 MB of it."""

    items: Sequence[Item]
    last: ItemKey | None
    """The key to go on after; None where this was the last page."""


def scan(
    client: "DynamoDBClient",
    table: str,
    segment: Segment,
    *,
    after: ItemKey | None = None,
    only_keys: bool = False,
    limit: int | None = None,
) -> Iterator[Page]:
    """Yield the segment's pages, from the beginning or after a key; raises StoreError.

    The reads are eventually consistent, at half the price: a change of the last second may not be seen.
    """
    while True:
        asked: dict[str, Any] = {"TableName": table, "Segment": segment.number, "TotalSegments": segment.of}
        if after is not None:
            asked["ExclusiveStartKey"] = key_attributes(after)
        if only_keys:
            asked |= KEYS_ALONE
        if limit is not None:
            asked["Limit"] = limit
        with translated("Scan"):
            answer = client.scan(**asked)
        after = key_of(answer["LastEvaluatedKey"]) if answer.get("LastEvaluatedKey") else None
        yield Page(told("Scan", answer, "Items"), after)
        if after is None:
            return
