"""Counts of what a policy makes of production, or of a sample, by rule: what is kept, masked, dropped and refused."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline_ops.masking.preview import Preview, Previewer, Treatment
from pipeline_ops.routes.route import THREADS, explained
from replication_core.batching import batches
from replication_core.comparing.sample import drawn
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.items.scans import Segment, scan
from replication_core.objects.listings import list_objects
from replication_core.parallel import bounded_map
from replication_core.route_spec import RoutedDataset

__all__ = ["RuleCounts", "RulePlace", "all_keys", "count_rules", "sampled_keys"]

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


SomeKeys = tuple[RoutedDataset, list[RecordKey]]
"""Some keys of a dataset that the route replicates."""


def sampled_keys(previewer: Previewer, keys: int, chance: random.Random) -> Iterator[SomeKeys]:
    """Yield about so many keys of each dataset, drawn as the route's scheduled comparison does."""
    for routed in previewer.sides.route.routed:
        with explained(f"{routed.dataset.name} can't be looked at"):
            found = drawn(previewer.sides, routed, keys, chance, most_bytes=_ANY_SIZE)
        yield from ((routed, list(some)) for some in batches(found, _AT_ONCE))


def all_keys(previewer: Previewer) -> Iterator[SomeKeys]:
    """Yield every key, as it is listed or scanned."""
    for routed in previewer.sides.route.routed:
        with explained(f"{routed.dataset.name} can't be looked at"):
            yield from ((routed, list(some)) for some in batches(_keys(previewer.sides, routed), _AT_ONCE))


def _keys(sides: Sides, routed: RoutedDataset) -> Iterator[RecordKey]:
    dataset = routed.dataset
    if not dataset.is_bucket:
        names = dataset.attribute_names
        for page in scan(sides.source_dynamodb, routed.source, dataset, Segment(0, 1), only=names):
            yield from map(dataset.of_item, page.items)
        return
    for prefix in routed.include or ("",):
        for listed in list_objects(sides.source_s3, routed.source, prefix):
            if routed.wants_object(listed.key):
                yield RecordKey(dataset, (listed.key,))


def count_rules(previewer: Previewer, chosen: Iterable[SomeKeys], say: Callable[[str], None]) -> RuleCounts:
    """Count what the policy makes of these records; however many there are, few are held at a time."""
    counts = RuleCounts()
    with ThreadPoolExecutor(THREADS) as executor:
        for found in bounded_map(executor, lambda some: previewer.previews(*some), chosen, window=2 * THREADS):
            for each in found:
                counts.add(each)
            say(f"Looked at {counts.records.total():,} records")
    return counts
