"""One invocation's messages: which keys they ask for, and what the keys' outcomes mean for each message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from queue_worker.messages import Message
from queue_worker.settlement import Done, GivenUp, Settlement, failed, not_started, put_off
from replication_core.admission import Braked
from replication_core.aws.errors import StoreError
from replication_core.changes import Change, message
from replication_core.datasets import RecordKey
from replication_core.objects.unfinished import UnfinishedCopy
from replication_core.reconcile import Outcome

__all__ = ["Batch", "Dead"]

BRAKED_SECONDS = 60
"""How long a message is out of sight that a brake holds: by then the route has paused itself.

Where that fails it comes back nine times, and is a dead letter after that.
"""


@dataclass(frozen=True, slots=True)
class Dead:
    """A key that a message was given up for, or the message where it tells none."""

    message: Message
    error: StoreError
    key: RecordKey | None = None


@dataclass(slots=True)
class Batch:
    """The messages of one invocation, by the keys that they ask for.

    Messages for the same key share its outcome, since one reconcile does what each of them asks for. Each still counts
    its own tries, and each that is given up gets its own envelope: none depends on another's being redriven.
    """

    changes: Mapping[Message, Sequence[Change]]
    """What each message tells of."""

    _failed: dict[Message, Mapping[RecordKey, StoreError]] = field(default_factory=dict)

    def keys(self) -> list[RecordKey]:
        """Return the keys asked for, each once; first those whose messages have come back most often.

        What one invocation's time does not suffice for is then the first that the next one works on.
        """
        oldest = sorted(self.changes, key=lambda message: message.attempts, reverse=True)
        return list(dict.fromkeys(change.key for message in oldest for change in self.changes[message]))

    def unsure(self) -> set[RecordKey]:
        """Return the keys that no message is sure to mean."""
        changes = [change for changes in self.changes.values() for change in changes]
        return {change.key for change in changes} - {change.key for change in changes if not change.unsure}

    def begun(self) -> Mapping[RecordKey, UnfinishedCopy]:
        """Return what is to be gone on with, by its key; of two of one key what has come farther."""
        changes = (change for changes in self.changes.values() for change in changes)
        begun = [(change.key, change.begun) for change in changes if change.begun is not None]
        return dict(sorted(begun, key=lambda each: each[1].parts))

    def changed_at(self) -> Mapping[RecordKey, datetime]:
        """Return since when each key's oldest change of this batch has been waiting, where that is known."""
        oldest: dict[RecordKey, datetime] = {}
        for change in (change for changes in self.changes.values() for change in changes):
            if change.changed_at is not None:
                oldest[change.key] = min(oldest.get(change.key, change.changed_at), change.changed_at)
        return oldest

    def settle(self, outcomes: Mapping[RecordKey, Outcome]) -> dict[Message, Settlement]:
        """Decide for each message: done, again after a delay, or given up."""
        return {message: self._settle(message, changes, outcomes) for message, changes in self.changes.items()}

    def _settle(self, message: Message, changes: Sequence[Change], outcomes: Mapping[RecordKey, Outcome]) -> Settlement:
        for change in changes:
            if change.key not in outcomes:
                settlement = not_started(message.attempts, key=str(change.key))
                if isinstance(settlement, GivenUp):
                    self._failed[message] = {change.key: settlement.error}
                return settlement
        bad = {change: error for change in changes if (error := outcomes[change.key].error) is not None}
        if not bad:
            return Done()
        self._failed[message] = {change.key: error for change, error in bad.items()}
        if held := next((change for change in bad if isinstance(bad[change], Braked)), None):
            return put_off(bad[held], message.attempts, seconds=BRAKED_SECONDS, key=str(held.key))
        # It is tried again where that may help any of its keys.
        change = min(bad, key=lambda each: bad[each].permanent)
        notice = _message(list(bad)) if len(bad) < len(changes) else None
        return failed(bad[change], message.attempts, key=str(change.key), notice=notice)

    def dead(self, buried: Mapping[Message, GivenUp]) -> list[Dead]:
        """Return each key that a buried message was given up for."""
        return [
            Dead(message, error, key)
            for message, given_up in buried.items()
            for key, error in self._failed.get(message, {None: given_up.error}).items()
        ]


def _message(changes: Sequence[Change]) -> str | None:
    """Return the message that tells of these changes alone; None where one can't tell of them all."""
    first = changes[0]
    if any(replace(first, key=each.key) != each or each.key.dataset != first.key.dataset for each in changes):
        return None
    keys = [each.key for each in changes]
    return message(keys, first.reason, changed_at=first.changed_at, unsure=first.unsure)
