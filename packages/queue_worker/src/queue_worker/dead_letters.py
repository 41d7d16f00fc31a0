"""Envelopes: notices that were given up, kept in the dead-letter queue with the reason."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from replication_core.aws.batches import send
from replication_core.aws.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["ENVELOPE_SCHEMA", "REDRIVEN_BY", "REDRIVEN_WHY", "DeadLetters", "Envelope", "Letter", "redriven"]

ENVELOPE_SCHEMA = "pipeline.envelope/1"

REDRIVEN_BY = "redriven_by"
REDRIVEN_WHY = "redriven_why"
"""Message attributes of what was sent back: who did so, and why."""


def redriven(records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the message's id, who sent it back, and why, of each record that somebody has redriven: for the log."""
    for record in records:
        told = _fields(record.get("messageAttributes"))
        if REDRIVEN_BY in told:
            fields = {name: _fields(told.get(name)).get("stringValue") for name in (REDRIVEN_BY, REDRIVEN_WHY)}
            yield {"message_id": record["messageId"], **fields}


def _fields(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A notice that is given up: its text as it was received, why, and after how many tries."""

    notice: str = field(repr=False)
    error: StoreError
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an envelope says. Whoever may send to the queue may have written it: a claim, in the form of one."""

    event: str = field(repr=False)
    """The notice's text, in ASCII, since a queue refuses the characters that XML does."""

    target: str
    kind: str
    message: str
    release: str = ""
    """The version that gave the notice up; empty in a former release's envelope."""

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> Self | None:
        """Build it from a message of the envelopes' schema; None for one that has not an envelope's form."""
        match told:
            case {"event": event, "target": str(target), "error": {"type": str(kind), "message": str(message)}}:
                with suppress(RecursionError):  # an event may be nested as deep as can be read, and not be written
                    release = told.get("release")
                    known = release if isinstance(release, str) else ""
                    return cls(event=_text(event), target=target, kind=kind, message=message, release=known)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Sends envelopes: the notice as it was received, the error, the number of tries, the instant, target and release.

    To redrive one is to send its `event` to the route's queue again: whatever the source is by then is replicated.
    A notice too large to be wrapped is never sent; the queue's own redrive policy keeps that one as it is.
    """

    sqs: "SQSClient"
    queue_url: str
    target: str
    release: str = ""

    def send(self, letters: Sequence[Letter], at: datetime) -> set[int]:
        """Send an envelope for each; return the positions of those that could not be sent, which must not be lost."""
        bodies = [self._body(letter, at) for letter in letters]
        attributes = [{"target": self.target, "error_type": letter.error.kind} for letter in letters]
        return set(send(self.sqs, self.queue_url, bodies, attributes))

    def _body(self, letter: Letter, at: datetime) -> str:
        try:
            return json.dumps(self._envelope(letter, json.loads(letter.notice, parse_float=_exact), at))
        except (ValueError, ArithmeticError, RecursionError):
            # It is no JSON, or would not be the same once it was read, or is nested too deep to be read or written.
            return json.dumps(self._envelope(letter, letter.notice, at))

    def _envelope(self, letter: Letter, event: Any, at: datetime) -> dict[str, Any]:
        return {
            "schema": ENVELOPE_SCHEMA,
            "event": event,
            "error": {"type": letter.error.kind, "message": letter.error.message},
            "attempts": letter.attempts,
            "timestamp": at.isoformat(timespec="milliseconds"),
            "target": self.target,
            "release": self.release,
        }


def _exact(text: str) -> float:
    """Return a number that is written again as it was; raises ValueError for one that would lose digits.

    A number may be an item's key. Raises ArithmeticError for one whose exponent is beyond Decimal's.
    """
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError
    return number


def _text(event: Any) -> str:
    if not isinstance(event, str):
        return json.dumps(event)
    return "".join(each if _is_sendable(each) else json.dumps(each)[1:-1] for each in event)


def _is_sendable(character: str) -> bool:
    return character in "\t\n\r" or (character.isascii() and character.isprintable())
