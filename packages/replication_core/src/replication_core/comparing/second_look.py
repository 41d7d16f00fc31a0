"""The second look at suspects, which tells drift from lag."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from itertools import groupby

from replication_core.batching import batches
from replication_core.comparing.findings import DRIFT, Finding, Verdict
from replication_core.comparing.items import look_at_items
from replication_core.comparing.objects import look_at_object
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.items.dynamodb import READ_BATCH
from replication_core.parallel import bounded_map

__all__ = ["look_again"]

_OBJECTS = 10
_AT_ONCE = 64


def look_again(sides: Sides, executor: Executor, suspects: Iterable[Finding], *, worked_off: bool) -> Iterator[Finding]:
    """Yield the final finding of each suspect, in their order, holding some hundreds of them.

    `worked_off` says that the route has handled every change that it had when the suspects were found. What still
    differs then, from a source that has not changed since, is drift; everything else that differs is in flight. What
    could not be compared is tried again. Findings that are no suspicion are final already, and not to be looked at.
    """
    some = (
        batch
        for dataset, findings in groupby(suspects, key=lambda finding: finding.key.dataset)
        for batch in batches(findings, _OBJECTS if dataset.is_bucket else READ_BATCH)
    )
    for findings in bounded_map(executor, lambda batch: _look(sides, batch, worked_off), some, window=_AT_ONCE):
        yield from findings


def _look(sides: Sides, batch: list[Finding], worked_off: bool) -> list[Finding]:
    """Look at suspects of one dataset."""
    keys = [finding.key for finding in batch]
    routed = sides.route.dataset(keys[0].dataset.name)
    if routed is None or not routed.target:
        why = ("the route does not replicate its dataset",)
        return [replace(each, verdict=Verdict.OUTSIDE, what=why) for each in batch]
    now: dict[RecordKey, Finding | None]
    if routed.dataset.is_bucket:
        now = {key: look_at_object(sides, routed, key) for key in keys}
    else:
        now = look_at_items(sides, routed, keys)
    return [_judged(finding, now[finding.key], worked_off) for finding in batch]


def _judged(before: Finding, now: Finding | None, worked_off: bool) -> Finding:
    if now is None:
        return replace(before, verdict=Verdict.IN_FLIGHT, what=("it is equal by now",))
    if now.verdict not in DRIFT:
        return now
    if before.verdict in DRIFT and now.source != before.source:
        return replace(now, verdict=Verdict.IN_FLIGHT, what=("its source has just changed",))
    if not worked_off:
        return replace(now, verdict=Verdict.IN_FLIGHT, what=("the route may have its change still before it",))
    return now
