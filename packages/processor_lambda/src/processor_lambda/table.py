"""The table's side of a run: a block of items, put in parallel and in batches."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from processor_lambda.records import Item, Record
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.replicas import REPLICATED_FROM

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["NOT_A_REPLICA", "NOT_THERE", "Numbered", "Table", "Written"]

BATCH_ITEMS = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html: puts of a call."""

BATCH_BYTES = 512 * 1024
"""Of a call's items, unless one alone has more: what all threads have under way at once stays small."""

ROUNDS = 8
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

NOT_A_REPLICA = f"attribute_not_exists({REPLICATED_FROM})"
"""Leaves an item alone that the replication put there."""

NOT_THERE = "attribute_not_exists(id)"
"""Leaves every item alone that is there already."""

Numbered = tuple[int, Record]
"""A record with its number in the file."""


@dataclass(slots=True)
class Written:
    """What became of a block."""

    written: int = 0
    """Items put; those that a condition left alone are neither written nor refused."""

    refused: list[tuple[int, StoreError]] = field(default_factory=list)
    """The numbers of the records that the table will never take, and why."""

    def __iadd__(self, other: "Written") -> "Written":
        self.written += other.written
        self.refused += other.refused
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Puts items.

    What DynamoDB leaves unprocessed is put again after a pause that doubles, as its documentation asks; what it refuses
    is found by halves. Raises StoreError for what a later try may help.
    """

    dynamodb: "DynamoDBClient"
    name: str
    executor: Executor
    pause: Callable[[float], None] = time.sleep

    def put(self, records: Sequence[Numbered], condition: str | None = None) -> Written:
        """Put a block's items, no two of which have the same key; with a condition, only those that meet it."""
        work = [
            self.executor.submit(self._batch, batch)
            if condition is None
            else self.executor.submit(self._one_by_one, batch, condition)
            for batch in _batches(records)
        ]
        done = Written()
        errors: list[BaseException] = []
        for future in work:
            error = future.exception()
            if error is None:
                done += future.result()
            else:
                errors.append(error)
        if errors:  # after every thread has ended, so that none works on when its message comes back
            raise errors[0]
        done.refused.sort(key=lambda refusal: refusal[0])
        return done

    def _batch(self, batch: Sequence[Numbered]) -> Written:
        try:
            self._write([record.item for _, record in batch])
        except StoreError as error:
            if not error.permanent:
                raise
            if len(batch) == 1:
                return Written(refused=[(batch[0][0], error)])
            half = len(batch) // 2
            done = self._batch(batch[:half])
            done += self._batch(batch[half:])
            return done
        return Written(len(batch))

    def _write(self, items: list[Item]) -> None:
        requests: Any = [{"PutRequest": {"Item": item}} for item in items]
        pause = _FIRST_PAUSE_SECONDS
        for left in reversed(range(ROUNDS)):
            with translated("BatchWriteItem"):
                answer = self.dynamodb.batch_write_item(RequestItems={self.name: requests})
            requests = told("BatchWriteItem", answer, "UnprocessedItems").get(self.name)
            if not requests:
                return
            if left:
                self.pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise StoreError("Throttled", f"BatchWriteItem: items are left unprocessed after {ROUNDS} calls")

    def _one_by_one(self, batch: Sequence[Numbered], condition: str) -> Written:
        done = Written()
        for number, record in batch:
            item: Any = record.item
            try:
                with translated("PutItem"):
                    self.dynamodb.put_item(TableName=self.name, Item=item, ConditionExpression=condition)
                done.written += 1
            except StoreError as error:
                if error.permanent:
                    done.refused.append((number, error))
                elif error.kind != "ConditionalCheckFailedException":
                    raise
        return done


def _batches(records: Sequence[Numbered]) -> Iterator[list[Numbered]]:
    batch: list[Numbered] = []
    size = 0
    for numbered in records:
        if batch and (len(batch) == BATCH_ITEMS or size + numbered[1].size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(numbered)
        size += numbered[1].size
    if batch:
        yield batch
