"""A table's items by segments, which are scanned at the same time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replication_core.aws.failures import told, translated
from replication_core.datasets import Dataset, RecordKey
from replication_core.items.dynamodb import projection
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
    last: RecordKey | None
    """The key to go on after; None where this was the last page."""


def scan(
    client: "DynamoDBClient",
    table: str,
    dataset: Dataset,
    segment: Segment,
    *,
    after: RecordKey | None = None,
    only: Sequence[str] = (),
    limit: int | None = None,
) -> Iterator[Page]:
    """Yield the segment's pages, from the beginning or after a key; raises StoreError.

    `only` are the attributes that are asked for, all where none is named.

    The reads are eventually consistent, at half the price: a change of the last second may not be seen.
    """
    while True:
        asked: dict[str, Any] = {"TableName": table, "Segment": segment.number, "TotalSegments": segment.of}
        if after is not None:
            asked["ExclusiveStartKey"] = after.attributes()
        if only:
            asked |= projection(only)
        if limit is not None:
            asked["Limit"] = limit
        with translated("Scan"):
            answer = client.scan(**asked)
        after = dataset.of_item(answer["LastEvaluatedKey"]) if answer.get("LastEvaluatedKey") else None
        yield Page(told("Scan", answer, "Items"), after)
        if after is None:
            return
