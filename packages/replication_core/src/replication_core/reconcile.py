"""Bring replicas level with their source: the one algorithm behind live changes, backfill, redrive and repair.

Since a write is always followed by a look at the source, whoever writes a replica last has either seen that it is level
or will write again. So notices may be repeated, reordered and handled at the same time by several functions.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from replication_core.aws.errors import StoreError
from replication_core.objects.unfinished import UnfinishedCopy

if TYPE_CHECKING:
    from replication_core.masking.shadow import Shadowed

__all__ = ["ROUNDS", "Action", "Outcome", "Reading", "SourceMoved", "Store", "Writing", "Written", "reconcile"]

ROUNDS = 5
"""Times that one reconcile follows a source that keeps changing before it leaves the rest to the notice's next try."""


class SourceMoved(Exception):  # noqa: N818 - it is news, not an error
    """What was read is no longer there to be copied: the source has to be read again."""


class Action(StrEnum):
    """What became of a key."""

    COPIED = "copied"
    DELETED = "deleted"
    IGNORED = "ignored"
    CONTINUED = "continued"
    """Begun, and left for another invocation to finish."""

    FAILED = "failed"


K = TypeVar("K")
S = TypeVar("S")

Reading = Mapping[K, S | StoreError | None]
"""A source's states by key: None where it has none."""

Written = int | Action | UnfinishedCopy | StoreError | SourceMoved
"""The result of a write: the bytes that were copied, what else became of the replica, or why there was no write."""

Writing = Mapping[K, Written]


class Store(Protocol[K, S]):
    """A source and its replica. Every call answers for each key that it is given, and never raises for one of them."""

    def read(self, keys: Collection[K]) -> Reading[K, S]:
        """Read the source's current states."""

    def write(self, states: Mapping[K, S | None]) -> Writing[K]:
        """Make the replicas what these states ask for; None deletes."""

    def confirm(self, states: Mapping[K, S | None]) -> Reading[K, S]:
        """Read the source's current states, knowing those that were written.

        A key whose source has not changed since is given a state equal to the one written.
        """


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a key, and what it took."""

    action: Action
    size: int = 0
    """Bytes of an object that were copied."""

    rereads: int = 0
    """Times that the source was found changed and was followed."""

    error: StoreError | None = None
    settled_at: datetime | None = None
    """When the replica was level, or given up."""

    unfinished: UnfinishedCopy | None = None
    """What another invocation has to go on with."""

    shadow: "Shadowed | None" = None
    """What the route's next policy would change of it; None where it has none, or the record is not settled."""


def reconcile(keys: Collection[K], store: Store[K, S], *, rounds: int = ROUNDS) -> dict[K, Outcome]:
    """Make each key's replica equal to its source, and return what became of each.

    A key is reported copied or deleted only after its source was seen unchanged since before the write. One whose
    source is still changing after `rounds` writes fails with a retryable error.

    >>> class Memory:
    ...     source, replica = {"a": 1}, {"b": 2}
    ...     def read(self, keys):
    ...         return {key: self.source.get(key) for key in keys}
    ...     def write(self, states):
    ...         self.replica = {key: state for key, state in states.items() if state is not None}
    ...         return dict.fromkeys(states, 0)
    ...     confirm = read
    >>> memory = Memory()
    >>> {key: outcome.action.value for key, outcome in reconcile(["a", "b"], memory).items()}, memory.replica
    ({'a': 'copied', 'b': 'deleted'}, {'a': 1})
    """
    outcomes: dict[K, Outcome] = {}
    rereads: defaultdict[K, int] = defaultdict(int)
    sizes: defaultdict[K, int] = defaultdict(int)
    states: Reading[K, S] = store.read(keys)
    written: dict[K, S | None] = {}
    actions: dict[K, Action] = {}
    for turn in range(rounds + 1):
        pending: dict[K, S | None] = {}
        for key, state in states.items():
            if isinstance(state, StoreError):
                outcomes[key] = Outcome(Action.FAILED, rereads=rereads[key], error=state)
            elif key in written and state == written[key]:
                outcomes[key] = Outcome(actions[key], size=sizes[key], rereads=rereads[key])
            else:
                rereads[key] += key in written
                pending[key] = state
        if not pending or turn == rounds:
            break
        written = {}
        failed: dict[K, StoreError] = {}
        moved: list[K] = []
        for key, answer in store.write(pending).items():
            if isinstance(answer, SourceMoved):
                moved.append(key)
                rereads[key] += 1
            elif isinstance(answer, StoreError):
                failed[key] = answer
            elif isinstance(answer, UnfinishedCopy):
                outcomes[key] = Outcome(Action.CONTINUED, rereads=rereads[key], unfinished=answer)
            else:
                written[key] = pending[key]
                actions[key], size = _done(answer, pending[key])
                sizes[key] += size
        states = {**failed, **store.confirm(written), **store.read(moved)}
    why = StoreError("SourceKeepsChanging", f"the source changed during each of {rounds} writes")
    return outcomes | {key: Outcome(Action.FAILED, rereads=rereads[key], error=why) for key in pending}


def _done(answer: int | Action, state: object) -> tuple[Action, int]:
    """Return what a write has done to a replica for this state, and how many bytes that took."""
    if isinstance(answer, Action):
        return answer, 0
    return Action.DELETED if state is None else Action.COPIED, answer
