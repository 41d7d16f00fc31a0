"""Arrivals of changes: the seconds until each target had each of them.

A target has a change when its replica equals what the source held right after the change was written, compared as the
final comparison does. Seconds count from the write's answer to the poll that saw the replica, so they are late by up
to a poll's interval. A poll is one listing and one batch read, and reads only the objects that these show to be new:
a watcher that asked for every object each time would keep an emulator too busy to replicate.
"""

import math
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

from pipeline_ops.demo.changes import DemoChange
from pipeline_ops.demo.comparison import differences
from pipeline_ops.demo.stores import DemoStore, ObservedItem, ObservedObject, UnreadableObjectError
from replication_core.datasets import RecordKey

__all__ = ["DEADLINE_SECONDS", "POLL_SECONDS", "Arrival", "apply_and_watch"]

DEADLINE_SECONDS = 120.0
"""From a wave's last change: the first one of a system waits for its functions' cold starts too."""

POLL_SECONDS = 0.2
"""Between two looks at what a target does not have yet."""

_LOOK_AGAIN_SECONDS = 1.0
"""An object whose mark is unchanged is read again after this: a mark has whole seconds, and no metadata."""


@dataclass(frozen=True)
class Arrival:
    """One change, and the seconds until each target had it; None where it did not by the deadline."""

    change: DemoChange
    seconds: dict[str, float | None]


@dataclass(frozen=True)
class _Expected:
    state: ObservedObject | ObservedItem | None
    written_at: float


def apply_and_watch(
    source: DemoStore,
    targets: Sequence[DemoStore],
    changes: Sequence[DemoChange],
    *,
    on_progress: Callable[[int], None] = lambda _left: None,
    deadline_seconds: float = DEADLINE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> list[Arrival]:
    """Apply the changes, of different records, one after another while targets are watched; tell how much is left."""
    watches = [_Watch(source.environment, target) for target in targets]
    written: dict[RecordKey, _Expected] = {}

    def apply() -> None:
        for change in changes:
            change.apply(source)
            at = time.monotonic()
            written[change.subject] = _Expected(source.read(change.subject), at)

    end = math.inf
    with ThreadPoolExecutor(max_workers=len(watches) + 1) as pool:
        applying = pool.submit(apply)
        while True:
            if applied := applying.done():
                applying.result()
                end = min(end, time.monotonic() + deadline_seconds)
            left = len(changes) * len(targets) - sum(pool.map(_Watch.look, watches, repeat(written.copy())))
            on_progress(left)
            if applied and (not left or time.monotonic() >= end):
                break
            time.sleep(poll_seconds)
    return [
        Arrival(change, {watch.target.environment: watch.seconds.get(change.subject) for watch in watches})
        for change in changes
    ]


class _Watch:
    """What one target has had so far."""

    def __init__(self, source: str, target: DemoStore) -> None:
        self.target = target
        self.seconds: dict[RecordKey, float] = {}
        self._source = source
        self._looks: dict[RecordKey, tuple[str, float]] = {}

    def look(self, written: dict[RecordKey, _Expected]) -> int:
        """Look at what the target has not had yet; return how much it has had."""
        missing = {key: expected for key, expected in written.items() if key not in self.seconds}
        objects = [key for key in missing if key.dataset.is_bucket]
        for key, replica in [*self._objects(objects), *self._items(missing.keys() - objects)]:
            expected = missing[key]
            if not differences(key, expected.state, replica, source=self._source, target=self.target.environment):
                self.seconds[key] = time.monotonic() - expected.written_at
        return len(self.seconds)

    def _items(self, keys: Collection[RecordKey]) -> list[tuple[RecordKey, ObservedItem | None]]:
        found = self.target.items_of(keys) if keys else {}
        return [(key, found.get(key)) for key in keys]

    def _objects(self, keys: Collection[RecordKey]) -> list[tuple[RecordKey, ObservedObject | None]]:
        """Read those that are worth it: what is not there costs nothing, and what is there and as before, a second."""
        marks = self.target.marks_of(keys) if keys else {}
        found: list[tuple[RecordKey, ObservedObject | None]] = [(key, None) for key in keys if key not in marks]
        for key, mark in marks.items():
            last, at = self._looks.get(key, (None, 0.0))
            now = time.monotonic()
            if mark == last and now - at < _LOOK_AGAIN_SECONDS:
                continue
            self._looks[key] = (mark, now)
            try:
                found.append((key, self.target.object(key)))
            except UnreadableObjectError:
                continue  # nor is it there for anybody else yet
        return found
