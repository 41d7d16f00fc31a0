"""A table's items by segments, which are scanned at the same time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

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
    """Return the segment's pages, from the beginning or after a key, each read as it is taken; that raises StoreError.

    `only` are the attributes that are asked for, all where none is named. With a limit, they end after so many items.

    The reads are eventually consistent, at half the price: a change of the last second may not be seen.
    """
    asked: dict[str, Any] = {"TableName": table, "Segment": segment.number, "TotalSegments": segment.of}
    return _Pages(client, dataset, asked | (projection(only) if only else {}), after, limit)


@dataclass(slots=True)
class _Pages:
    """No generator, which would hold each page, some megabytes once it is parsed, until the next one is there."""

    client: "DynamoDBClient"
    dataset: Dataset
    asked: Mapping[str, Any]
    after: RecordKey | None
    left: int | None
    is_last: bool = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Page:
        if self.is_last:
            raise StopIteration
        asked = dict(self.asked)
        if self.after is not None:
            asked["ExclusiveStartKey"] = self.after.attributes()
        if self.left is not None:
            asked["Limit"] = self.left
        with translated("Scan"):
            answer = self.client.scan(**asked)
        items = told("Scan", answer, "Items")
        self.after = self.dataset.of_item(answer["LastEvaluatedKey"]) if answer.get("LastEvaluatedKey") else None
        if self.left is not None:
            self.left -= len(items)
        self.is_last = self.after is None or self.left == 0
        return Page(items, self.after)
