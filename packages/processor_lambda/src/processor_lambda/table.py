"""The table's side of a run: a block of items, put in parallel and in batches."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from processor_lambda.records import Record
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated
from replication_core.batching import batches, thoroughly
from replication_core.datasets import Dataset
from replication_core.items.batch_write import WRITE_BATCH, write_items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["ItemTable", "Numbered"]

_BATCH_BYTES = 512 * 1024
"""Of a call's items, unless one alone has more: what all threads have under way at once stays small."""

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)
"""Seconds before what DynamoDB left unprocessed is put again: as its documentation asks, the longer the more calls in a
row take nothing."""

_LEFT_ALONE = "ConditionalCheckFailedException"

Numbered = tuple[int, Record]
"""A record with its number in the file."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a block."""

    written: int
    """Items put; those that a condition left alone are neither written nor refused."""

    refused: dict[int, StoreError]
    """Why the table will never take which record, by its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTable:
    """Puts items."""

    dynamodb: "DynamoDBClient"
    name: str
    dataset: Dataset
    executor: Executor
    pause: Callable[[float], None] = time.sleep

    def put(self, records: Sequence[Numbered], *, unless: str | None = None) -> Written:
        """Put a block's items, no two of which have the same key, but those whose item in the table has an attribute.

        Raises StoreError for what a later try may help.
        """
        work = [
            self.executor.submit(self._batch, batch)
            if unless is None
            else self.executor.submit(self._one_by_one, batch, unless)
            for batch in batches(records, WRITE_BATCH, size_of=lambda one: one[1].size, most_bytes=_BATCH_BYTES)
        ]
        wait(work)  # so that none works on when its message comes back
        errors = {number: error for future in work for number, error in future.result().items()}
        for error in errors.values():
            if not error.permanent and error.kind != _LEFT_ALONE:
                raise error
        refused = {number: error for number, error in errors.items() if error.permanent}
        return Written(len(records) - len(errors), refused)

    def _batch(self, batch: Sequence[Numbered]) -> dict[int, StoreError]:
        records = dict(batch)

        def put(numbers: Sequence[int]) -> dict[int, StoreError]:
            items = [(records[number].key, records[number].item) for number in numbers]
            left = write_items(self.dynamodb, self.name, self.dataset, items)
            return {number: left[records[number].key] for number in numbers if left and records[number].key in left}

        return thoroughly(list(records), put, pauses=PAUSES, pause=self.pause)

    def _one_by_one(self, batch: Sequence[Numbered], unless: str) -> dict[int, StoreError]:
        table: Any = {
            "TableName": self.name,
            "ConditionExpression": "attribute_not_exists(#unless)",
            "ExpressionAttributeNames": {"#unless": unless},
        }
        errors: dict[int, StoreError] = {}
        for number, record in batch:
            try:
                with translated("PutItem"):
                    self.dynamodb.put_item(Item=record.item, **table)
            except StoreError as error:
                errors[number] = error
                if not error.permanent and error.kind != _LEFT_ALONE:
                    break
        return errors
