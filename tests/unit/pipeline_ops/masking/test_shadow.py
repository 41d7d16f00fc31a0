"""What a next policy would change: which records would travel or be refused, and which values would be others."""

import json
import random
from datetime import UTC, datetime
from typing import Any

from pipeline_ops.history import DeployRecord
from pipeline_ops.masking.preview import Previewer
from pipeline_ops.masking.shadow import counted_shadow, shadow_of, switched_on
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.shadow import Impact, ShadowChange, ShadowCounts, Shadowed
from tests.made_route import MadeRoute
from tests.unit.pipeline_ops.masking.conftest import KEEP, a_policy, sides_of
from tests.unit.pipeline_ops.routes.conftest import World

SECRET = "zebra-quartz-7391"


def shadowed(world: World, **more: Any) -> ShadowCounts:
    now = Previewer(sides=sides_of(world), policy=MaskingPolicy.parse(a_policy()), root=b"\1" * 32, is_own_key=True)
    then = MaskingPolicy.parse(a_policy(**more))
    counts = shadow_of(now, then, 50, random.Random(1), lambda _: None)
    assert SECRET not in json.dumps(counts.document())
    return counts


def with_note(rule: dict[str, Any] | None) -> dict[str, Any]:
    table = a_policy()["tables"]["items"]
    return {"tables": {"items": {**table, "attributes": [["note", rule]] if rule else []}}}


def put_items(world: World) -> None:
    attributes: Any = {"note": {"S": SECRET}}
    world.put_item("a", **attributes)
    world.put_item("b")


def test_the_same_policy_changes_nothing(world: World) -> None:
    put_items(world)
    world.put("assets/a")
    counts = shadowed(world)
    assert (counts.records, counts.changed.total()) == ({"items": 2, "objects": 1}, 0)
    assert counts.changes == {}


def test_a_value_that_another_rule_is_for_is_told_by_its_place_and_both_rules(world: World) -> None:
    put_items(world)
    counts = shadowed(world, **with_note(KEEP))
    assert counts.changes == {ShadowChange("items", "note", "drop: dropped", "keep: kept"): 1}
    assert counts.changed == {"items": 1}


def test_a_rule_that_stands_in_another_line_changes_nothing(world: World) -> None:
    put_items(world)
    assert shadowed(world, **with_note({"rule": "drop", "line": 99})).changed.total() == 0


def test_records_that_would_be_refused_or_left_out_are_counted(world: World) -> None:
    put_items(world)
    counts = shadowed(world, **with_note(None))
    refused = ShadowChange("items", "", "travels", "refused")
    assert (counts.changes[refused], counts.impacts["items", Impact.REFUSED]) == (1, 1)
    tables = a_policy()["tables"]
    tables["items"]["where"] = [{"attribute": "note", "op": "exists", "value": True}]
    counts = shadowed(world, tables=tables)
    assert counts.changes == {ShadowChange("items", "", "travels", "does not travel"): 1}


def test_a_new_generation_changes_every_pseudonym(world: World) -> None:
    put_items(world)
    counts = shadowed(world, generation=2)
    assert counts.changed == {"items": 2}
    assert counts.impacts == {("items", Impact.MOVED): 2}
    assert counts.changes == {ShadowChange("items", "id", "pseudonym: masked", "pseudonym: masked (others)"): 2}


# --- As a route has counted it


class MadeLogs:
    """A log of two pages."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.asked: dict[str, Any] = {}

    def get_paginator(self, operation: str) -> "MadeLogs":
        assert operation == "filter_log_events"
        return self

    def paginate(self, **asked: Any) -> Any:
        self.asked = asked
        events = [{"timestamp": 60_000 * (1 + number), "message": line} for number, line in enumerate(self.lines)]
        return [{"events": events[:1]}, {"events": events[1:]}]


DIGEST = "0123456789abcdef01234567"


def a_line(digest: str = DIGEST, records: int = 2) -> str:
    counts = ShadowCounts()
    for _ in range(records):
        counts.add("items", Shadowed(Impact.DIFFERENT, frozenset([ShadowChange("items", "note", "drop", "keep")])))
    return json.dumps({"message": "shadow", "policy": digest, **counts.document()})


def test_what_a_route_has_counted_is_added_up_of_its_own_lines_alone() -> None:
    forged = json.dumps({"policy": DIGEST, "found": {"items": {"different": "many"}}, "verdicts": [], "values": []})
    logs = MadeLogs(a_line(), f"START {DIGEST}", a_line("another"), f'["{DIGEST}"]', forged, a_line(records=1))
    found = counted_shadow(logs, "a-group", DIGEST, datetime(2026, 11, 1, tzinfo=UTC))
    assert found.counts.changes == {ShadowChange("items", "note", "drop", "keep"): 3}
    assert found.counts.changed == {"items": 3}
    assert found.span == {"first": "1970-01-01T00:01:00+00:00", "last": "1970-01-01T00:06:00+00:00"}
    assert logs.asked == {"logGroupName": "a-group", "filterPattern": f'"{DIGEST}"', "startTime": 1793491200000}


def test_a_log_without_a_line_of_it_tells_no_span() -> None:
    found = counted_shadow(MadeLogs(), "a-group", DIGEST, None)
    assert (found.span, found.counts) == ({"first": None, "last": None}, ShadowCounts())


def test_a_next_policy_is_switched_on_by_the_first_of_the_last_deploys_that_have_it() -> None:
    def deployed(hour: int, note: dict[str, Any] | None) -> DeployRecord:
        shadow = a_policy(**with_note(note))
        route = MadeRoute(source_bucket="a", source_table="b", masking=a_policy(), shadow=shadow)
        at = f"2026-11-01T0{hour}:00:00+00:00"
        return DeployRecord(what="deploy", at=at, who="x", release="y", specs={"dev": route.spec.document()})

    digest = MaskingPolicy.parse(a_policy(**with_note(KEEP))).digest
    records = [deployed(4, KEEP), DeployRecord(what="judged", at="no", who="x", release="y"), deployed(3, KEEP)]
    records += [deployed(2, None), deployed(1, KEEP)]
    assert switched_on(records, "dev", digest) == datetime(2026, 11, 1, 3, tzinfo=UTC)
    assert switched_on(records, "staging", digest) is None
