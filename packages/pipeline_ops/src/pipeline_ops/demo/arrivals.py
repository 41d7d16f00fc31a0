"""Arrivals of changes: the seconds until each target had each of them.

A target has a change when its replica is what the policy makes of what the source held right after the change was
written, compared as the final comparison does; or, where the policy refuses the record, when production's dead-letter
queue has a letter about it. Seconds count from the write's answer to the poll that saw it, so they are late by up to a
poll's interval. A poll is one listing and one scan, and reads only the objects that the listing shows to be new: a
watcher that asked for every object each time would keep an emulator too busy to replicate.
"""

import json
import math
import time
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat
from typing import Any, Self

from pipeline_common.contracts import StorageOutputs
from pipeline_ops.clients import ClientMaker
from pipeline_ops.demo import places
from pipeline_ops.demo.changes import DemoChange
from pipeline_ops.demo.comparison import differences
from pipeline_ops.demo.restated import Identity, Record, Restatement, identity, is_refused
from pipeline_ops.demo.stores import DemoStore, ObservedItem, ObservedObject, SystemOutputs, UnreadableObjectError
from replication_core.datasets import RecordKey

__all__ = ["DEADLINE_SECONDS", "POLL_SECONDS", "Arrival", "Became", "RefusalLetters", "apply_and_watch"]

DEADLINE_SECONDS = 120.0
"""From a wave's last change: the first one of a system waits for its functions' cold starts too."""

POLL_SECONDS = 0.2
"""Between two looks at what a target does not have yet."""

_LOOK_AGAIN_SECONDS = 1.0
"""An object whose mark is unchanged is read again after this: a mark has whole seconds, and no metadata."""


class Became(StrEnum):
    """What a target was seen to have of a change."""

    COPIED = "copied"
    """The same bytes, under the same key."""

    MASKED = "masked"
    REFUSED = "refused"
    """Nothing: a dead letter says why."""

    REMOVED = "removed"


@dataclass(frozen=True)
class Arrival:
    """One change, the seconds until each target had it, None where it did not by the deadline, and what it had."""

    change: DemoChange
    seconds: dict[str, float | None]
    became: dict[str, Became]


class RefusalLetters:
    """Production's dead letters as they come, none of them taken."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url
        self._letters: list[tuple[str, str]] = []

    @classmethod
    def of(cls, client: ClientMaker, outputs: SystemOutputs, environment: str) -> Self:
        """Return that of an environment's storage."""
        storage = StorageOutputs.parse(outputs[f"{StorageOutputs.PROJECT}/{environment}"])
        return cls(client("sqs", region=storage.region), storage.dlq_url)

    def look(self) -> None:
        """Read what is in the queue now."""
        self._letters = [_letter(b"".join(place.pieces)) for place in places.queue(self._sqs, self._url)]

    def tells(self, key: RecordKey, target: str) -> bool:
        """Tell whether a letter says that the target does not get a record."""
        quoted = json.dumps(key.object_key if key.dataset.is_bucket else key.values[0])
        return any(target == of and quoted in event for of, event in self._letters)


def _letter(message: bytes) -> tuple[str, str]:
    envelope = json.loads(json.loads(message)["Body"])
    return str(envelope.get("target")), json.dumps(envelope.get("event"))


@dataclass(frozen=True)
class _Expected:
    state: ObservedObject | ObservedItem | None
    written_at: float


