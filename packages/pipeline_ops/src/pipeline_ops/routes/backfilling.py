"""What is in the source already, put into a route's queue: from a checkpoint where an earlier run was cut off."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from pipeline_ops.counting import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.checkpoint import Checkpoint, ItemsPart, ObjectsPart, Part
from pipeline_ops.routes.enqueueing import ENTRIES, Enqueuer, Load
from pipeline_ops.routes.route import explained
from pipeline_ops.routes.selection import Selection, chosen_objects
from replication_core.batching import batches
from replication_core.changes import ItemKey, Key, ObjectKey
from replication_core.comparing.stores import Stores
from replication_core.items.dynamodb import key_of
from replication_core.items.scans import Segment, scan
from replication_core.objects.listings import KeyRange, key_ranges
from replication_core.parallel import in_parallel

__all__ = ["Backfill"]

_SEGMENTS = 8
_READING_THREADS = 8
_SAVE_EVERY_SECONDS = 1.0
_FRESH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Position:
    part: int
    last: Key | None
    """The part's last key so far; None once all of it was read."""


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """One backfill: which keys of a route, and how far it has come."""

    stores: Stores
    selection: Selection
    since: datetime | None
    """Objects that were last modified before it are left out, and items whose own timestamp, in seconds, is."""

    path: Path
    checkpoint: Checkpoint
    resumed: bool
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def open(
        cls,
        stores: Stores,
        selection: Selection,
        since: datetime | None,
        folder: Path,
        *,
        restart: bool = False,
        resume: bool = False,
    ) -> Self:
        """Return what an earlier run of this very backfill has left in the folder, else one at its beginning.

        It is another one if anything differs that the route's function is told: the stores, the rules. Raises
        OperatorError for one that was cut off more than a day ago, unless `resume` says that it is meant: the target
        may have been emptied since, and a part would be taken for all.
        """
        what = f"{selection} since {since and since.isoformat()} by {stores.settings}"
        path = Checkpoint.path(folder, stores.settings.target, what)
        left = None if restart else Checkpoint.load(path)
        if left is not None and not resume and datetime.now(UTC) - left.saved > _FRESH:
            raise OperatorError(
                f"A backfill of {left.begun:%Y-%m-%d} was cut off with {counted(left.enqueued, 'key')} enqueued: "
                "--resume goes on with it, --restart begins anew.",
                MISUSED,
            )
        with explained("What there is to replicate can't be listed"):
            checkpoint = left or Checkpoint(parts=_parts(stores, selection))
        return cls(
            stores=stores,
            selection=selection,
            since=since,
            path=path,
            checkpoint=checkpoint,
            resumed=left is not None,
        )

    @property
    def reason(self) -> str:
        """What its notices tell as their reason, the same after a resumption."""
        return f"backfill {self.checkpoint.run}"

    def enqueue(self, enqueuer: Enqueuer) -> Generator[int]:
        """Enqueue all keys that are left, and yield how many were enqueued so far, earlier runs' included.

        A key that the checkpoint is past is in the queue. Whatever ends this early, the checkpoint is saved once
        more; after a crash that gives no time for that, a second's keys are sent again, which does no harm.
        """
        checkpoint = self.checkpoint
        checkpoint.save(self.path)
        saved_at = self.clock()
        try:
            for load in enqueuer.enqueue(self._loads()):
                _advance(checkpoint.parts[load.position.part], load.position.last)
                checkpoint.enqueued += len(load.keys)
                if self.clock() - saved_at >= _SAVE_EVERY_SECONDS:
                    checkpoint.save(self.path)
                    saved_at = self.clock()
                yield checkpoint.enqueued
        finally:
            checkpoint.save(self.path)

    def forget(self) -> None:
        """Remove the checkpoint: its keys are through."""
        self.path.unlink(missing_ok=True)

    def _loads(self) -> Iterator[Load[_Position]]:
        parts = [self._part(number, part) for number, part in enumerate(self.checkpoint.parts) if not part.done]
        with explained("What there is to replicate can't be listed"):
            yield from in_parallel(parts, threads=_READING_THREADS)

    def _part(self, number: int, part: Part) -> Iterator[Load[_Position]]:
        keys = self._objects(part) if isinstance(part, ObjectsPart) else self._items(part)
        for batch in batches(keys, ENTRIES):
            yield Load(batch, _Position(number, batch[-1]))
        yield Load([], _Position(number, None))

    def _objects(self, part: ObjectsPart) -> Iterator[Key]:
        prefix, key_range = self.selection.prefix or "", KeyRange(part.after, part.until)
        return (ObjectKey(each.key) for each in chosen_objects(self.stores, prefix, key_range, self.since))

    def _items(self, part: ItemsPart) -> Iterator[Key]:
        table = self.stores.settings.source_table
        pages = scan(
            self.stores.source_dynamodb,
            table,
            Segment(part.segment, part.of),
            after=ItemKey(*part.after) if part.after else None,
            only_keys=True,
        )
        for page in pages:
            for item in page.items:
                key = key_of(item)
                if self.since is None or float(key.timestamp) >= self.since.timestamp():
                    yield key


def _parts(stores: Stores, selection: Selection) -> list[Part]:
    parts: list[Part] = []
    if selection.prefix is not None:
        ranges = key_ranges(stores.source_s3, stores.settings.source_bucket, selection.prefix)
        parts += [ObjectsPart(after=one.after, until=one.until) for one in ranges]
    if selection.items:
        parts += [ItemsPart(segment=number, of=_SEGMENTS) for number in range(_SEGMENTS)]
    return parts


def _advance(part: Part, last: Key | None) -> None:
    if last is None:
        part.done = True
    elif isinstance(part, ObjectsPart) and isinstance(last, ObjectKey):
        part.after = last.key
    elif isinstance(part, ItemsPart) and isinstance(last, ItemKey):
        part.after = (last.id, last.timestamp)
