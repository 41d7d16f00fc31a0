"""Differences between a source and its replica, found by reading both whole.

Nothing here knows the replicator's code. A replica is expected to carry three attributes more than its item
(`environment`, `replicatedFrom`, `replicationTimestamp`) and provenance metadata more than its object, and each of
those is checked too. A difference names the object or the item and what of it differs; it never tells the data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from pipeline_ops.demo.stores import (
    AttributeValue,
    DemoStore,
    ItemRef,
    ItemState,
    ObjectRef,
    ObservedObject,
    UnreadableObjectError,
)

__all__ = ["Comparison", "Difference", "DifferenceKind", "compare", "item_differences", "object_differences"]

ENVIRONMENT = "environment"
REPLICATED_FROM = "replicatedFrom"
REPLICATION_TIMESTAMP = "replicationTimestamp"
ADDED_ATTRIBUTES = frozenset({ENVIRONMENT, REPLICATED_FROM, REPLICATION_TIMESTAMP})

PROVENANCE = "replicated-from"
PROVENANCE_VERSION = "replicated-from-version"
_PROVENANCE_PREFIX = "replicated-"

METADATA_LIMIT_BYTES = 2048
"""S3's limit of user metadata, keys and values together.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

_PROVENANCE_ROOM_BYTES = 512
"""Above METADATA_LIMIT_BYTES less this the source's own metadata may leave no room for the provenance."""


