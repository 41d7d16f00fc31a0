"""The processor's function: an SQS batch of notices in, runs done, the failed messages' ids out.

Invoked by hand with an empty object it looks for what waits, works on that, and answers with counts.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self

from aws_lambda_powertools.logging import Logger

from processor_lambda.clients import connect
from processor_lambda.metrics import emit
from processor_lambda.notices import Notice, ObjectNotice, PoisonError, parse
from processor_lambda.processor import THREADS, Action, Outcome, Processor, build_processor
from processor_lambda.settings import ProcessorSettings
from queue_worker.dead_letters import DeadLetters, Letter, redriven
from queue_worker.messages import (
    MAX_ATTEMPTS,
    MAX_RECEIVES,
    NOT_STARTED_SECONDS,
    QUEUE_BATCH,
    Message,
    UnknownEventError,
    backoff_seconds,
    queued,
)
from replication_core.aws.batches import delay
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected

__all__ = ["Function", "handle"]

_BY_HAND = "{}, by hand, to have it look for files that wait and process them"
_UNFINISHED = StoreError(
    "Unfinished",
    f"the function ended without an answer, could not send one, or was not invoked, at each of {MAX_RECEIVES} receives",
    permanent=True,
)
"""Of a message that its queue is about to give up: written before its last try, which may leave no other trace."""

_NAMED = 10
"""Keys that one line of the log names."""


@dataclass(slots=True)
class _Batch:
    """What became of one invocation's messages."""

    outcomes: list[Outcome] = field(default_factory=list)
    dead: list[tuple[Message, StoreError]] = field(default_factory=list)
    again: dict[str, int] = field(default_factory=dict)
    """The delay, in seconds, of each message that has to come back, by the message's id."""

    def add(self, other: Self) -> None:
        """Take another one's messages in."""
        self.outcomes += other.outcomes
        self.dead += other.dead
        self.again |= other.again


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One environment's function: the processor, and everything that it reports to."""

    processor: Processor
    dead_letters: DeadLetters
    logger: Logger

    @classmethod
    def build(cls, processor: Processor) -> Self:
        """Wire a function around a processor."""
        settings = processor.settings
        return cls(
            processor=processor,
            dead_letters=DeadLetters(
                sqs=processor.clients.sqs, queue_url=settings.dlq_url, target=settings.environment
            ),
            logger=Logger(service=f"processor-{settings.environment}"),
        )

    def process(self, event: Any, remaining_ms: int | None = None) -> dict[str, Any]:
        """Work on a batch of an SQS event source mapping, and return its partial batch response.

        A message is done when its run is finished or handed over to another message, or when its envelope is in the
        dead-letter queue; every other one is reported as failed, after its delay was set. An empty object has it look
        for what waits instead, and answer with counts. Raises UnknownEventError for anything else. `remaining_ms` is
        the time left; None for no limit.
        """
        self.processor.deadline.start(remaining_ms)
        if event == {}:
            return self._by_hand()
        records = queued(event)
        if not records:
            raise UnknownEventError(_BY_HAND, QUEUE_BATCH)
        messages = [Message.from_record(record) for record in records]
        for told in redriven(records):
            self.logger.info("redriven", extra=told)
        batch = _Batch()
        for message in messages:
            self._work(message, batch)
        self._bury(batch)
        waiting = [(message.receipt, batch.again[message.id]) for message in messages if message.id in batch.again]
        # A delay that can't be set is no loss: the message comes back after the queue's visibility timeout.
        for error in delay(self.processor.clients.sqs, self.processor.settings.queue_url, waiting).values():
            self._warn("message not delayed", error)
        emit(self.processor.settings.instance, batch.outcomes, len(batch.dead))
        return {"batchItemFailures": [{"itemIdentifier": message} for message in batch.again]}

    def _by_hand(self) -> dict[str, Any]:
        """Process what no run is known of, and leave to the queue what the time does not suffice for."""
        done = _Batch()
        unreadable: list[str] = []
        looked, finished = 0, True
        for page in self.processor.sweeper.pages():
            looked += page.looked
            unreadable += page.unreadable
            done.add(self._at_once(page.missed))
            if self.processor.deadline.passed():
                self.processor.sweeper.go_on(page.last, invocations=1)
                finished = False
                break
        summaries = [outcome.summary for outcome in done.outcomes if outcome.summary is not None]
        return {
            "environment": self.processor.settings.environment,
            "looked_at": looked,
            "all_looked_at": finished,
            "processed": len(summaries),
            "failed": sum(outcome.failure is not None for outcome in done.outcomes),
            "continued": sum(outcome.action is Action.CONTINUED for outcome in done.outcomes),
            "enqueued": len(done.again),
            "given_up": len(done.dead),
            "unreadable": unreadable[:_NAMED],
            **{
                name: sum(getattr(outcome, name) for outcome in done.outcomes)
                for name in ("read", "rejected", "written")
            },
            "latest": self.processor.results.latest_key,
        }

    def _at_once(self, notices: Sequence[ObjectNotice]) -> _Batch:
        """Work on notices that no queue holds, and lose none of them: what is not done is in a queue at the end."""
        batch = _Batch()
        messages = [Message(id=notice.key, receipt="", body=notice.body(), attempts=1) for notice in notices]
        for message in messages:
            self._work(message, batch)
        self._bury(batch)
        emit(self.processor.settings.instance, batch.outcomes, len(batch.dead))
        self.processor.sweeper.enqueue([message.body for message in messages if message.id in batch.again])
        return batch

    def _work(self, message: Message, batch: _Batch) -> None:
        if self.processor.deadline.passed():
            batch.again[message.id] = NOT_STARTED_SECONDS
            return
        try:
            notice = parse(message.body)
            if message.attempts >= MAX_RECEIVES:
                self._remember(notice, _UNFINISHED)
            outcome = self.processor.process(notice)
        except PoisonError as error:
            batch.dead.append((message, StoreError("PoisonNotice", str(error), permanent=True)))
        except StoreError as error:
            self._failed(message, notice, error, batch)
        except Exception as error:  # noqa: BLE001 - a fault of this program must not take the batch's others with it
            fault = unexpected(error)
            # What a fault of the program ends at each try it will end again.
            lasting = message.attempts >= MAX_ATTEMPTS
            self._failed(message, notice, StoreError(fault.kind, fault.message, permanent=lasting), batch)
        else:
            batch.outcomes.append(outcome)
            self._log(outcome)
            if outcome.failure is not None:
                batch.dead.append((message, StoreError("FailedRun", outcome.failure, permanent=True)))

    def _failed(self, message: Message, notice: Notice, error: StoreError, batch: _Batch) -> None:
        if error.permanent or message.attempts >= MAX_ATTEMPTS:
            batch.dead.append((message, error))
            # From its last try on a summary stands, and is to say why.
            lasting = error.permanent or message.attempts >= MAX_RECEIVES
            self._remember(notice, StoreError(error.kind, error.message, permanent=lasting))
            return
        batch.again[message.id] = backoff_seconds(message.attempts)
        self._warn("not processed", error)

    def _remember(self, notice: Notice, error: StoreError) -> None:
        try:
            self.processor.remember(notice, error)
        except StoreError as failed:
            self._warn("not remembered", failed)
        except Exception as failed:  # noqa: BLE001 - the letter, which counts, is still to be sent
            self._warn("not remembered", unexpected(failed))

    def _bury(self, batch: _Batch) -> None:
        letters = [Letter(notice=message.body, error=error, attempts=message.attempts) for message, error in batch.dead]
        unsent = self.dead_letters.send(letters, datetime.now(UTC))
        for position, (message, error) in enumerate(batch.dead):
            if position in unsent:
                batch.again[message.id] = backoff_seconds(message.attempts)
            self.logger.error(
                "dead letter not sent" if position in unsent else "given up",
                extra={
                    "message_id": message.id,
                    "attempts": message.attempts,
                    "error_type": error.kind,
                    "error": error.message,
                },
            )
        batch.dead = [death for position, death in enumerate(batch.dead) if position not in unsent]

    def _log(self, outcome: Outcome) -> None:
        fields: dict[str, Any] = {
            "environment": self.processor.settings.environment,
            "key": outcome.key,
            "outcome": outcome.action.value,
            "read": outcome.read,
            "rejected": outcome.rejected,
            "written": outcome.written,
            "enqueued": outcome.enqueued,
        }
        if outcome.unreadable:
            fields |= {"unreadable": len(outcome.unreadable), "unreadable_keys": outcome.unreadable[:_NAMED]}
        if outcome.summary is not None:
            fields |= {name: outcome.summary[name] for name in ("run", "version", "status", "reason", "duration_ms")}
        self.logger.info("worked", extra=fields)
        if outcome.warning is not None:
            self._warn("not tidied", outcome.warning)

    def _warn(self, what: str, error: StoreError) -> None:
        self.logger.warning(what, extra={"error_type": error.kind, "error": error.message})


@cache
def _function() -> Function:
    settings = ProcessorSettings.from_env(os.environ)
    return Function.build(build_processor(settings, connect(connections=THREADS + 1)))


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Process a batch of notices, or what waits: the entry point of the processor's Lambda function."""
    return _function().process(event, context.get_remaining_time_in_millis())
