"""Counts of what a policy makes of a sample of production, by rule: what is kept, masked, dropped and refused."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline_ops.masking.preview import Preview, Previewer, Treatment
from pipeline_ops.routes.route import explained
from replication_core.batching import batches
from replication_core.comparing.sample import drawn
from replication_core.datasets import RecordKey
from replication_core.route_spec import RoutedDataset

__all__ = ["RuleCounts", "RulePlace", "count_rules", "sampled_keys"]

_AT_ONCE = 25
_ANY_SIZE = 1 << 60


class RulePlace(NamedTuple):
    """A rule of a policy, where it stands."""

    dataset: str
    place: str
    rule: str
    line: int


@dataclass
class RuleCounts:
    """What a policy makes of some records."""

    records: Counter[str] = field(default_factory=Counter)
    """How many were looked at, by dataset."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many are refused, by dataset and why."""

    left_out: Counter[str] = field(default_factory=Counter)
    """How many do not travel, by dataset."""

    values: Counter[tuple[RulePlace, Treatment]] = field(default_factory=Counter)

    def add(self, preview: Preview) -> None:
        """Count a record."""
        self.records[preview.dataset] += 1
        if preview.refused:
            self.refused[preview.dataset, preview.verdict.removeprefix("refused: ")] += 1
        elif not preview.travels:
            self.left_out[preview.dataset] += 1
        for each in preview.values:
            place = RulePlace(preview.dataset, each.place, each.rule or "none", each.line)
            self.values[place, each.outcome] += 1


def sampled_keys(
    previewer: Previewer, keys: int, chance: random.Random
) -> Iterator[tuple[RoutedDataset, list[RecordKey]]]:
    """Yield about so many keys of each dataset that the route replicates, drawn as its scheduled comparison does."""
    for routed in previewer.sides.route.routed:
        with explained(f"{routed.dataset.name} can't be looked at"):
            found = drawn(previewer.sides, routed, keys, chance, most_bytes=_ANY_SIZE)
        for some in batches(found, _AT_ONCE):
            yield routed, list(some)


def count_rules(previewer: Previewer, keys: int, chance: random.Random, say: Callable[[str], None]) -> RuleCounts:
    """Count what the policy makes of about so many records of each dataset."""
    counts = RuleCounts()
    for routed, some in sampled_keys(previewer, keys, chance):
        for key in some:
            counts.add(previewer.preview(routed, key))
        say(f"Looked at {counts.records.total():,} records")
    return counts
