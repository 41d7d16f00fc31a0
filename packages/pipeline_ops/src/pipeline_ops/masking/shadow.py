"""The shadow of a policy: what the next one would change of a sample of replicas. Nothing is written."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline_ops.masking.preview import Becomes, Preview, Previewer
from pipeline_ops.masking.rule_counts import sampled_keys
from replication_core.masking.policy import MaskingPolicy

__all__ = ["ShadowChange", "ShadowCounts", "shadow_of"]


@dataclass(frozen=True)
class ShadowChange:
    """What becomes of the values at a place by the present policy, and by the next one."""

    dataset: str
    place: str
    now: str
    then: str


@dataclass
class ShadowCounts:
    """What the next policy would change."""

    records: Counter[str] = field(default_factory=Counter)
    """How many were looked at, by dataset."""

    changed: Counter[str] = field(default_factory=Counter)
    """How many replicas would be others, in a value or in the key."""

    verdicts: Counter[ShadowChange] = field(default_factory=Counter)
    """How many would begin or cease to travel, or to be refused."""

    values: Counter[ShadowChange] = field(default_factory=Counter)

    def add(self, now: Preview, then: Preview) -> None:
        """Compare what the two policies make of a record."""
        before, after = _by_place(now), _by_place(then)
        self.records[now.dataset] += 1
        self.changed[now.dataset] += (_state(now), now.key, before) != (_state(then), then.key, after)
        if _state(now) != _state(then):
            self.verdicts[ShadowChange(now.dataset, "", _state(now), _state(then))] += 1
        for place in before.keys() | after.keys():
            if before.get(place) != after.get(place):
                pair = [_told(each.get(place, [])) for each in (before, after)]
                others = " (others)" if pair[0] == pair[1] else ""
                self.values[ShadowChange(now.dataset, place, pair[0], pair[1] + others)] += 1

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        told = {
            name: [{**vars(each), "records": count} for each, count in getattr(self, name).most_common()]
            for name in ("verdicts", "values")
        }
        return {"records": dict(self.records), "changed": dict(self.changed), **told}


def _by_place(preview: Preview) -> dict[str, list[Becomes]]:
    """Return what becomes of the values by their places; where a rule stands is of no account."""
    found: dict[str, list[Becomes]] = {}
    for each in preview.values:
        found.setdefault(each.place, []).append(replace(each, line=0))
    return found


def _state(preview: Preview) -> str:
    return "refused" if preview.refused else "travels" if preview.travels else "does not travel"


def _told(values: list[Becomes]) -> str:
    return ", ".join(sorted({f"{each.rule or 'no rule'}: {each.outcome}" for each in values})) or "not there"


def shadow_of(
    previewer: Previewer, then: MaskingPolicy, keys: int, chance: random.Random, say: Callable[[str], None]
) -> ShadowCounts:
    """Count what another policy would change of about so many records of each dataset, by the same key of KMS."""
    next_one = replace(previewer, policy=then)
    counts = ShadowCounts()
    for routed, some in sampled_keys(previewer, keys, chance):
        for key in some:
            counts.add(previewer.preview(routed, key), next_one.preview(routed, key))
        say(f"Compared {counts.records.total():,} records")
    return counts
