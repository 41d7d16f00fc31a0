"""The processor's function: an SQS batch of notices in, runs done, the failed messages' ids out.

Invoked by hand with an empty object it looks for what waits, works on that, and answers with counts.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Self

from aws_lambda_powertools.logging import Logger

from processor_lambda.clients import connect
from processor_lambda.metrics import emit
from processor_lambda.notices import Notice, Sweep
from processor_lambda.processor import THREADS, FileProcessor, NoticeAction, NoticeOutcome, build_processor
from processor_lambda.settings import ProcessorSettings
from queue_worker.dead_letters import DeadLetters
from queue_worker.messages import MAX_RECEIVES, Message
from queue_worker.settlement import Done, GivenUp, Settlement, failed, not_started
from queue_worker.worker import Worker
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected

__all__ = ["ProcessorFunction", "handle"]

_BY_HAND = "{}, by hand, to have it look for files that wait and process them"
_UNFINISHED = StoreError(
    "Unfinished",
    f"the function ended without an answer, could not send one, or was not invoked, at each of {MAX_RECEIVES} receives",
    permanent=True,
)
"""Of a message that its queue is about to give up: written before its last try, which may leave no other trace."""

_NAMED = 10
"""Keys that one line of the log names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorFunction:
    """One environment's function: the processor, and the queue that it works on."""

    processor: FileProcessor
    worker: Worker[Notice]

    @classmethod
    def build(cls, processor: FileProcessor) -> Self:
        """Wire a function around a processor."""
        settings, sqs = processor.settings, processor.clients.sqs
        return cls(
            processor=processor,
            worker=Worker(
                sqs=sqs,
                queue_url=settings.queue_url,
                dead_letters=DeadLetters(
                    sqs=sqs, queue_url=settings.dlq_url, target=settings.environment, release=settings.release
                ),
                logger=Logger(service=f"processor-{settings.environment}", release=settings.release),
                parse=processor.parse,
            ),
        )

    def process(self, event: Any, remaining_ms: int | None = None) -> dict[str, Any]:
        """Work on a batch of an SQS event source mapping, and return its partial batch response.

        A message is done when its run is finished or handed over to another message, or when it is a dead letter. An
        empty object has the function look for what waits instead, and answer with counts. Raises UnknownEventError for
        anything else. `remaining_ms` is the time left; None for no limit.
        """
        self.processor.deadline.start(remaining_ms)
        if event == {}:
            return self._by_hand()
        outcomes: list[NoticeOutcome] = []
        settled = self.worker.process(event, partial(self._work, outcomes), _BY_HAND)
        emit(self.processor.settings, outcomes, len(settled.buried))
        return settled.response()

    def _by_hand(self) -> dict[str, Any]:
        """Process what no run is known of, and leave to the queue what the time does not suffice for."""
        outcomes: list[NoticeOutcome] = []
        unreadable: list[str] = []
        looked, enqueued, given_up, finished = 0, 0, 0, True
        for page in self.processor.sweeper.pages():
            messages = [Message(id=each.key, receipt="", body=each.body(), attempts=1) for each in page.missed]
            settled = self.worker.settle(messages, partial(self._work, outcomes))
            self.processor.sweeper.enqueue([message.body for message in settled.again])
            looked += page.looked
            unreadable += page.unreadable
            enqueued += len(settled.again)
            given_up += len(settled.buried)
            if self.processor.deadline.passed():
                self.processor.sweeper.go_on(page.last, invocations=1)
                finished = False
                break
        emit(self.processor.settings, outcomes, given_up)
        return {
            "environment": self.processor.settings.environment,
            "looked_at": looked,
            "all_looked_at": finished,
            "processed": sum(outcome.summary is not None for outcome in outcomes),
            "failed": sum(outcome.failure is not None for outcome in outcomes),
            "continued": sum(outcome.action is NoticeAction.CONTINUED for outcome in outcomes),
            "enqueued": enqueued,
            "given_up": given_up,
            "unreadable": unreadable[:_NAMED],
            **{name: sum(getattr(outcome, name) for outcome in outcomes) for name in ("read", "rejected", "written")},
            "latest": self.processor.results.latest_key,
        }

    def _work(self, outcomes: list[NoticeOutcome], asked: Mapping[Message, Notice]) -> dict[Message, Settlement]:
        return {message: self._settle(message, notice, outcomes) for message, notice in asked.items()}

    def _settle(self, message: Message, notice: Notice, outcomes: list[NoticeOutcome]) -> Settlement:
        if self.processor.deadline.passed():
            return not_started(message.attempts)
        try:
            if message.attempts >= MAX_RECEIVES:
                self._remember(notice, _UNFINISHED)
            outcome = self.processor.process(notice)
        except StoreError as error:
            return self._failed(message, notice, error, is_lasting=error.permanent)
        except Exception as error:  # noqa: BLE001 - a fault of this program must not take the batch's others with it
            # What a fault of the program ends at each try it will end again.
            return self._failed(message, notice, unexpected(error), is_lasting=True)
        outcomes.append(outcome)
        self._log(outcome)
        return Done() if outcome.failure is None else GivenUp(StoreError("FailedRun", outcome.failure), outcome.key)

    def _failed(self, message: Message, notice: Notice, error: StoreError, *, is_lasting: bool) -> Settlement:
        settlement = failed(error, message.attempts, key=None if isinstance(notice, Sweep) else notice.key)
        if isinstance(settlement, GivenUp):
            # From its last try on a summary stands, and is to say why.
            is_lasting = is_lasting or message.attempts >= MAX_RECEIVES
            self._remember(notice, StoreError(error.kind, error.message, permanent=is_lasting))
        else:
            self.worker.warn("not processed", error)
        return settlement

    def _remember(self, notice: Notice, error: StoreError) -> None:
        try:
            self.processor.remember(notice, error)
        except StoreError as failure:
            self.worker.warn("not remembered", failure)
        except Exception as fault:  # noqa: BLE001 - the letter, which counts, is still to be sent
            self.worker.warn("not remembered", unexpected(fault))

    def _log(self, outcome: NoticeOutcome) -> None:
        fields = {
            "environment": self.processor.settings.environment,
            "outcome": outcome.action.value,
            **{name: getattr(outcome, name) for name in ("key", "read", "rejected", "written", "enqueued")},
        }
        if outcome.unreadable:
            fields |= {"unreadable": len(outcome.unreadable), "unreadable_keys": outcome.unreadable[:_NAMED]}
        if outcome.summary is not None:
            fields |= {name: outcome.summary[name] for name in ("run", "version", "status", "reason", "duration_ms")}
        self.worker.logger.info("worked", extra=fields)
        if outcome.warning is not None:
            self.worker.warn("not tidied", outcome.warning)


@cache
def _function() -> ProcessorFunction:
    settings = ProcessorSettings.from_env(os.environ)
    return ProcessorFunction.build(build_processor(settings, connect(connections=THREADS + 1)))


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Process a batch of notices, or what waits: the entry point of the processor's Lambda function."""
    return _function().process(event, context.get_remaining_time_in_millis())
