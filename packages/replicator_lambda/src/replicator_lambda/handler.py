"""The function of a route: an SQS batch of notices in, replicas level, the failed messages' ids out.

Invoked with a notice itself, as an operator's command does, it answers with what became of the notice's key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self

from aws_lambda_powertools.logging import Logger

from queue_worker.dead_letters import DeadLetters
from queue_worker.messages import Message
from queue_worker.settlement import Settlement
from queue_worker.worker import Settled, Worker
from replication_core.admission import Braked
from replication_core.aws.batches import send
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated, unexpected
from replication_core.changes import CHANGES_SCHEMA, NOTICE_SCHEMA, Change, is_own, parse
from replication_core.clients import Clients, connect
from replication_core.datasets import RecordKey
from replication_core.reconcile import Action, Outcome
from replication_core.replicator import PART_THREADS, THREADS, Replicator, build_replicator
from replication_core.route_spec import RouteSpec
from replicator_lambda.archive import read_route
from replicator_lambda.batch import Batch
from replicator_lambda.metrics import emit
from replicator_lambda.notifications import Notifications

__all__ = ["RouteFunction", "handle"]

_NOTICES = (
    f'{{"schema": "{NOTICE_SCHEMA}", "kind": "object", "key": "...", "reason": "manual"}}',
    f'{{"schema": "{NOTICE_SCHEMA}", "kind": "item", "id": "...", "timestamp": "1700000000", "reason": "manual"}}',
    f'{{"schema": "{CHANGES_SCHEMA}", "dataset": "orders", "keys": [{{"id": "..."}}], "reason": "manual"}}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFunction:
    """One target's function: the replicator, and everything that it reports to."""

    spec: RouteSpec
    clients: Clients
    replicator: Replicator
    worker: Worker[Sequence[Change]]
    notifications: Notifications

    @classmethod
    def build(cls, spec: RouteSpec, clients: Clients, replicator: Replicator) -> Self:
        """Wire a route from its specification."""
        return cls(
            spec=spec,
            clients=clients,
            replicator=replicator,
            worker=Worker(
                sqs=clients.sqs,
                queue_url=spec.queue_url,
                dead_letters=DeadLetters(
                    sqs=clients.sqs, queue_url=spec.dlq_url, target=spec.target, release=spec.release
                ),
                logger=Logger(service=f"replicator-{spec.target}", release=spec.release),
                parse=lambda body: parse(body, spec),
            ),
            notifications=Notifications(sns=clients.sns, route=spec),
        )

    def process(self, event: Mapping[str, Any], remaining_ms: int | None = None) -> dict[str, Any]:
        """Work on a batch of an SQS event source mapping, and return its partial batch response.

        A message is done when its keys are level or when it is a dead letter. `remaining_ms` is the time left; None for
        no limit. Raises UnknownEventError for what is no such batch.
        """
        self.replicator.deadline.start(remaining_ms)
        batch = Batch({})
        outcomes: dict[RecordKey, Outcome] = {}

        def work(changes: Mapping[Message, Sequence[Change]]) -> dict[Message, Settlement]:
            batch.changes = changes
            outcomes.update(self._reconcile(batch))
            return batch.settle(outcomes)

        settled = self.worker.process(event, work, *_NOTICES)
        if any(isinstance(outcome.error, Braked) for outcome in outcomes.values()):
            self._pause(event)
        self._report(batch, outcomes, settled)
        return settled.response()

    def answer(self, notice: Mapping[str, Any], remaining_ms: int | None = None) -> list[dict[str, Any]]:
        """Reconcile the keys of one notice now, and return what became of each.

        Who asks is told, and nobody else: a failure is neither tried again nor a dead letter. Raises PoisonError for
        what is no notice. A key that there was no time for is not in the answer.
        """
        self.replicator.deadline.start(remaining_ms)
        body = json.dumps(notice)
        asked = Message(id="", receipt="", body=body, attempts=1)
        outcomes = self._reconcile(Batch({asked: parse(body, self.spec)}))
        emit(self.spec, outcomes, {}, 0)
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

    def _reconcile(self, batch: Batch) -> dict[RecordKey, Outcome]:
        """Reconcile a batch's keys, and ask the route's queue for what is left of their work."""
        outcomes = self.replicator.reconcile(batch.keys(), unsure=batch.unsure(), begun=batch.begun())
        since = batch.changed_at()
        left = [
            Change(key, "continuation", since.get(key), begun=outcome.unfinished)
            for key, outcome in outcomes.items()
            if outcome.unfinished is not None
        ]
        unsent = send(self.clients.sqs, self.spec.queue_url, [change.body() for change in left])
        outcomes |= {left[position].key: Outcome(Action.FAILED, error=error) for position, error in unsent.items()}
        self._log(outcomes)
        return outcomes

    def _pause(self, event: Mapping[str, Any]) -> None:
        """Have no more messages handed out, until somebody resumes the route; where that fails, the brake holds on."""
        try:
            with translated("UpdateEventSourceMapping"):
                client, queue = self.clients.lambda_, event["Records"][0]["eventSourceARN"]
                for mapping in client.list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]:
                    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
            self.worker.logger.warning("paused by its brake", extra={"target": self.spec.target})
        except StoreError as error:
            self.worker.warn("not paused by its brake", error)

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
            if outcome.error is not None:
                reason = {"error_type": outcome.error.kind, "error": outcome.error.message}
                self.worker.logger.warning("not replicated", extra=fields | reason)
            else:
                self.worker.logger.info("reconciled", extra=fields)
        if self.spec.shadow:
            try:
                self._log_shadow(outcomes)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the next policy, the batch is done
                self.worker.warn("shadow not counted", unexpected(error))

    def _log_shadow(self, outcomes: Mapping[RecordKey, Outcome]) -> None:
        """Tell in one line what the next policy would change of a batch, if it was tried on any of it.

        It is a figure, as metrics are, and told whatever level the log has.
        """
        from replication_core.masking.shadow import ShadowCounts  # noqa: PLC0415 - a route without one loads none

        counts = ShadowCounts()
        for key, outcome in outcomes.items():
            if outcome.shadow is not None:
                counts.add(key.dataset.name, outcome.shadow)
        if counts.impacts and self.spec.shadow_policy is not None:
            told = {"message": "shadow", "target": self.spec.target, "policy": self.spec.shadow_policy.digest}
            print(json.dumps({**told, **counts.document()}))  # noqa: T201 - as metrics are written

    def _report(self, batch: Batch, outcomes: Mapping[RecordKey, Outcome], settled: Settled) -> None:
        now = datetime.now(UTC)
        for error in self.notifications.failed(batch.dead(settled.buried), now):
            self.worker.warn("failure not notified", error)
        for error in self.notifications.succeeded(outcomes, now):
            self.worker.warn("success not notified", error)
        emit(self.spec, outcomes, batch.changed_at(), len(settled.buried))


@cache
def _route() -> RouteFunction:
    spec = read_route()
    clients = connect(spec, connections=THREADS + PART_THREADS)
    return RouteFunction.build(spec, clients, build_replicator(spec, clients))


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any] | list[dict[str, Any]]:
    """Replicate a batch of notices, or answer to one: the entry point of a route's Lambda function."""
    act = _route().answer if is_own(event) else _route().process
    return act(event, context.get_remaining_time_in_millis())
