"""Differences between a source and its replica, found by reading both whole.

Nothing here knows the replicator's code. A replica is expected to carry three attributes more than its item
(`environment`, `replicatedFrom`, `replicationTimestamp`) and provenance metadata more than its object, and each of
those is checked too. A difference names the object or the item and what of it differs; it never tells the data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline_ops.demo.stores import DemoStore, ObservedItem, ObservedObject, UnreadableObjectError
from replication_core.datasets import RecordKey

__all__ = ["Comparison", "Difference", "compare", "differences"]

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

_SETS = {"SS", "NS", "BS"}


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it is in the source."""

    environment: str
    subject: RecordKey
    kind: str
    """`missing`, `extra`, `unreadable`, or what differs: `bytes`, `header`, `metadata`, `provenance`, `tag`,
    `attribute`."""
    detail: str

    def __str__(self) -> str:
        return f"{self.environment}: {self.subject}: {self.detail}"


@dataclass(frozen=True)
class Comparison:
    """The comparison of one target with the source: its counts, and the differences."""

    environment: str
    objects: int
    object_bytes: int
    items: int
    differences: list[Difference]


def compare(source: DemoStore, target: DemoStore) -> Comparison:
    """Compare the whole of both, read now: every object by every byte, every item by every attribute."""
    there, copied = source.object_marks(), target.object_marks()
    originals, replicas = dict(source.items()), dict(target.items())
    size, found = 0, []
    for key in sorted(there.keys() | copied.keys()):
        try:
            original = source.object(key) if key in there else None
            replica = target.object(key) if key in copied else None
        except UnreadableObjectError as error:
            found.append(Difference(target.environment, key, "unreadable", error.reason))
            continue
        size += original.size if original else 0
        found += differences(key, original, replica, source=source.environment, target=target.environment)
    for key in sorted(originals.keys() | replicas.keys()):
        pair = originals.get(key), replicas.get(key)
        found += differences(key, *pair, source=source.environment, target=target.environment)
    return Comparison(target.environment, len(there), size, len(originals), found)


def differences(
    key: RecordKey,
    original: ObservedObject | ObservedItem | None,
    replica: ObservedObject | ObservedItem | None,
    *,
    source: str,
    target: str,
) -> list[Difference]:
    """Return how a record's replica in the target differs from the source's, what was added to it included."""
    found = _differences(original, replica, source, target)
    return [Difference(target, key, kind, detail) for kind, detail in found]


def _differences(original: Any, replica: Any, source: str, target: str) -> Iterator[tuple[str, str]]:
    if replica is None and original is not None:
        yield "missing", f"is in {source} and not in {target}"
    elif original is None and replica is not None:
        yield "extra", f"is in {target} and not in {source}"
    elif isinstance(original, ObservedObject):
        yield from _of_objects(original, replica, source)
    elif original is not None:
        yield from _of_items(original, replica, source, target)


def _of_objects(original: ObservedObject, replica: ObservedObject, source: str) -> Iterator[tuple[str, str]]:
    if (original.size, original.sha256) != (replica.size, replica.sha256):
        yield "bytes", f"its bytes ({replica.size}) are not those ({original.size}) in {source}"
    yield from _entries("header", original.headers, replica.headers, source)
    added = {
        name: value
        for name, value in replica.metadata.items()
        if name.startswith(_PROVENANCE_PREFIX) and name not in original.metadata
    }
    yield from _entries("metadata", original.metadata, _without(replica.metadata, added), source)
    for detail in _provenance(original, added, replica.tags, source):
        yield "provenance", detail
    yield from _entries("tag", _without(original.tags, {PROVENANCE}), _without(replica.tags, {PROVENANCE}), source)


def _without(entries: Mapping[str, Any], names: Any) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if name not in names}


def _entries(
    what: str, original: Mapping[str, Any], replica: Mapping[str, Any], source: str
) -> Iterator[tuple[str, str]]:
    for name in sorted(original.keys() | replica.keys()):
        if name not in replica:
            yield what, f"{what} {name!r} is missing"
        elif name not in original:
            yield what, f"{what} {name!r} is not in {source}"
        elif original[name] != replica[name]:
            yield what, f"{what} {name!r} has another value than in {source}"


def _provenance(
    original: ObservedObject, added: Mapping[str, str], tags: Mapping[str, str], source: str
) -> Iterator[str]:
    used = sum(len(name.encode()) + len(value.encode()) for name, value in original.metadata.items())
    required = used <= METADATA_LIMIT_BYTES - _PROVENANCE_ROOM_BYTES
    expected = {PROVENANCE: source}
    if original.version_id not in {None, "null"}:
        expected[PROVENANCE_VERSION] = str(original.version_id)
    # The source's own entry of such a name wins, and was compared as metadata.
    for name, value in _without(expected, original.metadata).items():
        if name in added:
            if added[name] != value:
                yield f"provenance {name!r} does not say what was replicated"
        elif required:
            yield f"provenance {name!r} is missing"
        elif name == PROVENANCE and tags.get(PROVENANCE) != source:
            yield "neither its metadata nor a tag tells that it is a replica"


def _of_items(original: ObservedItem, replica: ObservedItem, source: str, target: str) -> Iterator[tuple[str, str]]:
    kept, rest = (_unordered(_without(item, ADDED_ATTRIBUTES)) for item in (original, replica))
    yield from _entries("attribute", kept, rest, source)
    for name, value in {ENVIRONMENT: target, REPLICATED_FROM: source}.items():
        if replica.get(name) != {"S": value}:
            yield "attribute", f"attribute {name!r} is not the text {value!r}"
    if not _is_utc_time(replica.get(REPLICATION_TIMESTAMP, {}).get("S")):
        yield "attribute", f"attribute {REPLICATION_TIMESTAMP!r} is not an ISO-8601 time in UTC"


def _unordered(value: Any) -> Any:
    """Return attributes with every set in them, which has no order, as one."""
    if isinstance(value, list):
        return [_unordered(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {
        name: set(inner) if name in _SETS and isinstance(inner, list) else _unordered(inner)
        for name, inner in value.items()
    }


def _is_utc_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except (TypeError, ValueError):
        return False
