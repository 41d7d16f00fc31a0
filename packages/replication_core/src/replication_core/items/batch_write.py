"""The one call that writes items, and what it and the one that reads them leave of a batch."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.datasets import Dataset, RecordKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["WRITE_BATCH", "unprocessed", "write_items"]

WRITE_BATCH = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html: writes per call."""


def write_items(
    client: "DynamoDBClient", table: str, dataset: Dataset, items: Iterable[tuple[RecordKey, Mapping[str, Any] | None]]
) -> dict[RecordKey, StoreError]:
    """Put up to WRITE_BATCH items by their keys, deleting for None; return an error for each left unprocessed.

    Raises StoreError where DynamoDB refuses the call or fails.
    """
    requests: Any = [
        {"DeleteRequest": {"Key": key.attributes()}} if item is None else {"PutRequest": {"Item": item}}
        for key, item in items
    ]
    with translated("BatchWriteItem"):
        answer = client.batch_write_item(RequestItems={table: requests})
    # The same page: what is left unprocessed is empty when all is done, and is there in any case.
    left: Any = told("BatchWriteItem", answer, "UnprocessedItems").get(table, ())
    named = (
        request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
        for request in left
    )
    return unprocessed("BatchWriteItem", dataset, named)


def unprocessed(operation: str, dataset: Dataset, left: Iterable[Mapping[str, Any]]) -> dict[RecordKey, StoreError]:
    """Return an error for each item that a batch's answer leaves: it is to be called again, since each makes room.

    Where calls in a row process nothing, the table is throttled, and the keys go back to their queue, whose delay is
    the backoff.
    """
    return dict.fromkeys(map(dataset.of_item, left), StoreError("Unprocessed", f"{operation}: left unprocessed"))
