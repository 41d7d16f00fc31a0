"""The discovery of a dataset: what a sample of its records has, and a draft of a policy that refuses all else."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pipeline_ops.masking.first_records import UnreadableFileError, first_records
from pipeline_ops.masking.sightings import Sighting, detections
from record_files.splitting import Format
from replication_core.aws.errors import StoreError
from replication_core.batching import batches
from replication_core.comparing.sample import drawn
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.items.dynamodb import READ_BATCH, read_items
from replication_core.items.states import ItemState
from replication_core.masking.attributes import Attribute
from replication_core.objects.heads import Absent, read_head
from replication_core.route_spec import RoutedDataset

__all__ = ["Discovered", "Files", "KeyShape", "discover"]

_AT_ONCE = 10
"""Objects of one walk, so that a sample is of many folders."""

_RECORDS_OF_A_FILE = 100
_ANY_SIZE = 1 << 60
_FOLDERS = 20
"""First folders above which their names are data; those of fewer than"""

_OBJECTS = 5
"""objects are too."""

_NONE = "none"
_SUFFIX = re.compile(
    r"(?:\.(?:jsonl?|ndjson|csv|tsv|txt|xml|log|html?|parquet|avro|orc|pdf|png|jpe?g|zip|tar))?(?:\.gz)?$"
)
"""The ends of files' names that are of no person."""


class KeyShape(NamedTuple):
    """What keys of objects have in common."""

    folder: str | None
    """The first folder; None where there is none, or its name is data."""

    segments: int
    suffix: str

    @classmethod
    def of(cls, key: str) -> "KeyShape":
        """Return a key's shape.

        >>> KeyShape.of("incoming/c1/july.csv.gz")
        KeyShape(folder='incoming', segments=3, suffix='.csv.gz')
        """
        first, *others = key.split("/")
        suffix = _SUFFIX.search(key.rpartition("/")[2])
        is_data = not first or not others or any(detections(first))
        return cls(None if is_data else first, 1 + len(others), suffix[0] if suffix else "")

    @property
    def match(self) -> str:
        """The pattern of such keys, as a policy has it."""
        between = [f"{{part{number}}}" for number in range(2, self.segments)]
        first = [re.sub(r"([{}*\\])", r"\\\1", self.folder) if self.folder else "{folder}"]
        return "/".join([*(first if self.segments > 1 else []), *between, f"{{file}}{self.suffix}"])


@dataclass
class Files:
    """The objects of one shape."""

    objects: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    """How many are of each format; of none those that no format is recognised of."""

    records: int = 0
    seen: Sighting = field(default_factory=Sighting)

    @property
    def format(self) -> Format | None:
        """The one that all have; None where they have none, or several."""
        return Format(next(iter(self.formats))) if len(self.formats) == 1 and _NONE not in self.formats else None

    def merge(self, other: "Files") -> None:
        """Count the other ones as well."""
        self.objects += other.objects
        self.records += other.records
        self.formats.update(other.formats)
        self.seen.merge(other.seen)


@dataclass
class Discovered:
    """What was seen of a dataset."""

    routed: RoutedDataset
    records: int = 0
    """Items, or objects, that were looked at."""

    items: Sighting = field(default_factory=Sighting)
    odd_names: int = 0
    """Attributes whose names look like data, which are not told."""

    files: dict[KeyShape, Files] = field(default_factory=dict)


def discover(
    sides: Sides, routed: RoutedDataset, keys: int, chance: random.Random, say: Callable[[str], None]
) -> Discovered:
    """Look at about so many records of a source's dataset, drawn as the scheduled comparison draws them.

    Only the source is read. Raises StoreError.
    """
    own = replace(sides, target_s3=sides.source_s3, target_dynamodb=sides.source_dynamodb)
    source = replace(routed, target=routed.source)
    found = Discovered(source)
    for some in _draws(own, source, keys, chance):
        if source.dataset.is_bucket:
            for key in some:
                _look_at_object(own, found, key.object_key)
        else:
            _look_at_items(own, found, some)
        say(f"Looked at {found.records:,} {source.dataset.kind.record}s of {source.dataset.name}")
    _merge_folders(found)
    found.odd_names += found.items.take_rare(found.records)
    found.odd_names += sum(files.seen.take_rare(files.records) for files in found.files.values())
    return found


def _draws(sides: Sides, routed: RoutedDataset, keys: int, chance: random.Random) -> Iterator[list[RecordKey]]:
    """Yield keys that were not drawn before, until there are so many, or hardly a new one comes."""
    at_once = _AT_ONCE if routed.dataset.is_bucket else READ_BATCH
    known: set[RecordKey] = set()
    fruitless = 0
    while len(known) < keys and fruitless < _AT_ONCE:
        new = [key for key in drawn(sides, routed, at_once, chance, most_bytes=_ANY_SIZE) if key not in known]
        fruitless = 0 if new else fruitless + 1
        known.update(new)
        yield new


def _look_at_items(sides: Sides, found: Discovered, keys: list[RecordKey]) -> None:
    dataset, table = found.routed.dataset, found.routed.source
    for some in batches(keys, READ_BATCH):
        for state in read_items(sides.source_dynamodb, table, dataset, some).values():
            if isinstance(state, StoreError):
                raise state
            if isinstance(state, ItemState):
                found.records += 1
                found.odd_names += _look_at_record(found.items, state.item)


def _look_at_object(sides: Sides, found: Discovered, key: str) -> None:
    head = read_head(sides.source_s3, found.routed.source, key)
    if isinstance(head, Absent):
        return
    found.records += 1
    files = found.files.setdefault(KeyShape.of(key), Files())
    files.objects += 1
    if head.archived or not head.size:
        return
    version = head.version_id if head.pinned else None
    try:
        format_, records = first_records(sides.source_s3, found.routed.source, key, version, _RECORDS_OF_A_FILE)
    except UnreadableFileError:
        files.formats[_NONE] += 1
        return
    files.formats[format_.value] += 1
    for record in records:
        files.records += 1
        _look_at_record(files.seen, record)


def _look_at_record(seen: Sighting, record: Mapping[str, Attribute]) -> int:
    """Take in what a record has, but for names that look like data; return how many those are."""
    named = {name: value for name, value in record.items() if not any(detections(name))}
    seen.add_members(named, may_be_data=False)
    return len(record) - len(named)


def _merge_folders(found: Discovered) -> None:
    """Take the first folders' names for data where they are many, or have few objects."""
    objects: Counter[str | None] = Counter()
    for shape, files in found.files.items():
        objects[shape.folder] += files.objects
    told = {folder for folder, count in objects.items() if count >= _OBJECTS}
    merged: dict[KeyShape, Files] = {}
    for shape, files in found.files.items():
        is_told = shape.folder in told and len(told) <= _FOLDERS
        merged.setdefault(shape if is_told else shape._replace(folder=None), Files()).merge(files)
    found.files = merged
