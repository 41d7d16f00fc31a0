"""What a next policy would change: which records would travel or be refused, and which values would be others."""

import json
import random
from typing import Any

from pipeline_ops.masking.preview import Previewer
from pipeline_ops.masking.shadow import ShadowChange, ShadowCounts, shadow_of
from replication_core.masking.policy import MaskingPolicy
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
    assert (counts.verdicts, counts.values) == ({}, {})


def test_a_value_that_another_rule_is_for_is_told_by_its_place_and_both_rules(world: World) -> None:
    put_items(world)
    counts = shadowed(world, **with_note(KEEP))
    assert counts.values == {ShadowChange("items", "note", "drop: dropped", "keep: kept"): 1}
    assert counts.changed == {"items": 1}


def test_a_rule_that_stands_in_another_line_changes_nothing(world: World) -> None:
    put_items(world)
    assert shadowed(world, **with_note({"rule": "drop", "line": 99})).changed.total() == 0


def test_records_that_would_be_refused_or_left_out_are_counted(world: World) -> None:
    put_items(world)
    counts = shadowed(world, **with_note(None))
    assert counts.verdicts == {ShadowChange("items", "", "travels", "refused"): 1}
    tables = a_policy()["tables"]
    tables["items"]["where"] = [{"attribute": "note", "op": "exists", "value": True}]
    counts = shadowed(world, tables=tables)
    assert counts.verdicts == {ShadowChange("items", "", "travels", "does not travel"): 1}


def test_a_new_generation_changes_every_pseudonym(world: World) -> None:
    put_items(world)
    counts = shadowed(world, generation=2)
    assert counts.changed == {"items": 2}
    assert counts.values == {ShadowChange("items", "id", "pseudonym: masked", "pseudonym: masked (others)"): 2}
