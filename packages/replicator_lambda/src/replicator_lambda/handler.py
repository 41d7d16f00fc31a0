"""The function of a route: an SQS batch of notices in, replicas level, the failed messages' ids out.

Invoked with a notice itself, as an operator's command does, it answers with what became of the notice's key.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self

from aws_lambda_powertools.logging import Logger

from queue_worker.dead_letters import DeadLetters, Letter, redriven
from queue_worker.messages import QUEUE_BATCH, UnknownEventError, queued
from replication_core.aws.batches import delay
from replication_core.aws.errors import StoreError
from replication_core.changes import CHANGES_SCHEMA, NOTICE_SCHEMA, is_own, parse
from replication_core.clients import Clients, connect
from replication_core.datasets import RecordKey
from replication_core.reconcile import Action, Outcome
from replication_core.replicator import PART_THREADS, THREADS, Replicator, build_replicator
from replication_core.route_spec import RouteSpec
from replicator_lambda.archive import read_route
from replicator_lambda.batch import Batch
from replicator_lambda.metrics import emit
from replicator_lambda.notifications import Notifications

__all__ = ["Route", "handle"]

_NOTICES = (
    f'{{"schema": "{NOTICE_SCHEMA}", "kind": "object", "key": "...", "reason": "manual"}}',
    f'{{"schema": "{NOTICE_SCHEMA}", "kind": "item", "id": "...", "timestamp": "1700000000", "reason": "manual"}}',
    f'{{"schema": "{CHANGES_SCHEMA}", "dataset": "orders", "keys": [{{"id": "..."}}], "reason": "manual"}}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One target's function: the replicator, and everything that it reports to."""

    spec: RouteSpec
    clients: Clients
    replicator: Replicator
    dead_letters: DeadLetters
    notifications: Notifications
    logger: Logger

    @classmethod
    def build(cls, spec: RouteSpec, clients: Clients, replicator: Replicator) -> Self:
        """Wire a route from its specification."""
        return cls(
            spec=spec,
            clients=clients,
            replicator=replicator,
            dead_letters=DeadLetters(sqs=clients.sqs, queue_url=spec.dlq_url, target=spec.target),
            notifications=Notifications(
                sns=clients.sns,
                success_topic_arn=spec.success_topic_arn,
                failure_topic_arn=spec.failure_topic_arn,
                target=spec.target,
                mode=spec.notifications,
            ),
            logger=Logger(service=f"replicator-{spec.target}"),
        )

    def process(self, event: Mapping[str, Any], remaining_ms: int | None = None) -> dict[str, Any]:
        """Work on a batch of an SQS event source mapping, and return its partial batch response.

        A message is done when its keys are level or when its envelope is in the dead-letter queue; every other one
        is reported as failed, after its delay was set. `remaining_ms` is the time left; None for no limit. Raises
        UnknownEventError for what is no such batch.
        """
        records = queued(event)
        if not records:
            raise UnknownEventError(QUEUE_BATCH, *_NOTICES)
        self.replicator.deadline.start(remaining_ms)
        for told in redriven(records):
            self.logger.info("redriven", extra=told)
        batch = Batch.read(records, self.spec)
        outcomes = self.replicator.reconcile(batch.keys(), unsure=batch.unsure())
        batch.settle(outcomes)
        now = datetime.now(UTC)
        self._log(outcomes)
        self._bury(batch, now)
        self._delay(batch)
        self._report(batch, outcomes, now)
        return {"batchItemFailures": [{"itemIdentifier": message} for message in batch.again]}

    def answer(self, notice: Mapping[str, Any], remaining_ms: int | None = None) -> list[dict[str, Any]]:
        """Reconcile the keys of one notice now, and return what became of each.

        Who asks is told, and nobody else: a failure is neither tried again nor a dead letter. Raises PoisonError for
        what is no notice. A key that there was no time for is not in the answer.
        """
        self.replicator.deadline.start(remaining_ms)
        asked = parse(json.dumps(notice), self.spec)
        outcomes = self.replicator.reconcile(
            [each.key for each in asked], unsure={each.key for each in asked if each.unsure}
        )
        self._log(outcomes)
        emit(self.spec.target_instance, outcomes, {}, 0)
        return [
            {
                "key": str(key),
                "action": outcome.action.value,
                "size": outcome.size,
                "rereads": outcome.rereads,
                "error": outcome.error and {"type": outcome.error.kind, "message": outcome.error.message},
            }
            for key, outcome in outcomes.items()
        ]

    def _log(self, outcomes: Mapping[RecordKey, Outcome]) -> None:
        for key, outcome in outcomes.items():
            fields: dict[str, Any] = {
                "target": self.spec.target,
                "kind": key.dataset.kind.record,
                "dataset": key.dataset.name,
                "key": str(key),
                "outcome": outcome.action.value,
                "rereads": outcome.rereads,
                "size": outcome.size,
            }
            if outcome.action is Action.FAILED and outcome.error is not None:
                reason = {"error_type": outcome.error.kind, "error": outcome.error.message}
                self.logger.warning("not replicated", extra=fields | reason)
            else:
                self.logger.info("reconciled", extra=fields)

    def _bury(self, batch: Batch, now: datetime) -> None:
        buried = batch.buried()
        letters = [Letter(notice=death.text, error=death.error, attempts=death.message.attempts) for death in buried]
        batch.keep([buried[position].message for position in self.dead_letters.send(letters, now)])

    def _delay(self, batch: Batch) -> None:
        waiting = [
            (message.receipt, batch.again[message.id]) for message in batch.messages if message.id in batch.again
        ]
        # A delay that can't be set is no loss: the message comes back after the queue's visibility timeout.
        self._warn("message not delayed", delay(self.clients.sqs, self.spec.queue_url, waiting).values())

    def _report(self, batch: Batch, outcomes: Mapping[RecordKey, Outcome], now: datetime) -> None:
        for death in batch.dead:
            self.logger.error(
                "given up",
                extra={
                    "target": self.spec.target,
                    "key": str(death.key) if death.key else None,
                    "message_id": death.message.id,
                    "attempts": death.message.attempts,
                    "error_type": death.error.kind,
                    "error": death.error.message,
                },
            )
        self._warn("failure not notified", self.notifications.failed(batch.dead, now))
        self._warn("success not notified", self.notifications.succeeded(outcomes, now))
        emit(self.spec.target_instance, outcomes, batch.changed_at(), len(batch.buried()))

    def _warn(self, what: str, errors: Iterable[StoreError]) -> None:
        for error in errors:
            self.logger.warning(what, extra={"error_type": error.kind, "error": error.message})


@cache
def _route() -> Route:
    spec = read_route()
    clients = connect(spec, connections=THREADS + PART_THREADS)
    return Route.build(spec, clients, build_replicator(spec, clients))


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any] | list[dict[str, Any]]:
    """Replicate a batch of notices, or answer to one: the entry point of a route's Lambda function."""
    act = _route().answer if is_own(event) else _route().process
    return act(event, context.get_remaining_time_in_millis())
