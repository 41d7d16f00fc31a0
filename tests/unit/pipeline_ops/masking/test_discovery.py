"""What is found out about a dataset from a sample, without a value of it, and the draft of a policy for it."""

import json
import random
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from masking_policy.compiler import compile_policy
from pipeline_ops import cli
from pipeline_ops.masking import discover_command
from pipeline_ops.masking.discovery import Discovered, KeyShape, discover
from pipeline_ops.masking.draft import draft, proposals
from pipeline_ops.masking.sightings import Sighting, Sketch
from replication_core.masking.policy import MaskingPolicy, RecordsBody
from tests.unit.pipeline_ops.masking.conftest import sides_of
from tests.unit.pipeline_ops.routes.conftest import World

NAMES = [f"zebra{number}" for number in range(40)]
"""What must never be told."""


def looked_at(world: World, dataset: str) -> Discovered:
    routed = world.settings.spec.dataset(dataset)
    assert routed is not None
    return discover(sides_of(world), routed, 200, random.Random(7), lambda _: None)


def compiled(found: Discovered) -> MaskingPolicy:
    text = draft(found)
    assert not any(name in text for name in NAMES), text
    return compile_policy(text, "draft.yaml").policy


def rules(policy: MaskingPolicy) -> dict[str, str]:
    return {each.path: each.rule.kind if each.rule else "" for each in policy.tables["items"].attributes}


def put_items(world: World) -> None:
    for number, name in enumerate(NAMES):
        attributes: Any = {
            "status": {"S": ("open", "paid")[number % 2]},
            "active": {"BOOL": True},
            "full": {"S": name},
            "owner_id": {"S": name},
            "mail": {"S": f"{name}@example.com"},
            "text": {"S": f"card 4111111111111111 of {name}"},
            "address": {"M": {"city": {"S": name}, "kind": {"S": "home"}}},
            "tags": {"L": [{"S": "new"}]},
            "scores": {"M": {f"{each}-{number}": {"N": "1"} for each in NAMES[:3]}},
        }
        world.put_item(name, str(number), **attributes)


def test_of_items_paths_types_rates_and_detectors_hits_are_found(world: World) -> None:
    put_items(world)
    found = looked_at(world, "items")
    told = {each.path: each for each in proposals(found.items, found.records, ("id", "timestamp"))}
    assert found.records == len(NAMES)
    assert (told["mail"].types, told["mail"].rate, dict(told["mail"].seen.hits)) == ("S", 1.0, {"email": 40})
    assert dict(told["text"].seen.hits) == {"card": 40}
    assert told["status"].seen.different.estimate == 2
    assert {"address.city", "tags[]", "scores{}"} <= told.keys()
    assert not any(name in path for path in told for name in NAMES)


def test_the_draft_compiles_and_proposes_no_keep_for_what_may_be_personal(world: World) -> None:
    put_items(world)
    policy = compiled(looked_at(world, "items"))
    assert rules(policy) == {
        "active": "keep",
        "address.city": "drop",
        "address.kind": "keep",
        "full": "drop",
        "mail": "email",
        "owner_id": "pseudonym",
        "scores{}": "drop",
        "status": "keep",
        "tags[]": "keep",
        "text": "drop",
    }
    key = policy.tables["items"].key
    assert {name: rule.kind for name, rule in key.items()} == {"id": "pseudonym", "timestamp": "keep"}
    assert policy.unclassified == "refuse"


def test_names_that_hardly_come_twice_are_data_and_none_of_them_is_told(world: World) -> None:
    for number, name in enumerate(NAMES):
        attributes: Any = {name: {"N": "1"}, "by_customer": {"M": {name: {"N": "1"}}}, "kind": {"S": "new"}}
        world.put_item(f"{number}", "1", **attributes)
        world.put(f"rows/{number}.jsonl", json.dumps({name: 1, "kind": "new", "of": {name: 1}}).encode())
    items, objects = looked_at(world, "items"), looked_at(world, "objects")
    assert rules(compiled(items)).keys() == {"by_customer{}", "kind"}
    compiled(objects)
    assert (items.odd_names, objects.odd_names) == (items.records, objects.records)


def test_an_attribute_whose_name_is_data_is_counted_and_not_told(world: World) -> None:
    attributes: Any = {"zebra1@example.com": {"S": "x"}}
    world.put_item("a", **attributes)
    found = looked_at(world, "items")
    assert found.odd_names == 1
    compiled(found)


