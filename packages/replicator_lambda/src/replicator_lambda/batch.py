"""One invocation's messages: which keys they ask for, and what the keys' outcomes mean for each message."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from queue_worker.messages import MAX_ATTEMPTS, MAX_RECEIVES, NOT_STARTED_SECONDS, Message, backoff_seconds
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.changes import Change, PoisonError, parse
from replication_core.datasets import RecordKey
from replication_core.reconcile import Action, Outcome
from replication_core.route_spec import RouteSpec

__all__ = ["Batch", "Dead"]


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that is given up, and why."""

    message: Message
    error: StoreError
    key: RecordKey | None = None
    notice: str | None = None
    """What is to be tried again, where the message says more than that."""

    @property
    def text(self) -> str:
        """Return the notice to keep."""
        return self.message.body if self.notice is None else self.notice


@dataclass(slots=True)
class Batch:
    """The messages of one invocation, by the keys that they ask for.

    Messages for the same key share its outcome, since one reconcile does what each of them asks for. Each still counts
    its own tries, and each that is given up gets its own envelope: none depends on another's being redriven.
    """

    messages: list[Message]
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    """What each message tells of, by the message's id."""

    dead: list[Dead] = field(default_factory=list)
    again: dict[str, int] = field(default_factory=dict)
    """The delay, in seconds, of each message that has to come back, by the message's id."""

    @classmethod
    def read(cls, records: Iterable[Mapping[str, Any]], route: RouteSpec) -> Self:
        """Parse the messages; those that tell of no change of the route's source are dead at once."""
        batch = cls([Message.from_record(record) for record in records])
        for message in batch.messages:
            try:
                batch.changes[message.id] = parse(message.body, route)
            except PoisonError as error:
                batch.dead.append(Dead(message, StoreError(error.kind, str(error), permanent=True)))
            except Exception as error:  # noqa: BLE001 - a message that can't be read must not take the others with it
                batch.dead.append(Dead(message, unexpected(error)))
        return batch

    def keys(self) -> list[RecordKey]:
        """Return the keys asked for, each once; first those whose messages have come back most often.

        What one invocation's time does not suffice for is then the first that the next one works on.
        """
        oldest = sorted(self.messages, key=lambda message: message.attempts, reverse=True)
        return list(dict.fromkeys(change.key for message in oldest for change in self.changes.get(message.id, ())))

    def unsure(self) -> set[RecordKey]:
        """Return the keys that no message is sure to mean."""
        changes = [change for changes in self.changes.values() for change in changes]
        return {change.key for change in changes} - {change.key for change in changes if not change.unsure}

    def changed_at(self) -> Mapping[RecordKey, datetime]:
        """Return since when each key's oldest change of this batch has been waiting, where that is known."""
        oldest: dict[RecordKey, datetime] = {}
        for change in (change for changes in self.changes.values() for change in changes):
            if change.changed_at is not None:
                oldest[change.key] = min(oldest.get(change.key, change.changed_at), change.changed_at)
        return oldest

    def settle(self, outcomes: Mapping[RecordKey, Outcome]) -> None:
        """Decide for each message: done, again after a delay, or dead."""
        for message in self.messages:
            if message.id in self.changes:
                self._settle(message, self.changes[message.id], outcomes)

    def _settle(self, message: Message, changes: Sequence[Change], outcomes: Mapping[RecordKey, Outcome]) -> None:
        failed: list[Dead] = []
        for change in changes:
            outcome = outcomes.get(change.key)
            if outcome is None:
                self._put_off(message, change.key)
                return
            if outcome.action is Action.FAILED and outcome.error is not None:
                notice = change.body() if change.unsure else None
                failed.append(Dead(message, outcome.error, change.key, notice))
        retryable = [death for death in failed if not death.error.permanent]
        if retryable and message.attempts < MAX_ATTEMPTS:
            self.again[message.id] = backoff_seconds(message.attempts)
        else:
            # Of several keys that an event may mean the one that failed is told; of several that failed, the event.
            self.dead += failed if len(failed) == 1 else [replace(death, notice=None) for death in failed]

    def _put_off(self, message: Message, key: RecordKey) -> None:
        if message.attempts < MAX_RECEIVES - 1:
            self.again[message.id] = NOT_STARTED_SECONDS
        else:  # else the queue would make it a dead letter without a reason
            reason = f"{message.attempts} invocations had no time for it"
            self.dead.append(Dead(message, StoreError("NotStarted", reason), key))

    def buried(self) -> list[Dead]:
        """Return each message that is given up, once: with several keys that failed, with the first one's reason."""
        return list({death.message.id: death for death in reversed(self.dead)}.values())[::-1]

    def keep(self, unsent: Iterable[Message]) -> None:
        """Let these come back after all, because their envelopes could not be sent."""
        for message in unsent:
            self.dead = [death for death in self.dead if death.message.id != message.id]
            self.again[message.id] = backoff_seconds(message.attempts)
