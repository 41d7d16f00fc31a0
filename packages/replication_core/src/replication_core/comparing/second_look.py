"""The second look at suspects, which tells drift from lag."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from functools import cache, partial
from itertools import groupby

from replication_core.batching import batches
from replication_core.comparing.findings import DRIFT, Finding, Verdict
from replication_core.comparing.items import look_at_items, look_at_replica_items, masked_item_keys
from replication_core.comparing.masked_keys import MaskedKeys
from replication_core.comparing.objects import look_at_object, look_at_replica_object, masked_object_keys
from replication_core.comparing.sides import Sides
from replication_core.datasets import Dataset, RecordKey
from replication_core.items.dynamodb import READ_BATCH
from replication_core.parallel import bounded_map

__all__ = ["look_again"]

_OBJECTS = 10
_AT_ONCE = 64


def look_again(
    sides: Sides, executor: Executor, suspects: Iterable[Finding], *, worked_off: bool, deep: bool = False
) -> Iterator[Finding]:
    """Yield the final finding of each suspect, in their order, holding some hundreds of them.

    `worked_off` says that the route has handled every change that it had when the suspects were found. What still
    differs then, from a source that has not changed since, is drift; everything else that differs is in flight. What
    could not be compared is tried again. Findings that are no suspicion are final already, and not to be looked at.

    Where replicas under masked keys seem to be extra, the source's keys are listed once more.
    """
    some = (
        batch
        for dataset, findings in groupby(suspects, key=lambda finding: finding.key.dataset)
        for batch in batches(findings, _OBJECTS if dataset.is_bucket else READ_BATCH)
    )
    masked = cache(partial(_masked_keys, sides))
    known = ((batch, masked(batch[0].key.dataset) if any(map(_seems_extra, batch)) else None) for batch in some)
    for findings in bounded_map(executor, lambda each: _look(sides, *each, worked_off, deep), known, window=_AT_ONCE):
        yield from findings


def _seems_extra(finding: Finding) -> bool:
    return finding.orphan and finding.verdict is Verdict.EXTRA


def _masked_keys(sides: Sides, dataset: Dataset) -> MaskedKeys | None:
    routed, mask = sides.route.dataset(dataset.name), sides.mask()
    if routed is None or mask is None:
        return None
    return (masked_object_keys if dataset.is_bucket else masked_item_keys)(sides, routed, mask)


def _look(sides: Sides, batch: list[Finding], masked: MaskedKeys | None, worked_off: bool, deep: bool) -> list[Finding]:
    """Look at suspects of one dataset."""
    routed = sides.route.dataset(batch[0].key.dataset.name)
    if routed is None or not routed.target:
        why = ("the route does not replicate its dataset",)
        return [replace(each, verdict=Verdict.OUTSIDE, what=why) for each in batch]
    of_source = [finding.key for finding in batch if not finding.orphan]
    of_target = [finding.key for finding in batch if finding.orphan]
    now: dict[RecordKey, Finding | None]
    there: dict[RecordKey, Finding | None]
    if routed.dataset.is_bucket:
        now = {key: look_at_object(sides, routed, key, deep=deep) for key in of_source}
        there = {key: look_at_replica_object(sides, routed, key, masked) for key in of_target}
    else:
        now = look_at_items(sides, routed, of_source)
        there = look_at_replica_items(sides, routed, of_target, masked)
    return [_judged(each, (there if each.orphan else now)[each.key], worked_off) for each in batch]


def _judged(before: Finding, now: Finding | None, worked_off: bool) -> Finding:
    if now is None:
        return replace(before, verdict=Verdict.IN_FLIGHT, what=("it is equal by now",))
    now = replace(now, orphan=before.orphan)
    if now.verdict not in DRIFT:
        return now
    if before.verdict in DRIFT and now.source != before.source:
        return replace(now, verdict=Verdict.IN_FLIGHT, what=("its source has just changed",))
    if not worked_off:
        return replace(now, verdict=Verdict.IN_FLIGHT, what=("the route may have its change still before it",))
    return now
