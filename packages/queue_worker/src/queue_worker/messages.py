"""Messages as a queue delivers them, and the delay of one that failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = [
    "MAX_ATTEMPTS",
    "MAX_RECEIVES",
    "NOT_STARTED_SECONDS",
    "QUEUE_BATCH",
    "Message",
    "UnknownEventError",
    "backoff_seconds",
    "queued",
    "records_of",
]

MAX_ATTEMPTS = 6
"""Tries of a message before its envelope goes to the dead-letter queue: at once and after 1, 2, 4, 8, 16 s."""

MAX_RECEIVES = 10
"""Times that a queue hands a message out before it moves it to the dead letters itself.

More than MAX_ATTEMPTS, so that only what crashes a function or times out gets there without a reason.
"""

NOT_STARTED_SECONDS = 1
"""Delay of a message that the invocation's time did not suffice for."""

QUEUE_BATCH = '{"Records": [{"messageId": "...", "receiptHandle": "...", "body": "..."}]}, as its queue hands it over'
"""The form of a queue's batch, for an UnknownEventError.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html: an example of the event
"""


class UnknownEventError(ValueError):
    """A function was invoked with an event of no form that it understands, which must not pass for an empty batch."""

    def __init__(self, *forms: str) -> None:
        understood = "; ".join(forms)
        super().__init__(f"nothing was done: the event has none of the forms that are understood here: {understood}")


def records_of(event: object) -> Sequence[Mapping[str, Any]]:
    """Return a batch's records, at least one; none where the event is no batch."""
    match event:
        case {"Records": [*records]} if all(isinstance(record, dict) for record in records):
            return records
    return ()


def queued(event: object) -> Sequence[Mapping[str, Any]]:
    """Return the records of a queue's batch, at least one; none where the event is none."""
    records = records_of(event)
    told = ("messageId", "receiptHandle", "body")
    return records if all(isinstance(record.get(name), str) for record in records for name in told) else ()


def backoff_seconds(attempts: int) -> int:
    """Return the delay after so many tries.

    >>> [backoff_seconds(attempts) for attempts in range(1, 7)]
    [1, 2, 4, 8, 16, 16]
    """
    return 1 << (min(max(attempts, 1), MAX_ATTEMPTS - 1) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as the queue delivered it."""

    id: str
    receipt: str
    body: str = field(repr=False)
    attempts: int
    """Times that the queue has delivered it, this one included."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Build it from a record of an SQS event source mapping."""
        return cls(
            id=record["messageId"],
            receipt=record["receiptHandle"],
            body=record["body"],
            attempts=int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)),
        )
