"""One invocation's messages: which keys they ask for, and what the keys' outcomes mean for each message."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from queue_worker.messages import MAX_ATTEMPTS, MAX_RECEIVES, NOT_STARTED_SECONDS, Message, backoff_seconds
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.changes import Key, Notice, PoisonError, parse
from replication_core.reconcile import Action, Outcome

__all__ = ["Batch", "Dead"]


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that is given up, and why."""

    message: Message
    error: StoreError
    key: Key | None = None
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

    bucket: str
    """The source bucket: an event of another one is none of this route's."""

    table: str
    """The source table: a recorded call may have written to others as well."""

    messages: list[Message]
    notices: dict[str, tuple[Notice, ...]] = field(default_factory=dict)
    dead: list[Dead] = field(default_factory=list)
    again: dict[str, int] = field(default_factory=dict)
    """The delay, in seconds, of each message that has to come back, by the message's id."""

    @classmethod
    def read(cls, records: Iterable[Mapping[str, Any]], *, bucket: str, table: str) -> Self:
        """Parse the messages; those that are no notices are dead at once."""
        batch = cls(bucket, table, [Message.from_record(record) for record in records])
        for message in batch.messages:
            try:
                batch.notices[message.id] = batch._parse(message)
            except PoisonError as error:
                batch.dead.append(Dead(message, StoreError(error.kind, str(error), permanent=True)))
            except Exception as error:  # noqa: BLE001 - a message that can't be read must not take the others with it
                batch.dead.append(Dead(message, unexpected(error)))
        return batch

    def _parse(self, message: Message) -> tuple[Notice, ...]:
        notices = parse(message.body)
        for notice in notices:
            if notice.bucket not in {None, self.bucket}:
                raise PoisonError(f"the event is of the bucket {notice.bucket}, not of the source")
        own = tuple(notice for notice in notices if notice.table in {None, self.table})
        if notices and not own:
            raise PoisonError(f"the call is of the table {notices[0].table}, not of the source")
        return own

    def keys(self) -> list[Key]:
        """Return the keys asked for, each once; first those whose messages have come back most often.

        What one invocation's time does not suffice for is then the first that the next one works on.
        """
        oldest = sorted(self.messages, key=lambda message: message.attempts, reverse=True)
        return list(dict.fromkeys(notice.key for message in oldest for notice in self.notices.get(message.id, ())))

    def unsure(self) -> set[Key]:
        """Return the keys that no message is sure to mean."""
        notices = [notice for notices in self.notices.values() for notice in notices]
        return {notice.key for notice in notices} - {notice.key for notice in notices if not notice.unsure}

    def changed_at(self) -> Mapping[Key, datetime]:
        """Return since when each key's oldest notice of this batch has been waiting, where that is known."""
        oldest: dict[Key, datetime] = {}
        for notices in self.notices.values():
            for notice in notices:
                if notice.changed_at is not None:
                    oldest[notice.key] = min(oldest.get(notice.key, notice.changed_at), notice.changed_at)
        return oldest

    def settle(self, outcomes: Mapping[Key, Outcome]) -> None:
        """Decide for each message: done, again after a delay, or dead."""
        for message in self.messages:
            if message.id in self.notices:
                self._settle(message, self.notices[message.id], outcomes)

    def _settle(self, message: Message, notices: Sequence[Notice], outcomes: Mapping[Key, Outcome]) -> None:
        failed: list[Dead] = []
        for notice in notices:
            outcome = outcomes.get(notice.key)
            if outcome is None:
                self._put_off(message, notice.key)
                return
            if outcome.action is Action.FAILED and outcome.error is not None:
                failed.append(Dead(message, outcome.error, notice.key, notice.body() if notice.unsure else None))
        retryable = [death for death in failed if not death.error.permanent]
        if retryable and message.attempts < MAX_ATTEMPTS:
            self.again[message.id] = backoff_seconds(message.attempts)
        else:
            # Of several keys that an event may mean the one that failed is told; of several that failed, the event.
            self.dead += failed if len(failed) == 1 else [replace(death, notice=None) for death in failed]

    def _put_off(self, message: Message, key: Key) -> None:
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