def test_of_files_the_shapes_of_keys_and_the_records_fields_are_found(world: World) -> None:
    for name in NAMES:
        world.put(f"incoming/{name}/{name}.csv", f"id,city\n{name},{name}\n".encode())
        world.put(f"results/{name}.json", json.dumps({"status": "done", "mail": f"{name}@x.org"}).encode())
        world.put(f"images/{name}.png", b"\x89PNG")
        world.put(f"{name}/a.csv", b"id\n1\n")
    policy = compiled(looked_at(world, "objects"))
    matches = {rule.match: rule for rule in policy.buckets["objects"].rules}
    assert matches.keys() == {"incoming/{part2}/{file}.csv", "results/{file}.json", "{folder}/{file}.csv"}
    of_csv, of_json = (matches[name].body for name in ("incoming/{part2}/{file}.csv", "results/{file}.json"))
    assert isinstance(of_csv, RecordsBody)
    assert isinstance(of_json, RecordsBody)
    told = {each.path: each.rule and each.rule.kind for body in (of_csv, of_json) for each in body.fields}
    assert told == {"id": "pseudonym", "city": "drop", "status": "keep", "mail": "email"}
    assert {rule.kind for rule in matches["{folder}/{file}.csv"].key.values()} == {"pseudonym"}


def test_a_file_with_a_number_that_json_has_not_ends_no_look_at_the_others(world: World) -> None:
    world.put("rows/a.jsonl", b'{"n": NaN}')
    world.put("rows/b.jsonl", b'{"n": 1}')
    [files] = looked_at(world, "objects").files.values()
    assert dict(files.formats) == {"none": 1, "json-lines": 1}


def test_only_the_source_is_read(world: World) -> None:
    world.put("elsewhere/a.csv", b"id\n1\n", bucket="dev-data")
    assert looked_at(world, "objects").records == 0


@pytest.mark.parametrize(
    ("key", "match"),
    [
        ("a.csv.gz", "{file}.csv.gz"),
        ("john.smith", "{file}"),
        ("in/2026/a", "in/{part2}/{file}"),
        ("jane@example.com/a", "{folder}/{file}"),
        ("a{b}/c.json", r"a\{b\}/{file}.json"),
        ("in//a.csv", "in/{part2}/{file}.csv"),
    ],
)
def test_a_keys_shape_tells_folders_and_ends_of_names_alone(key: str, match: str) -> None:
    assert KeyShape.of(key).match == match


@pytest.mark.parametrize("different", [0, 10, 200, 5_000])
def test_how_many_differ_is_estimated_to_a_fifth(different: int) -> None:
    sketch, others = Sketch(), Sketch()
    for number in range(different):
        (sketch if number % 2 else others).add(str(number))
        others.add(str(number))
    sketch.merge(others)
    assert abs(sketch.estimate - different) <= different / 5
    assert different > 200 or sketch.estimate == different


def test_a_map_of_many_names_is_taken_for_one_whose_names_are_data() -> None:
    seen = Sighting()
    for number in range(100):
        seen.add_members({"by_customer": {"M": {f"customer{number}": {"M": {"sum": {"N": "1"}}}}}}, may_be_data=False)
    assert [each.path for each in proposals(seen, 100)] == ["by_customer{}", "by_customer{}.sum"]


def test_the_command_writes_the_draft_and_shows_no_value(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    put_items(world)
    deployed = type("Deployed", (), {"replication": world.replication})()
    monkeypatch.setattr(discover_command, "deployed_replication", lambda _: deployed)
    path = tmp_path / "draft.yaml"
    answer = CliRunner().invoke(cli.cli, ["mask", "discover", "items", "--write", str(path)])
    assert answer.exit_code == 0, answer.output
    assert "an e-mail address in 100 %" in " ".join(answer.stdout.split())
    assert not any(name in answer.output for name in NAMES)
    assert yaml.safe_load(path.read_text())["datasets"].keys() == {"items"}
    told = json.loads(CliRunner().invoke(cli.cli, ["mask", "discover", "items", "--json"]).stdout)
    assert {"path", "types", "rate", "different", "hits", "proposed", "match"} == told["paths"][0].keys()
    refused = CliRunner().invoke(cli.cli, ["mask", "discover", "nothing"])
    assert (refused.exit_code, "prod has no dataset nothing" in refused.stderr) == (2, True)
