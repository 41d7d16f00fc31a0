"""A route's specification's way through its document, and what it wants."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind
from replication_core.masking.policy import MaskingPolicy, PathRule, Rule, TableRules
from replication_core.route_spec import (
    NOTIFICATIONS,
    RoutedDataset,
    RouteSpec,
    RouteSpecError,
)
from tests.made_route import MadeRoute

ORDERS = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.BINARY),))
ROUTE = MadeRoute(
    source_bucket="prod-bucket",
    source_table="prod-table",
    notifications="failures",
    object_include=("a,b/", "é/"),
    object_exclude=('quoted"/',),
    replicate_items=False,
    others=(RoutedDataset(dataset=ORDERS, source="prod-orders", target="dev-orders"),),
    sample_keys=500,
).spec
POLICY: dict[str, Any] = MaskingPolicy(
    tables={
        "orders": TableRules(
            key={"__id": Rule("keep")}, attributes=(PathRule("type", Rule("bucket", {"by": 2**53 + 1}, line=9)),)
        )
    }
).document()


def written(route: RouteSpec, **changes: Any) -> Any:
    return json.loads(json.dumps({**route.document(), **changes}))


def test_a_route_survives_its_document_unchanged() -> None:
    assert RouteSpec.parse(written(ROUTE)) == ROUTE


def test_what_a_former_release_did_not_say_has_its_default_and_what_a_later_one_says_is_passed_over() -> None:
    document = written(ROUTE, later={"file": "dev.yaml"})
    settings = ("notifications", "sample_keys", "settle_seconds", "soak_seconds", "soak_answer_seconds")
    for name in (*settings, "masking", "shadow", "unmasked_reason", "mask_key_arn"):
        del document[name]
    for dataset in document["datasets"]:
        dataset.pop("include", None)
        dataset.pop("exclude", None)
    read = RouteSpec.parse(document)
    assert (read.notifications, read.sample_keys, read.settle_seconds) == ("each", 1000, 300)
    assert (read.soak_seconds, read.soak_answer_seconds) == (300, 30)
    assert (read.masking, read.shadow, read.unmasked_reason, read.mask_key_arn) == ({}, {}, "", "")
    assert read.datasets[0].include == ()


def test_a_policy_survives_the_way_through_the_engine_which_knows_floats_alone_and_takes_names_for_its_own() -> None:
    document = replace(ROUTE, masking=POLICY, shadow=POLICY, mask_key_arn="arn:key").document()
    for name in ("masking", "shadow"):
        assert isinstance(document[name], str), "a text is a text to the engine"
        assert getattr(RouteSpec.parse(written(ROUTE, **document)), name) == POLICY


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (None, "not of the form pipeline.route/1"),
        ([], "not of the form pipeline.route/1"),
        (written(ROUTE, schema="pipeline.route/2"), "not of the form pipeline.route/1"),
        (written(ROUTE, target=1), "no usable 'target'"),
        (written(ROUTE, sample_keys=True), "no usable 'sample_keys'"),
        (written(ROUTE, notifications="sometimes"), "one of each, batch, failures"),
        (written(ROUTE, datasets=None), "not usable"),
        (written(ROUTE, datasets=[{"name": "objects", "kind": "bucket"}]), "names no source and no target"),
        (written(ROUTE, datasets=[{"name": "o", "kind": "pipe", "source": "a", "target": "b"}]), "is no dataset"),
        (
            written(ROUTE, datasets=[{**OBJECTS.document(), "source": "a", "target": "b", "include": "x"}]),
            "no list of texts",
        ),
        ({name: value for name, value in written(ROUTE).items() if name != "queue_url"}, "queue_url"),
        (written(ROUTE, masking=POLICY, mask_key_arn="arn:key"), "no usable 'masking'"),
        (written(ROUTE, masking="[]x", mask_key_arn="arn:key"), "no usable 'masking'"),
        (written(ROUTE, masking="[1]", mask_key_arn="arn:key"), "no usable 'masking'"),
        (written(ROUTE, masking=json.dumps(POLICY)), "names no key"),
        (written(ROUTE, masking='{"version": 2}', mask_key_arn="arn:key"), "the policy is none of version 1"),
    ],
)
def test_a_document_of_no_route_is_refused_with_the_reason(document: Any, what: str) -> None:
    with pytest.raises(RouteSpecError, match=what):
        RouteSpec.parse(document)


@pytest.mark.parametrize("mode", NOTIFICATIONS)
def test_every_way_of_notifying_survives_the_document(mode: str) -> None:
    assert RouteSpec.parse(written(replace(ROUTE, notifications=mode))).notifications == mode


@pytest.mark.parametrize(
    ("include", "exclude", "key", "wanted"),
    [
        ((), (), "any", True),
        (("a/",), (), "a/1", True),
        (("a/",), (), "b/1", False),
        (("a/", "b/"), ("a/private/",), "a/private/1", False),
        (("a/", "b/"), ("a/private/",), "b/1", True),
        ((), ("tmp/",), "tmp/1", False),
    ],
)
def test_a_route_wants_what_its_prefixes_include_and_do_not_exclude(
    include: tuple[str, ...], exclude: tuple[str, ...], key: str, wanted: bool
) -> None:
    route = MadeRoute(source_bucket="b", source_table="t", object_include=include, object_exclude=exclude).spec
    assert route.wants(OBJECTS.record(key)) is wanted


def test_a_route_wants_all_of_a_table_that_the_target_gets_and_nothing_of_another() -> None:
    assert ROUTE.wants(ORDERS.record("YQ=="))
    assert not ROUTE.wants(ITEMS.record("a", "1"))
    assert not ROUTE.wants(replace(ORDERS, name="unknown").record("YQ=="))
    assert [routed.dataset.name for routed in ROUTE.routed] == ["objects", "orders"]


def test_what_the_projects_import_imports_nothing_but_the_standard_library() -> None:
    modules = "replicator_lambda.settings, replication_core.route_spec"
    script = f"import sys, {modules}; print('boto3' in sys.modules, 'aws_lambda_powertools' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
