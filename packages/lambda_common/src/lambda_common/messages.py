"""A queue's messages as a function is given them, and when one that failed comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["MAX_ATTEMPTS", "MAX_RECEIVES", "NOT_STARTED_SECONDS", "Message", "backoff_seconds"]

MAX_ATTEMPTS = 6
"""Tries of a message before its envelope goes to the dead-letter queue: at once and after 1, 2, 4, 8, 16 s."""

MAX_RECEIVES = 10
"""Times that a queue hands a message out before it moves it to the dead letters itself.

More than MAX_ATTEMPTS, so that only what crashes a function or times out gets there without a reason.
"""

NOT_STARTED_SECONDS = 1
"""Delay of a message that the invocation's time did not suffice for."""


def backoff_seconds(attempts: int) -> int:
    """Return the delay after so many tries: 1, 2, 4, 8 and then always 16 seconds."""
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
