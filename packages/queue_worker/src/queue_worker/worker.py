"""The loop of every function that reads a queue: receive, parse, let the function work, settle, bury, delay."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aws_lambda_powertools.logging import Logger

from queue_worker.dead_letters import DeadLetters, Letter, redriven
from queue_worker.messages import QUEUE_BATCH, Message, UnknownEventError, backoff_seconds, queued
from queue_worker.settlement import Again, GivenUp, Settlement
from replication_core.aws.batches import delay
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.message_fields import PoisonError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["Settled", "Work", "Worker"]

N = TypeVar("N")

Work = Callable[[Mapping[Message, N]], Mapping[Message, Settlement]]
"""Does what messages ask for, given what each of them says; returns what is to become of each of them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of messages; those that are in neither mapping are done."""

    buried: Mapping[Message, GivenUp]
    """Those whose envelope is in the dead-letter queue."""

    again: Mapping[Message, int]
    """The delay, in seconds, of each that comes back."""

    def response(self) -> dict[str, Any]:
        """Return the partial batch response of an SQS event source mapping."""
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in self.again]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker(Generic[N]):
    """Works on one queue's messages.

    No message is lost: it is done when the function says so or when its envelope is in the dead-letter queue, and
    every other one comes back. One that can't be parsed is given up at once, and takes no other with it.
    """

    sqs: "SQSClient"
    queue_url: str
    dead_letters: DeadLetters
    logger: Logger
    parse: Callable[[str], N]
    """Returns what a message's text says; raises PoisonError where that is nothing that could be worked on."""

    def process(self, event: object, work: Work[N], *forms: str) -> Settled:
        """Work on a batch of an SQS event source mapping, and set the delay of what comes back.

        Raises UnknownEventError for anything else, naming this form and the `forms` that the function also knows.
        """
        records = queued(event)
        if not records:
            raise UnknownEventError(*forms, QUEUE_BATCH)
        for told in redriven(records):
            self.logger.info("redriven", extra=told)
        settled = self.settle([Message.from_record(record) for record in records], work)
        waiting = [(message.receipt, seconds) for message, seconds in settled.again.items()]
        # A delay that can't be set is no loss: the message comes back after the queue's visibility timeout.
        for error in delay(self.sqs, self.queue_url, waiting).values():
            self.warn("message not delayed", error)
        return settled

    def settle(self, messages: Sequence[Message], work: Work[N]) -> Settled:
        """Work on messages, and bury those that are given up; those of which that fails come back."""
        understood: dict[Message, N] = {}
        settlements: dict[Message, Settlement] = {}
        for message in messages:
            try:
                understood[message] = self.parse(message.body)
            except PoisonError as error:
                settlements[message] = GivenUp(StoreError(error.kind, str(error), permanent=True))
            except Exception as error:  # noqa: BLE001 - a message that can't be read must not take the others with it
                settlements[message] = GivenUp(unexpected(error))
        settlements |= work(understood)
        given_up = {message: each for message in messages if isinstance(each := settlements[message], GivenUp)}
        unsent = self._bury(given_up)
        again = {
            message: each.seconds if isinstance(each, Again) else backoff_seconds(message.attempts)
            for message in messages
            if isinstance(each := settlements[message], Again) or message in unsent
        }
        return Settled({message: each for message, each in given_up.items() if message not in unsent}, again)

    def _bury(self, given_up: Mapping[Message, GivenUp]) -> set[Message]:
        """Send an envelope for each, and return the messages whose envelope was not taken."""
        letters = [
            Letter(notice=each.notice or message.body, error=each.error, attempts=message.attempts)
            for message, each in given_up.items()
        ]
        messages = list(given_up)
        unsent = {messages[position] for position in self.dead_letters.send(letters, datetime.now(UTC))}
        for message, each in given_up.items():
            self.logger.error(
                "dead letter not sent" if message in unsent else "given up",
                extra={
                    "key": each.key,
                    "message_id": message.id,
                    "attempts": message.attempts,
                    "error_type": each.error.kind,
                    "error": each.error.message,
                },
            )
        return unsent

    def warn(self, what: str, error: StoreError) -> None:
        """Log what went wrong and loses nothing."""
        self.logger.warning(what, extra={"error_type": error.kind, "error": error.message})
