"""Differences between a source and its replicas, found by reading both whole.

Nothing here knows the replicator's code. What a replica has to be is told again by `pipeline_ops.demo.restated`; and it
is expected to carry four attributes more than its item (`environment`, `replicatedFrom`, `replicatedPolicy`,
`replicationTimestamp`), or provenance metadata more than its object, and each of those is checked too. A difference
names the object or the item and what of it differs; it never tells the data.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pipeline_ops.demo.restated import ENVIRONMENT, Identity, Record, Restatement, identity, is_refused
from pipeline_ops.demo.stores import DemoStore, ObservedItem, ObservedObject, UnreadableObjectError
from replication_core.datasets import RecordKey

__all__ = ["Comparison", "Difference", "compare", "differences"]

REPLICATED_FROM = "replicatedFrom"
REPLICATED_POLICY = "replicatedPolicy"
REPLICATION_TIMESTAMP = "replicationTimestamp"
ADDED_ATTRIBUTES = frozenset({ENVIRONMENT, REPLICATED_FROM, REPLICATED_POLICY, REPLICATION_TIMESTAMP})

PROVENANCE = "replicated-from"
PROVENANCE_VERSION = "replicated-from-version"
PROVENANCE_POLICY = "replicated-policy"
ADDED_METADATA = frozenset({PROVENANCE, PROVENANCE_VERSION, PROVENANCE_POLICY})

MARK = "[0-9a-f]{24}[.][a-z2-7]{8}[.][a-z2-7]{26}"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it is in the source."""

    environment: str
    subject: RecordKey | None
    """The source's record, or the replica that has none; nothing where all of the target is meant."""
    kind: str
    """`missing`, `extra`, `unreadable`, or what differs: `key`, `bytes`, `field`, `header`, `metadata`, `provenance`,
    `tag`, `attribute`, `pseudonym`."""
    detail: str

    def __str__(self) -> str:
        return f"{self.environment}: {'' if self.subject is None else f'{self.subject}: '}{self.detail}"


@dataclass(frozen=True)
class Comparison:
    """The comparison of one target with the source: its counts, and the differences."""

    environment: str
    objects: int
    object_bytes: int
    items: int
    refused: int
    """Of the source's records those that the policy refuses: in no target."""
    differences: list[Difference]


def compare(source: DemoStore, targets: Sequence[DemoStore]) -> list[Comparison]:
    """Compare the whole of the source with that of each target, read now: every record by all that it has.

    Nor may one target have a pseudonym of another: who has both could join them.
    """
    originals, unreadable = _read(source)
    comparisons, seen = [], set[str]()
    for target in targets:
        replicas, found = _read(target)
        restated = Restatement()
        found += unreadable
        unread = {identity(each.subject, None) for each in found if each.subject}
        for pair in _pairs(originals, replicas, unread):
            found += differences(*pair, restated, source=source.environment, target=target.environment)
        if joined := len(seen & restated.pseudonyms):
            detail = f"{joined} of its pseudonyms are another target's as well"
            found.append(Difference(target.environment, None, "pseudonym", detail))
        seen |= restated.pseudonyms
        comparisons.append(_comparison(target.environment, originals, found))
    return comparisons


def _comparison(environment: str, originals: Sequence[Record], found: list[Difference]) -> Comparison:
    objects = [state for _, state in originals if isinstance(state, ObservedObject)]
    return Comparison(
        environment,
        objects=len(objects),
        object_bytes=sum(each.size for each in objects),
        items=len(originals) - len(objects),
        refused=sum(map(is_refused, originals)),
        differences=found,
    )


def _read(store: DemoStore) -> tuple[list[Record], list[Difference]]:
    records: list[Record] = list(store.items())
    unreadable = []
    for key in store.object_marks():
        try:
            if (state := store.object(key)) is not None:
                records.append((key, state))
        except UnreadableObjectError as error:
            unreadable.append(Difference(store.environment, key, "unreadable", error.reason))
    return records, unreadable


def _pairs(
    originals: Sequence[Record], replicas: Sequence[Record], unread: Collection[Identity]
) -> Iterator[tuple[Record | None, Record | None]]:
    """Yield each record with its replica, and what has no other one with None; but for what could not be read."""
    left: dict[Identity, list[Record]] = {}
    for replica in replicas:
        left.setdefault(identity(*replica), []).append(replica)
    for original in originals:
        of_it = left.get(one := identity(*original), [])
        if one not in unread:
            yield original, of_it.pop() if of_it else None
    for one, others in left.items():
        for replica in others if one not in unread else ():
            yield None, replica


def differences(
    original: Record | None, replica: Record | None, restated: Restatement, *, source: str, target: str
) -> list[Difference]:
    """Return how a record's replica in the target differs from what the policy makes of it, with what is added."""
    record = original or replica
    found = _differences(original, replica, restated, source, target)
    return [Difference(target, record[0], kind, detail) for kind, detail in found] if record else []


def _differences(
    original: Record | None, replica: Record | None, restated: Restatement, source: str, target: str
) -> Iterator[tuple[str, str]]:
    if original is None:
        yield "extra", f"is in {target} and not in {source}"
    elif is_refused(original):
        if replica is not None:
            yield "extra", f"is in {target}, and the policy refuses it"
    elif replica is None:
        yield "missing", f"is in {source} and not in {target}"
    else:
        yield from restated.key_faults(original[0], replica[0])
        match original[1], replica[1]:
            case ObservedObject() as state, ObservedObject() as mask:
                own = replace(mask, metadata=_without(mask.metadata, ADDED_METADATA))
                yield from restated.object_faults(original[0].object_key, state, own)
                yield from _added_metadata(state, mask, source)
            case dict() as item, dict() as masked:
                yield from restated.item_faults(*(_without(each, ADDED_ATTRIBUTES) for each in (item, masked)))
                yield from _added_attributes(masked, source, target)


def _without(entries: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if name not in names}


def _added_metadata(original: ObservedObject, replica: ObservedObject, source: str) -> Iterator[tuple[str, str]]:
    version = original.version_id or "null"
    told = re.escape(version) if version != "null" else ".+"
    for name, promise in {PROVENANCE: source, PROVENANCE_VERSION: told, PROVENANCE_POLICY: MARK}.items():
        if not re.fullmatch(promise, replica.metadata.get(name, "")):
            yield "provenance", f"provenance {name!r} is not what was replicated"


def _added_attributes(replica: ObservedItem, source: str, target: str) -> Iterator[tuple[str, str]]:
    for name, promise in {ENVIRONMENT: target, REPLICATED_FROM: source, REPLICATED_POLICY: MARK}.items():
        if not re.fullmatch(promise, replica.get(name, {}).get("S", "")):
            yield "attribute", f"attribute {name!r} is not {promise!r}"
    if not _is_utc_time(replica.get(REPLICATION_TIMESTAMP, {}).get("S")):
        yield "attribute", f"attribute {REPLICATION_TIMESTAMP!r} is not an ISO-8601 time in UTC"


def _is_utc_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except (TypeError, ValueError):
        return False
