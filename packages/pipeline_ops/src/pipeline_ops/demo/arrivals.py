"""Arrivals of changes: the seconds until each target had each of them.

A target has a change when its replica equals what the source held right after the change was written, compared as the
final comparison does. Seconds count from the write's answer to the poll that saw the replica, so they are late by up
to a poll's interval. A poll is one listing and one batch read, and reads only the objects that these show to be new:
a watcher that asked for every object each time would keep an emulator too busy to replicate.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline_ops.demo.changes import DemoChange
from pipeline_ops.demo.comparison import item_differences, object_differences
from pipeline_ops.demo.stores import (
    DemoStore,
    ItemRef,
    ItemState,
    ObjectRef,
    ObservedObject,
    UnreadableObjectError,
)

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
    number: int
    subject: ObjectRef | ItemRef
    state: ObservedObject | ItemState | None
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
    """Apply the changes to the source one after another, while every target is watched for each of them.

    `on_progress` is told, from other threads, how many sightings are still to come. What the API raises is raised.
    """
    watches = [_Watch(source.environment, target, poll_seconds) for target in targets]

    def progress() -> None:
        on_progress(len(changes) * len(targets) - sum(len(watch.seconds) for watch in watches))

    with ThreadPoolExecutor(max_workers=len(watches)) as pool:
        runs = [pool.submit(watch.run, progress) for watch in watches]
        end = 0.0
        try:
            for number, change in enumerate(changes):
                change.apply(source)
                written_at = time.monotonic()
                expected = _Expected(number, change.subject, _state(source, change.subject), written_at)
                for watch in watches:
                    watch.expect(expected)
            end = time.monotonic() + deadline_seconds
        finally:
            for watch in watches:
                watch.finish(end)
        for run in runs:
            run.result()
    return [
        Arrival(change, {watch.target.environment: watch.seconds.get(number) for watch in watches})
        for number, change in enumerate(changes)
    ]


def _state(store: DemoStore, subject: ObjectRef | ItemRef) -> ObservedObject | ItemState | None:
    return store.object(subject) if isinstance(subject, ObjectRef) else store.item(subject)


class _Watch:
    """One target's thread: looks at what it does not have yet, until it has all or time is up."""

    def __init__(self, source: str, target: DemoStore, poll_seconds: float) -> None:
        self.target = target
        self.seconds: dict[int, float] = {}
        self._names = {"source": source, "target": target.environment}
        self._looks: dict[ObjectRef, tuple[str, float]] = {}
        self._poll_seconds = poll_seconds
        self._incoming: queue.SimpleQueue[_Expected] = queue.SimpleQueue()
        self._finished = threading.Event()
        self._end = 0.0

    def expect(self, expected: _Expected) -> None:
        """Watch for this too."""
        self._incoming.put(expected)

    def finish(self, end: float) -> None:
        """Say that nothing more will come, and that the watch ends at this time of the monotonic clock."""
        self._end = end
        self._finished.set()

    def run(self, progress: Callable[[], None]) -> None:
        """Poll until all that is expected was seen."""
        pending: list[_Expected] = []
        while True:
            complete = self._finished.is_set()
            while not self._incoming.empty():
                pending.append(self._incoming.get())
            for expected in list(self._seen(pending)):
                self.seconds[expected.number] = time.monotonic() - expected.written_at
                pending.remove(expected)
                progress()
            if complete and (not pending or time.monotonic() >= self._end):
                return
            self._pause(complete)

    def _pause(self, complete: bool) -> None:
        if complete:
            time.sleep(min(self._poll_seconds, max(0.0, self._end - time.monotonic())))
        else:
            self._finished.wait(self._poll_seconds)

    def _seen(self, pending: Sequence[_Expected]) -> Iterator[_Expected]:
        objects = {each.subject: each for each in pending if isinstance(each.subject, ObjectRef)}
        items = {each.subject: each for each in pending if isinstance(each.subject, ItemRef)}
        if objects:
            marks = self.target.object_marks(objects.keys())
            for ref, expected in objects.items():
                if self._is_worth_reading(ref, marks.get(ref)) and self._has_object(ref, expected, marks):
                    yield expected
        if items:
            found = self.target.items_of(items.keys())
            for item_ref, expected in items.items():
                original = None if isinstance(expected.state, ObservedObject) else expected.state
                if not item_differences(item_ref, original, found.get(item_ref), **self._names):
                    yield expected

    def _is_worth_reading(self, ref: ObjectRef, mark: str | None) -> bool:
        if mark is None:
            return True  # nothing to read: it is compared with nothing
        last, at = self._looks.get(ref, (None, 0.0))
        now = time.monotonic()
        if mark == last and now - at < _LOOK_AGAIN_SECONDS:
            return False
        self._looks[ref] = (mark, now)
        return True

    def _has_object(self, ref: ObjectRef, expected: _Expected, marks: Mapping[ObjectRef, str]) -> bool:
        original = expected.state if isinstance(expected.state, ObservedObject) else None
        try:
            replica = self.target.object(ref) if ref in marks else None
        except UnreadableObjectError:
            return False  # nor is it there for anybody else yet
        return not object_differences(ref, original, replica, **self._names)
