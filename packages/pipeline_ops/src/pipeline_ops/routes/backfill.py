"""The backfill of a target: the source's keys put into a route's queue, from a checkpoint on if a run was cut off."""

import hashlib
import math
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from pipeline_ops.counts import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.private_files import open_private, private_folder
from pipeline_ops.routes.enqueuer import KEYS_OF_A_LOAD, Enqueuer, Load
from pipeline_ops.routes.release_1 import settings_text
from pipeline_ops.routes.route import explained
from pipeline_ops.routes.selection import Selected, Selection, chosen_objects
from replication_core.batching import batches
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.items.scans import Segment, scan
from replication_core.items.states import Item
from replication_core.objects.listings import KeyRange, KeyRanges
from replication_core.parallel import in_parallel
from replication_core.route_spec import RouteSpec

__all__ = ["TIME_ATTRIBUTE", "Backfill", "Checkpoint", "ItemsPart", "ObjectsPart", "Part"]


class ObjectsPart(BaseModel):
    """A range of a bucket's keys."""

    kind: Literal["objects"] = "objects"
    dataset: str = OBJECTS.name
    after: str | None
    """The last key that is enqueued; at first the one that the range begins after."""

    until: str | None
    done: bool = False

    def advance(self, last: RecordKey) -> None:
        """Note that all keys up to this one are enqueued."""
        self.after = last.object_key


class ItemsPart(BaseModel):
    """A segment of a table."""

    kind: Literal["items"] = "items"
    dataset: str = ITEMS.name
    segment: int
    of: int
    after: tuple[str, ...] | None = None
    """The key's values of the last item that is enqueued."""

    done: bool = False

    def advance(self, last: RecordKey) -> None:
        """Note that all keys up to this one are enqueued."""
        self.after = last.values


Part = Annotated[ObjectsPart | ItemsPart, Field(discriminator="kind")]

_Position = tuple[Part, RecordKey | None]
"""A part and its last key so far; None once all of it was read."""


class Checkpoint(BaseModel):
    """A backfill's parts, and how far each has come."""

    form: Literal["pipeline.backfill/1", "pipeline.backfill/2"] = "pipeline.backfill/1"
    """The second one where a part is of a dataset that the first release did not know."""

    run: str = Field(default_factory=lambda: uuid.uuid4().hex[:8])
    begun: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    saved: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    enqueued: int = 0
    parts: list[Part]

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Return what an earlier run has left there; None where none was, or it ended."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise OperatorError(f"{path} is no checkpoint that can be read: --restart begins anew.") from error

    def save(self, path: Path) -> None:
        """Write it, whole or not at all. Raises OperatorError where the disk does not take it."""
        self.saved = datetime.now(UTC)
        known = {OBJECTS.name, ITEMS.name}
        self.form = "pipeline.backfill/1" if {part.dataset for part in self.parts} <= known else "pipeline.backfill/2"
        beside = path.with_suffix(".new")
        try:
            private_folder(path.parent)
            with open_private(beside) as file:
                file.write(self.model_dump_json())
            beside.replace(path)
        except OSError as error:
            raise OperatorError(f"The checkpoint can't be kept in {path}: {error.strerror}.") from error

    @staticmethod
    def path(folder: Path, target: str, what: str) -> Path:
        """Return where a backfill's checkpoint is kept."""
        return folder / f"backfill-{target}-{hashlib.sha256(what.encode()).hexdigest()[:12]}.json"


TIME_ATTRIBUTE = "timestamp"
"""Where an item has its time unless the command says otherwise."""

_SEGMENTS = 8
_READING_THREADS = 8
_SAVE_EVERY_SECONDS = 1.0
_FRESH = timedelta(days=1)


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
        return cls(
            sides=sides,
            selection=selection,
            since=since,
            time_attribute=time_attribute,
            path=path,
            checkpoint=left or Checkpoint(parts=_parts(selection)),
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
                part, last = load.position
                if last is None:
                    part.done = True
                else:
                    part.advance(last)
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
        readers = [reader for selected in self.selection.parts for reader in self._readers(selected)]
        with explained("What there is to replicate can't be listed"):
            yield from in_parallel(readers, threads=_READING_THREADS)

    def _readers(self, selected: Selected) -> list[Iterator[Load[_Position]]]:
        routed = selected.routed
        left = [part for part in self.checkpoint.parts if part.dataset == routed.dataset.name and not part.done]
        if not routed.dataset.is_bucket:
            return [_loads(part, self._items(selected, part)) for part in left if isinstance(part, ItemsPart)]
        parts = {KeyRange(part.after, part.until): part for part in left if isinstance(part, ObjectsPart)}

        def split(one: KeyRange, rest: KeyRange) -> None:
            parts[rest] = ObjectsPart(dataset=routed.dataset.name, after=rest.after, until=rest.until)
            # In this order: whatever is saved meanwhile has every key.
            self.checkpoint.parts.append(parts[rest])
            parts[one].until = rest.after

        def read(one: KeyRange) -> Iterator[Load[_Position]]:
            listed = chosen_objects(self.sides, selected, one, self.since)
            return _loads(parts[one], (RecordKey(routed.dataset, (each.key,)) for each in listed))

        ranges = KeyRanges(self.sides.source_s3, routed.source, selected.prefix, begun=list(parts), on_split=split)
        return ranges.readers(_READING_THREADS, read)

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


def _loads(part: Part, keys: Iterator[RecordKey]) -> Iterator[Load[_Position]]:
    for batch in batches(keys, KEYS_OF_A_LOAD):
        yield Load(batch, (part, batch[-1]))
    yield Load([], (part, None))


def _identity(route: RouteSpec, selection: Selection, since: datetime | None, time_attribute: str) -> str:
    """Return what tells one backfill from another: its stores, the rules, and what is selected."""
    others = [each.document() for each in route.datasets if each.dataset.name not in {OBJECTS.name, ITEMS.name}]
    by = f" of {time_attribute}" if since and time_attribute != TIME_ATTRIBUTE else ""
    own = f"{selection} since {since and since.isoformat()}{by} by {settings_text(route)}"
    own += f" masked by {route.masking}" if route.masking else ""
    return f"{own} and {others}" if others else own


def _parts(selection: Selection) -> list[Part]:
    parts: list[Part] = []
    for selected in selection.parts:
        name = selected.routed.dataset.name
        if selected.routed.dataset.is_bucket:
            parts.append(ObjectsPart(dataset=name, after=None, until=None))
        else:
            parts += [ItemsPart(dataset=name, segment=number, of=_SEGMENTS) for number in range(_SEGMENTS)]
    return parts


def _seconds(item: Item, attribute: str) -> float:
    """Return an item's own time in Unix seconds; that of one which has none is later than any."""
    match item.get(attribute):
        case {"N": str(number)}:
            return float(number)
        case {"S": str(text)}:
            with suppress(ValueError):
                return datetime.fromisoformat(text).timestamp()
    return math.inf
