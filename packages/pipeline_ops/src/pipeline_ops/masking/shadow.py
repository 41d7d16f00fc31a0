"""The shadow of a policy: what the next one would change, as a route has counted it, or of a sample."""

import json
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipeline_ops.history import DeployRecord
from pipeline_ops.masking.preview import Becomes, Preview, Previewer
from pipeline_ops.masking.rule_counts import sampled_keys
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.shadow import ShadowChange, ShadowCounts, Shadowed, State, changed_rule, impact_of
from replication_core.route_spec import RouteSpec

__all__ = ["CountedShadow", "counted_shadow", "shadow_of", "switched_on"]


@dataclass(frozen=True, kw_only=True)
class CountedShadow:
    """What a route has counted of its next policy."""

    counts: ShadowCounts
    first: datetime | None
    """When its first batch was done; None where none was."""

    last: datetime | None

    @property
    def span(self) -> dict[str, str | None]:
        """When it was counted, as a JSON document."""
        instants = {"first": self.first, "last": self.last}
        return {name: at.isoformat(timespec="seconds") if at else None for name, at in instants.items()}


def counted_shadow(logs: Any, group: str, digest: str, since: datetime | None) -> CountedShadow:
    """Add up what the function's log tells of this policy: since an instant, else as far back as it is kept."""
    counts = ShadowCounts()
    begin: Any = {"startTime": int(since.timestamp() * 1000)} if since else {}
    instants: list[int] = []
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html: a term in quotes.
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=f'"{digest}"', **begin)
    for event in (event for page in pages for event in page["events"]):
        with suppress(ValueError):  # what is none of the function's own lines
            line = json.loads(event["message"])
            if isinstance(line, dict) and line.get("policy") == digest:
                counts.add_document(line)
                instants = [min([*instants, event["timestamp"]]), max([*instants, event["timestamp"]])]
    first, last = (datetime.fromtimestamp(each / 1000, UTC) for each in instants) if instants else (None, None)
    return CountedShadow(counts=counts, first=first, last=last)


def switched_on(records: Iterable[DeployRecord], target: str, digest: str) -> datetime | None:
    """Return since when a route has had this next policy, of its deploys, the newest first; None where none tells."""
    since = None
    for record in records:
        if target in record.specs:
            if _shadow_in(record.specs[target]) != digest:
                break
            since = datetime.fromisoformat(record.at)
    return since


def _shadow_in(spec: Any) -> str | None:
    with suppress(ValueError):
        policy = RouteSpec.parse(spec).shadow_policy
        return policy.digest if policy else None
    return None


def shadow_of(
    previewer: Previewer, then: MaskingPolicy, keys: int, chance: random.Random, say: Callable[[str], None]
) -> ShadowCounts:
    """Count what another policy would change of about so many records of each dataset, by the same key of KMS."""
    next_one = replace(previewer, policy=then)
    counts = ShadowCounts()
    for routed, some in sampled_keys(previewer, keys, chance):
        for pair in zip(previewer.previews(routed, some), next_one.previews(routed, some), strict=True):
            counts.add(routed.dataset.name, _shadowed(*pair))
        say(f"Compared {counts.records.total():,} records")
    return counts


def _shadowed(now: Preview, then: Preview) -> Shadowed:
    """Compare what the two policies make of a record."""
    before, after = _by_place(now), _by_place(then)
    states = _state(now), _state(then)
    changes = {
        changed_rule(now.dataset, place, *(_told(each.get(place, [])) for each in (before, after)))
        for place in before.keys() | after.keys()
        if before.get(place) != after.get(place)
    }
    impact = impact_of(*states, is_moved=now.key != then.key, is_changed=bool(changes))
    if states[0] is not states[1]:
        changes.add(ShadowChange(now.dataset, "", *states))
    return Shadowed(impact, frozenset(changes))


def _by_place(preview: Preview) -> dict[str, list[Becomes]]:
    """Return what becomes of the values by their places; where a rule stands is of no account."""
    found: dict[str, list[Becomes]] = {}
    for each in preview.values:
        found.setdefault(each.place, []).append(replace(each, line=0))
    return found


def _state(preview: Preview) -> State:
    return State.REFUSED if preview.refused else State.TRAVELS if preview.travels else State.LEFT_OUT


def _told(values: list[Becomes]) -> str:
    return ", ".join(sorted({f"{each.rule or 'no rule'}: {each.outcome}" for each in values})) or "not there"