class DifferenceKind(StrEnum):
    """The kinds of difference between a replica and its source."""

    MISSING = "missing"
    EXTRA = "extra"
    BYTES = "bytes"
    HEADER = "header"
    METADATA = "metadata"
    PROVENANCE = "provenance"
    TAG = "tag"
    ATTRIBUTE = "attribute"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it is in the source."""

    environment: str
    subject: ObjectRef | ItemRef
    kind: DifferenceKind
    detail: str

    def __str__(self) -> str:
        return f"{self.environment}: {self.subject}: {self.detail}"


@dataclass(frozen=True)
class Comparison:
    """The comparison of one target with the source: its counts, and the differences."""

    environment: str
    objects: int = 0
    object_bytes: int = 0
    items: int = 0
    differences: list[Difference] = field(default_factory=list)

    @classmethod
    def of(cls, source: DemoStore, target: DemoStore) -> Self:
        """Compare the whole of both, read now."""
        objects, size, found = _compare_objects(source, target)
        items, of_items = _compare_items(source, target)
        return cls(target.environment, objects, size, items, [*found, *of_items])


def compare(source: DemoStore, targets: list[DemoStore]) -> list[Comparison]:
    """Compare each target with the source: every object by every byte, every item by every attribute."""
    return [Comparison.of(source, target) for target in targets]


def _compare_objects(source: DemoStore, target: DemoStore) -> tuple[int, int, list[Difference]]:
    refs = set(source.object_refs())
    others = set(target.object_refs())
    size = 0
    found: list[Difference] = []
    for ref in sorted(refs | others, key=lambda ref: ref.key):
        try:
            original = source.object(ref) if ref in refs else None
            replica = target.object(ref) if ref in others else None
        except UnreadableObjectError as error:
            found.append(Difference(target.environment, ref, DifferenceKind.UNREADABLE, error.reason))
            continue
        size += original.size if original else 0
        found += object_differences(ref, original, replica, source=source.environment, target=target.environment)
    return len(refs), size, found


def _compare_items(source: DemoStore, target: DemoStore) -> tuple[int, list[Difference]]:
    originals, replicas = dict(source.items()), dict(target.items())
    found = []
    for ref in sorted(originals.keys() | replicas.keys(), key=str):
        original, replica = originals.get(ref), replicas.get(ref)
        found += item_differences(ref, original, replica, source=source.environment, target=target.environment)
    return len(originals), found


def object_differences(
    ref: ObjectRef, original: ObservedObject | None, replica: ObservedObject | None, *, source: str, target: str
) -> list[Difference]:
    """Return how an object's replica in the target differs from the source's, provenance included."""
    if original is None or replica is None:
        return _absence(ref, original, replica, source=source, target=target)
    found: list[tuple[DifferenceKind, str]] = []
    if (original.size, original.sha256) != (replica.size, replica.sha256):
        found.append((DifferenceKind.BYTES, f"its bytes ({replica.size}) are not those ({original.size}) in {source}"))
    found += [(DifferenceKind.HEADER, text) for text in _entries("header", original.headers, replica.headers, source)]
    added = {
        name: value
        for name, value in replica.metadata.items()
        if name.startswith(_PROVENANCE_PREFIX) and name not in original.metadata
    }
    own = {name: value for name, value in replica.metadata.items() if name not in added}
    found += [(DifferenceKind.METADATA, text) for text in _entries("metadata", original.metadata, own, source)]
    found += [(DifferenceKind.PROVENANCE, text) for text in _provenance(original, added, replica.tags, source)]
    tags, replica_tags = (
        {name: tag for name, tag in of.tags.items() if name != PROVENANCE} for of in (original, replica)
    )
    found += [(DifferenceKind.TAG, text) for text in _entries("tag", tags, replica_tags, source)]
    return [Difference(target, ref, kind, detail) for kind, detail in found]


def _absence(
    ref: ObjectRef | ItemRef, original: object, replica: object, *, source: str, target: str
) -> list[Difference]:
    if original is not None:
        return [Difference(target, ref, DifferenceKind.MISSING, f"is in {source} and not in {target}")]
    if replica is not None:
        return [Difference(target, ref, DifferenceKind.EXTRA, f"is in {target} and not in {source}")]
    return []


def _entries(what: str, original: Mapping[str, str], replica: Mapping[str, str], source: str) -> Iterator[str]:
    for name in sorted(original.keys() | replica.keys()):
        if name not in replica:
            yield f"{what} {name!r} is missing"
        elif name not in original:
            yield f"{what} {name!r} is not in {source}"
        elif original[name] != replica[name]:
            yield f"{what} {name!r} has another value than in {source}"


def _provenance(
    original: ObservedObject, added: Mapping[str, str], tags: Mapping[str, str], source: str
) -> Iterator[str]:
    used = sum(len(name.encode()) + len(value.encode()) for name, value in original.metadata.items())
    required = used <= METADATA_LIMIT_BYTES - _PROVENANCE_ROOM_BYTES
    expected = {PROVENANCE: source}
    if original.version_id not in {None, "null"}:
        expected[PROVENANCE_VERSION] = str(original.version_id)
    for name, value in expected.items():
        if name in original.metadata:
            continue  # the source's own entry of that name wins, and was compared as metadata
        if name not in added:
            if required:
                yield f"provenance {name!r} is missing"
            elif name == PROVENANCE and tags.get(PROVENANCE) != source:
                yield "neither its metadata nor a tag tells that it is a replica"
        elif added[name] != value:
            yield f"provenance {name!r} does not say what was replicated"


def item_differences(
    ref: ItemRef, original: ItemState | None, replica: ItemState | None, *, source: str, target: str
) -> list[Difference]:
    """Return how an item's replica in the target differs from the source's, its added attributes included."""
    if original is None or replica is None:
        return _absence(ref, original, replica, source=source, target=target)
    kept = {name: value for name, value in original.items() if name not in ADDED_ATTRIBUTES}
    rest = {name: value for name, value in replica.items() if name not in ADDED_ATTRIBUTES}
    found = [*_members("", kept, rest, source), *_added(replica, source, target)]
    return [Difference(target, ref, DifferenceKind.ATTRIBUTE, detail) for detail in found]


def _added(replica: ItemState, source: str, target: str) -> Iterator[str]:
    for name, value in {ENVIRONMENT: target, REPLICATED_FROM: source}.items():
        if replica.get(name) != {"S": value}:
            yield f"attribute {name!r} is not the text {value!r}"
    if not _is_utc_time(replica.get(REPLICATION_TIMESTAMP, {}).get("S")):
        yield f"attribute {REPLICATION_TIMESTAMP!r} is not an ISO-8601 time in UTC"


def _is_utc_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except (TypeError, ValueError):
        return False


def _members(
    path: str, original: Mapping[str, AttributeValue], replica: Mapping[str, AttributeValue], source: str
) -> Iterator[str]:
    for name in sorted(original.keys() | replica.keys()):
        where = f"{path}.{name}" if path else name
        if name not in replica:
            yield f"attribute {where!r} is missing"
        elif name not in original:
            yield f"attribute {where!r} is not in {source}"
        else:
            yield from _values(where, original[name], replica[name], source)


def _values(path: str, original: AttributeValue, replica: AttributeValue, source: str) -> Iterator[str]:
    (kind, value), (other_kind, other) = next(iter(original.items())), next(iter(replica.items()))
    if kind != other_kind:
        yield f"attribute {path!r} is of type {other_kind}, in {source} {kind}"
    elif kind == "M":
        yield from _members(path, value, other, source)
    elif kind == "L" and len(value) == len(other):
        for index, (element, other_element) in enumerate(zip(value, other, strict=True)):
            yield from _values(f"{path}[{index}]", element, other_element, source)
    elif _unordered(kind, value) != _unordered(kind, other):
        yield f"attribute {path!r} has another value than in {source}"


def _unordered(kind: str, value: Any) -> Any:
    return set(value) if kind in {"SS", "NS", "BS"} else value
