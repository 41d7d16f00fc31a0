"""The backfill of a target: the source's keys put into a route's queue, from a checkpoint on if a run was cut off."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from pipeline_ops.counts import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.backfill_checkpoint import Checkpoint, ItemsPart, ObjectsPart, Part
from pipeline_ops.routes.enqueuer import KEYS_OF_A_LOAD, Enqueuer, Load
from pipeline_ops.routes.release_1 import settings_text
from pipeline_ops.routes.route import explained
from pipeline_ops.routes.selection import Selected, Selection, chosen_objects
from replication_core.batching import batches
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.items.scans import Segment, scan
from replication_core.items.states import Item
from replication_core.objects.listings import KeyRange, key_ranges
from replication_core.parallel import in_parallel
from replication_core.route_spec import RouteSpec

__all__ = ["TIME_ATTRIBUTE", "Backfill"]

TIME_ATTRIBUTE = "timestamp"
"""Where an item has its time unless the command says otherwise."""

_SEGMENTS = 8
_READING_THREADS = 8
_SAVE_EVERY_SECONDS = 1.0
_FRESH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Position:
    part: int
    last: RecordKey | None
    """The part's last key so far; None once all of it was read."""


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """One backfill: which keys of a route, and how far it has come."""

    sides: Sides
    selection: Selection
    since: datetime | None
    """Objects that were last modified before it are left out, and items whose own time, in seconds, is."""

    time_attribute: str
    """The attribute that has an item's time."""

    path: Path
    checkpoint: Checkpoint
    resumed: bool
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def open(
        cls,
        sides: Sides,
        selection: Selection,
        since: datetime | None,
        folder: Path,
        *,
        time_attribute: str = TIME_ATTRIBUTE,
        restart: bool = False,
        resume: bool = False,
    ) -> Self:
        """Return what an earlier run of this very backfill has left in the folder, else one at its beginning.

        It is another one if anything differs that the route's function is told: the stores, the rules. Raises
        OperatorError for one that was cut off more than a day ago, unless `resume` says that it is meant: the target
        may have been emptied since, and a part would be taken for all.
        """
        path = Checkpoint.path(folder, sides.route.target, _identity(sides.route, selection, since, time_attribute))
        left = None if restart else Checkpoint.load(path)
        if left is not None and not resume and datetime.now(UTC) - left.saved > _FRESH:
            raise OperatorError(
                f"A backfill of {left.begun:%Y-%m-%d} was cut off with {counted(left.enqueued, 'key')} enqueued: "
                "--resume goes on with it, --restart begins anew.",
                MISUSED,
            )
        with explained("What there is to replicate can't be listed"):
            checkpoint = left or Checkpoint(parts=_parts(sides, selection))
        return cls(
            sides=sides,
            selection=selection,
            since=since,
            time_attribute=time_attribute,
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
        selected = next(each for each in self.selection.parts if each.routed.dataset.name == part.dataset)
        keys = self._objects(selected, part) if isinstance(part, ObjectsPart) else self._items(selected, part)
        for batch in batches(keys, KEYS_OF_A_LOAD):
            yield Load(batch, _Position(number, batch[-1]))
        yield Load([], _Position(number, None))

    def _objects(self, selected: Selected, part: ObjectsPart) -> Iterator[RecordKey]:
        listed = chosen_objects(self.sides, selected, KeyRange(part.after, part.until), self.since)
        return (RecordKey(selected.routed.dataset, (each.key,)) for each in listed)

    def _items(self, selected: Selected, part: ItemsPart) -> Iterator[RecordKey]:
        dataset = selected.routed.dataset
        pages = scan(
            self.sides.source_dynamodb,
            selected.routed.source,
            dataset,
            Segment(part.segment, part.of),
            after=RecordKey(dataset, part.after) if part.after else None,
            only=(*dataset.attribute_names, *([self.time_attribute] if self.since else [])),
        )
        for page in pages:
            for item in page.items:
                if self.since is None or _seconds(item, self.time_attribute) >= self.since.timestamp():
                    yield dataset.of_item(item)


def _identity(route: RouteSpec, selection: Selection, since: datetime | None, time_attribute: str) -> str:
    """Return what tells one backfill from another: its stores, the rules, and what is selected."""
    others = [each.document() for each in route.datasets if each.dataset.name not in {OBJECTS.name, ITEMS.name}]
    by = f" of {time_attribute}" if since and time_attribute != TIME_ATTRIBUTE else ""
    own = f"{selection} since {since and since.isoformat()}{by} by {settings_text(route)}"
    return f"{own} and {others}" if others else own


def _parts(sides: Sides, selection: Selection) -> list[Part]:
    parts: list[Part] = []
    for selected in selection.parts:
        routed = selected.routed
        name = routed.dataset.name
        if routed.dataset.is_bucket:
            ranges = key_ranges(sides.source_s3, routed.source, selected.prefix)
            parts += [ObjectsPart(dataset=name, after=one.after, until=one.until) for one in ranges]
        else:
            parts += [ItemsPart(dataset=name, segment=number, of=_SEGMENTS) for number in range(_SEGMENTS)]
    return parts


def _advance(part: Part, last: RecordKey | None) -> None:
    if last is None:
        part.done = True
    elif isinstance(part, ObjectsPart):
        part.after = last.object_key
    else:
        part.after = last.values


def _seconds(item: Item, attribute: str) -> float:
    """Return an item's own time in Unix seconds; that of one which has none is later than any."""
    match item.get(attribute):
        case {"N": str(number)}:
            return float(number)
        case {"S": str(text)}:
            with suppress(ValueError):
                return datetime.fromisoformat(text).timestamp()
    return math.inf
