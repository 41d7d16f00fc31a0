"""What is told of a replica before there is one: every value's rule and what it becomes, and nothing of production."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from pipeline_ops.masking.preview import Preview, Previewer
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.masking.policy import MaskingPolicy
from tests.unit.pipeline_ops.masking.conftest import KEEP, PSEUDONYM, a_policy, sides_of
from tests.unit.pipeline_ops.routes.conftest import World

SECRET = "zebra-quartz-7391"


def previewer(world: World, policy: Mapping[str, Any] | None = None) -> Previewer:
    compiled = MaskingPolicy.parse(policy or a_policy())
    return Previewer(sides=sides_of(world), policy=compiled, root=b"\1" * 32, is_own_key=True)


def an_item(world: World, id_: str, by: Mapping[str, Any] | None = None) -> Preview:
    routed = world.settings.spec.dataset("items")
    assert routed is not None
    return previewer(world, by).preview(routed, ITEMS.record(id_, "1"))


def an_object(world: World, key: str, by: Mapping[str, Any] | None = None) -> Preview:
    routed = world.settings.spec.dataset("objects")
    assert routed is not None
    found = previewer(world, by).preview(routed, OBJECTS.record(key))
    assert SECRET not in json.dumps(asdict(found)).removeprefix(key)
    return found


def with_attributes(*attributes: Any) -> dict[str, Any]:
    policy = a_policy()
    policy["tables"]["items"]["attributes"] += attributes
    return policy


def with_body(body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    policy = a_policy()
    policy["buckets"]["objects"]["rules"][1] |= {"body": body, **more}
    return policy


def becoming(found: Preview) -> dict[str, str]:
    return {each.place: str(each) for each in found.values}


def test_of_an_item_what_is_kept_is_told_by_type_and_length_and_what_is_masked_as_it_will_be(world: World) -> None:
    policy = with_attributes(
        ["amount", KEEP],
        ["mail", {"rule": "email", "line": 9, "namespace": "customer"}],
        ["people[].name", {"rule": "replace", "line": 11, "value": {"S": "[removed]"}}],
    )
    people = {"L": [{"M": {"name": {"S": SECRET}}}]}
    attributes: Any = {"note": {"S": SECRET}, "amount": {"N": "12.5"}, "mail": {"S": f"{SECRET}@x.org"}}
    world.put_item(SECRET, **attributes, people=people)
    found = an_item(world, SECRET, policy)
    told = becoming(found)
    assert SECRET not in json.dumps(asdict(found))
    assert (told["note"], told["amount"], told["people[].name"]) == ("dropped", "kept (N, 3 digits)", '"[removed]"')
    assert told["mail"].endswith('@masked.invalid"')
    assert told["id"] == f'"{found.key.partition("@")[0]}"'
    assert found.key.startswith("c_")
    assert (found.refused, found.verdict) == (False, "would be replicated so")
    assert {each.place: (each.rule, each.line) for each in found.values}["mail"] == ("email", 9)


def test_what_no_rule_is_for_is_refused_and_its_name_is_not_told(world: World) -> None:
    attributes: Any = {SECRET: {"S": "x"}, "note": {"S": "x"}}
    world.put_item("a", **attributes)
    found = an_item(world, "a")
    assert found.refused
    assert SECRET not in json.dumps(asdict(found))
    assert becoming(found)["*"] == "refused: no rule is for it"
    dropping = {**a_policy(), "unclassified": "drop"}
    found = an_item(world, "a", dropping)
    assert (found.refused, becoming(found)["*"]) == (False, "dropped")


def test_names_that_are_data_are_told_as_they_will_be(world: World) -> None:
    policy = with_attributes(["scores{}", KEEP, PSEUDONYM])
    attributes: Any = {"scores": {"M": {SECRET: {"N": "1"}}}}
    world.put_item("a", **attributes)
    found = an_item(world, "a", policy)
    assert SECRET not in json.dumps(asdict(found))
    assert becoming(found)["scores{} (a name)"].startswith('"c_')
    assert becoming(found)["scores{}"] == "kept (N, 1 digits)"


def test_a_detectors_hit_in_what_is_kept_is_a_refusal(world: World) -> None:
    attributes: Any = {"amount": {"S": f"{SECRET}@example.com"}}
    world.put_item("a", **attributes)
    found = an_item(world, "a", with_attributes(["amount", KEEP]))
    assert found.refused
    assert "an e-mail address" in becoming(found)["amount"]
    assert SECRET not in json.dumps(asdict(found))


def test_what_does_not_travel_and_what_is_not_there_are_said(world: World) -> None:
    policy = a_policy()
    policy["tables"]["items"]["where"] = [{"attribute": "id", "op": "equals", "value": {"S": "another"}}]
    world.put_item("a")
    assert "would not travel" in an_item(world, "a", policy).verdict
    assert "a replica of it would be deleted" in an_item(world, "b").verdict


CSV = f"id,city,card\n{SECRET},{SECRET},4111111111111111\n"
COLUMNS = [["id", PSEUDONYM], ["city", KEEP], ["card", {"rule": "last", "line": 7, "characters": 4}]]


@pytest.mark.parametrize(
    ("format_", "body"),
    [
        ("csv", CSV.encode()),
        ("csv", gzip.compress(CSV.encode(), mtime=0)),
        ("json-lines", json.dumps({"id": SECRET, "city": SECRET, "card": "4111111111111111"}).encode() + b"\n{"),
        ("json-array", json.dumps([{"id": SECRET, "city": SECRET, "card": "4111111111111111"}]).encode()),
    ],
)
def test_of_an_objects_records_the_first_one_is_told(world: World, format_: str, body: bytes) -> None:
    world.put("assets/a", body)
    found = an_object(world, "assets/a", with_body({"format": format_, "fields": COLUMNS}))
    told = becoming(found)
    assert told["first record: city"] == f"kept (S, {len(SECRET)} characters)"
    assert told["first record: id"].startswith('"c_')
    assert told["first record: card"] == '"************1111"'
    assert (found.key, found.refused) == ("assets/a", False)


def test_metadata_tags_and_headers_are_told_by_their_rules(world: World) -> None:
    more = {"metadata": {"owner": PSEUDONYM, "*": {"rule": "drop", "line": 5}}, "tags": {}}
    world.put(
        "assets/a",
        b"x",
        Metadata={"owner": SECRET, SECRET: SECRET},
        Tagging=f"kind={SECRET}",
        ContentDisposition=SECRET,
    )
    found = an_object(world, "assets/a", with_body({"opaque": "no person"}, **more))
    told = becoming(found)
    assert told["metadata.owner"].startswith('"c_')
    assert (told["metadata.*"], told["tags.*"], told["headers.*"]) == ("dropped", *2 * ("refused: no rule is for it",))
    assert told["body"] == "kept (as it is, 1 bytes)"
    assert found.refused


def test_a_key_that_the_policy_does_not_know_is_refused(world: World) -> None:
    world.put(f"elsewhere/{SECRET}")
    found = an_object(world, f"elsewhere/{SECRET}")
    assert (found.refused, found.key) == (True, "")
    assert SECRET not in found.verdict


def test_a_body_that_is_not_of_its_format_is_refused_without_a_word_of_it(world: World) -> None:
    world.put("assets/a", SECRET.encode())
    found = an_object(world, "assets/a", with_body({"format": "json-lines", "fields": COLUMNS}))
    assert (found.refused, becoming(found)["body"]) == (True, "refused: its first records are not of its format")


def test_an_archived_object_does_not_travel_and_nothing_else_of_it_is_asked_for(world: World) -> None:
    world.put("assets/a", b'{"id": "1"}', StorageClass="GLACIER")
    found = an_object(world, "assets/a", with_body({"format": "json-lines", "fields": COLUMNS}))
    assert (found.travels, found.verdict) == (False, "would not travel: it is archived, and not restored")


def test_the_routes_own_key_is_used_and_without_one_a_key_that_is_thrown_away(world: World) -> None:
    sides = sides_of(world)
    policy = MaskingPolicy.parse(a_policy())
    assert not Previewer.of(world.replication, sides, policy).is_own_key

    class Kms:
        def generate_mac(self, **_: Any) -> Any:
            return {"Mac": b"\2" * 32}

    replication = replace(world.replication, client=lambda service, **_: Kms())
    own = replace(sides, route=replace(sides.route, mask_key_arn="arn:aws:kms:us-east-1:123456789012:key/1"))
    first, second = (Previewer.of(replication, own, policy) for _ in range(2))
    assert first.is_own_key
    assert first.mask.key(ITEMS.record("a", "1")) == second.mask.key(ITEMS.record("a", "1"))
