"""The replicator and the verification over dynalite, compared by what an outsider reads there.

What can't be proved here: DynamoDB's throttling and unprocessed items, streams, and time to live.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from replication_core.comparing.findings import Verdict
from replication_core.comparing.items import compare_items
from replication_core.datasets import ITEMS, RecordKey
from replication_core.numbers import number_text
from replication_core.reconcile import Action
from tests.integration.other_implementations.servers import Server
from tests.integration.other_implementations.sites import ADDED, Site

STEPS = 200
Key = tuple[str, Decimal]


@dataclass
class Workload:
    """Random changes of a table, and the keys that were noticed of them."""

    site: Site
    random: Random
    keys: list[tuple[str, str]] = field(default_factory=list)
    noticed: list[RecordKey] = field(default_factory=list)

    def step(self) -> None:
        """Put or delete an item of the source."""
        if self.keys and self.random.random() < 0.5:
            key = self.random.choice(self.keys)
        else:
            key = (self.text(20) or "id", self.number())
            self.keys.append(key)
        if self.random.random() < 0.8:
            self.put(self.site.settings.source_table, *key)
        else:
            self.remove(self.site.settings.source_table, *key)
        self.noticed.append(ITEMS.record(*key))

    def put(self, table: str, id_: str, timestamp: str, **attributes: Any) -> None:
        made = {f"a{number}": self.value(3) for number in range(self.random.randrange(6))}
        if self.random.random() < 0.1:
            made["environment"] = {"S": "of its own"}
        item = {**made, **attributes, "id": {"S": id_}, "timestamp": {"N": timestamp}}
        self.site.dynamodb.put_item(TableName=table, Item=item)

    def remove(self, table: str, id_: str, timestamp: str) -> None:
        key = {"id": {"S": id_}, "timestamp": {"N": timestamp}}
        self.site.dynamodb.delete_item(TableName=table, Key=key)

    def value(self, depth: int) -> dict[str, Any]:
        """Return an attribute value of any type."""
        kind = self.random.choice(["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", *(["L", "M"] if depth else [])])
        several = range(self.random.randint(1, 4))
        made: Any
        match kind:
            case "S":
                made = self.text(40)
            case "N":
                made = self.number()
            case "B":
                made = self.bytes()
            case "BOOL":
                made = self.random.random() < 0.5
            case "NULL":
                made = True
            case "SS":
                made = list({self.text(40) or "not empty" for _ in several})
            case "NS":
                made = [str(number) for number in {Decimal(self.number()) for _ in several}]
            case "BS":
                made = list({self.bytes() for _ in several})
            case "L":
                made = [self.value(depth - 1) for _ in several]
            case _:
                made = {self.text(6) or "m": self.value(depth - 1) for _ in several}
        return {kind: made}

    def bytes(self) -> bytes:
        return self.random.randbytes(self.random.randrange(1, 30))

    def text(self, most: int) -> str:
        signs = "ab Z09\"\\/'\n\x00é漢\u202e\N{GRINNING FACE}"
        return "".join(self.random.choices(signs, k=self.random.randrange(most)))

    def number(self) -> str:
        """Return a number as its writer may spell it: of 38 digits at most, and 126 powers of ten."""
        digits = str(self.random.randrange(10 ** self.random.choice([1, 3, 17, 38])))
        sign = self.random.choice(["", "", "-"])
        match self.random.randrange(4):
            case 0:
                return f"{sign}{digits}"
            case 1:
                return f"{sign}{digits[:1]}.{digits[1:] or '0'}"
            case 2:
                return f"{sign}{digits}e{self.random.randint(-80, 80)}"
            case _:
                return f"{sign}{digits[:30]}000"

    def some_noticed(self) -> list[RecordKey]:
        """Take some of the noticed keys, in any order, some of them twice."""
        taken = [self.noticed.pop(self.random.randrange(len(self.noticed))) for _ in range(len(self.noticed) // 2)]
        return [*taken, *taken[:3]]


def replicas_of(originals: dict[Key, Any]) -> dict[Key, Any]:
    """Return what replicas should be, but for their time."""
    marks = {"environment": "dev", "replicatedFrom": "prod"}
    return {key: {**item, **marks} for key, item in originals.items()}


def seen_replicas(site: Site) -> dict[Key, Any]:
    items = site.items(site.settings.target_table)
    return {key: {name: value for name, value in item.items() if name != ADDED[2]} for key, item in items.items()}


def verdicts(site: Site) -> dict[Key, Verdict]:
    with ThreadPoolExecutor(8) as threads:
        looked = list(compare_items(site.sides(), site.routed(ITEMS), threads))
    found = {}
    for one in looked:
        for finding in one.findings:
            assert finding.key.dataset == ITEMS
            id_, timestamp = finding.key.values
            found[id_, Decimal(timestamp)] = finding.verdict
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_replicas_are_as_their_sources_after_any_changes_and_drift_is_found(
    dynamodb_server: Server, make_site: Callable[..., Site], seed: int
) -> None:
    site = make_site()
    workload = Workload(site, Random(seed))
    replicator = site.replicator()
    for number in range(STEPS):
        workload.step()
        if number % 40 == 39:
            outcomes = replicator.reconcile(workload.some_noticed())
            assert [outcome for outcome in outcomes.values() if outcome.action is Action.FAILED] == []
    replicator.reconcile(workload.noticed)
    source, target = site.settings.source_table, site.settings.target_table
    originals = site.items(source)
    assert len(originals) > STEPS / 5
    assert seen_replicas(site) == replicas_of(originals)
    assert verdicts(site) == {}

    for id_, timestamp in workload.random.sample(workload.keys, 10):
        if workload.random.random() < 0.5:
            workload.put(target, id_, timestamp)
        else:
            workload.remove(target, id_, timestamp)
    workload.put(target, "of the target's own", "1")
    expected = drift(replicas_of(originals), seen_replicas(site))
    assert len(expected) > 1
    assert verdicts(site) == expected

    replicator.reconcile(ITEMS.record(id_, number_text(timestamp)) for id_, timestamp in expected)
    assert seen_replicas(site) == replicas_of(originals)


def drift(wanted: dict[Key, Any], seen: dict[Key, Any]) -> dict[Key, Verdict]:
    """Compare what an outsider read."""
    found = {}
    for key in wanted.keys() | seen.keys():
        if key not in seen:
            found[key] = Verdict.MISSING
        elif key not in wanted:
            found[key] = Verdict.EXTRA
        elif wanted[key] != seen[key]:
            found[key] = Verdict.DIFFERENT
    return found