def apply_and_watch(
    source: DemoStore,
    targets: Sequence[DemoStore],
    changes: Sequence[DemoChange],
    letters: RefusalLetters,
    *,
    on_progress: Callable[[int], None] = lambda _left: None,
    deadline_seconds: float = DEADLINE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> list[Arrival]:
    """Apply the changes, of different records, one after another while targets are watched; tell how much is left."""
    watches = [_Watch(source.environment, target, letters) for target in targets]
    written: dict[RecordKey, _Expected] = {}

    def apply() -> None:
        for change in changes:
            change.apply(source)
            at = time.monotonic()
            written[change.subject] = _Expected(source.read(change.subject), at)

    end = math.inf
    looking: Future[None] | None = None
    with ThreadPoolExecutor(max_workers=len(watches) + 2) as pool:
        applying = pool.submit(apply)
        while True:
            if applied := applying.done():
                applying.result()
                end = min(end, time.monotonic() + deadline_seconds)
            expected = written.copy()
            if looking is not None and looking.done():
                looking.result()
                looking = None
            if looking is None and any(watch.awaits_refusal(expected) for watch in watches):
                looking = pool.submit(letters.look)
            left = len(changes) * len(targets) - sum(pool.map(_Watch.look, watches, repeat(expected)))
            on_progress(left)
            if applied and (not left or time.monotonic() >= end):
                break
            time.sleep(poll_seconds)
    return [
        Arrival(
            change,
            {watch.target.environment: watch.seconds.get(change.subject) for watch in watches},
            {
                watch.target.environment: watch.became[change.subject]
                for watch in watches
                if change.subject in watch.became
            },
        )
        for change in changes
    ]


class _Watch:
    """What one target has had so far."""

    def __init__(self, source: str, target: DemoStore, letters: RefusalLetters) -> None:
        self.target = target
        self.seconds: dict[RecordKey, float] = {}
        self.became: dict[RecordKey, Became] = {}
        self._source = source
        self._letters = letters
        self._looks: dict[RecordKey, tuple[str, float]] = {}
        self._objects: dict[RecordKey, ObservedObject] = {}

    def look(self, written: Mapping[RecordKey, _Expected]) -> int:
        """Look at what the target has not had yet; return how much it has had."""
        missing = {key: expected for key, expected in written.items() if key not in self.seconds}
        replicas = self._replicas(missing)
        for key, expected in missing.items():
            original = None if expected.state is None else (key, expected.state)
            if self._has(key, original, replica := replicas.get(identity(key, expected.state))):
                self.seconds[key] = time.monotonic() - expected.written_at
                self.became[key] = _became(original, replica)
        return len(self.seconds)

    def awaits_refusal(self, written: Mapping[RecordKey, _Expected]) -> bool:
        """Tell whether a dead letter is to come."""
        left = ((key, expected.state) for key, expected in written.items() if key not in self.seconds)
        return any(state is not None and is_refused((key, state)) for key, state in left)

    def _has(self, key: RecordKey, original: Record | None, replica: Record | None) -> bool:
        if original is None or is_refused(original):
            return replica is None and (original is None or self._letters.tells(key, self.target.environment))
        ends = {"source": self._source, "target": self.target.environment}
        return not differences(original, replica, Restatement(), **ends)

    def _replicas(self, missing: Mapping[RecordKey, _Expected]) -> dict[Identity, Record]:
        """Return what the target has, by what it has in common with its source; all of it where that is asked for."""
        found: list[Record] = []
        if any(not key.dataset.is_bucket for key in missing):
            found += self.target.items()
        if any(key.dataset.is_bucket for key in missing):
            self._look_at_objects({identity(key, expected.state) for key, expected in missing.items()})
            found += self._objects.items()
        return {identity(*record): record for record in found}

    def _look_at_objects(self, awaited: Container[Identity]) -> None:
        """Read those that are worth it: what is as before costs nothing, or where it is awaited a read a second."""
        marks = self.target.object_marks()
        for gone in self._objects.keys() - marks.keys():
            del self._objects[gone]
        for key, mark in marks.items():
            last, at = self._looks.get(key, (None, 0.0))
            now = time.monotonic()
            again = now - at >= _LOOK_AGAIN_SECONDS and identity(key, self._objects.get(key)) in awaited
            if mark == last and not again:
                continue
            self._looks[key] = (mark, now)
            try:
                if (state := self.target.object(key)) is not None:
                    self._objects[key] = state
            except UnreadableObjectError:
                continue  # nor is it there for anybody else yet


def _became(original: Record | None, replica: Record | None) -> Became:
    if original is None:
        return Became.REMOVED
    if replica is None:
        return Became.REFUSED
    (key, state), (masked, mask) = original, replica
    is_copy = isinstance(state, ObservedObject) and isinstance(mask, ObservedObject) and state.sha256 == mask.sha256
    return Became.COPIED if is_copy and key == masked else Became.MASKED
