"""The datasets that targets get: all that both sides have, or those that are chosen, and what is refused."""

import functools
import json
from typing import Any

import pytest

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_common.infra.stack_config import StackConfigError
from replication_core.route_spec import ROUTE_FILE, ROUTES_FILE, RouteSpec
from tests.infra.deployed import DATASETS, replication, stacks_of
from tests.infra.iam import allows
from tests.infra.recording import Recording

FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
POLICY = "aws:iam/rolePolicy:RolePolicy"
TABLES = ("items", "orders", "users", "readings")


@functools.cache
def stacks() -> dict[str, Any]:
    """All storage: production has every dataset, dev has two of them otherwise, and staging has none but two."""
    other_key = {**DATASETS["users"], "partitionKey": {"name": "email", "type": "S"}}
    few = {name: DATASETS[name] for name in ("objects", "orders")}
    return stacks_of(dev={**DATASETS, "users": other_key, "archive": DATASETS["orders"]}, staging=few)


def side(environment: str) -> StorageOutputs:
    return StorageOutputs.parse(stacks()[f"organization/storage/{environment}"])


def deploy(*targets: dict[str, Any], preview: bool = False, **config: Any) -> Recording:
    settings = {f"replication:{name}": value for name, value in config.items()}
    return replication({"replication:targets": list(targets), **settings}, stacks=stacks(), preview=preview)


@pytest.fixture(scope="module")
def deployed() -> Recording:
    """The replication to two targets of which nothing is said."""
    return deploy({"environment": "dev", "verify": {"schedule": "rate(1 day)"}}, {"environment": "staging"})


def route(deployed: Recording, target: str) -> RouteSpec:
    return RouteSpec.parse(deployed.named(FUNCTION, f"route-{target}-replicator").archived(ROUTE_FILE))


def routed(deployed: Recording, target: str = "dev") -> dict[str, str]:
    """What a target gets, by the datasets' names: the names of its buckets and tables."""
    return {each.dataset.name: each.target for each in route(deployed, target).routed}


def test_a_target_gets_what_both_sides_have_alike_unless_it_chooses(deployed: Recording) -> None:
    for target, names in {"dev": ("objects", "items", "orders", "readings"), "staging": ("objects", "orders")}.items():
        assert routed(deployed, target) == {name: side(target).datasets[name].name for name in names}
        spec = route(deployed, target)
        assert {each.dataset.name: each.source for each in spec.datasets} == {
            name: stored.name for name, stored in side("prod").datasets.items()
        }, "what it does not get is known to be the source's"
        assert RouteSpec.parse(ReplicationOutputs.parse(deployed.outputs).routes[target].spec) == spec


@pytest.mark.parametrize(
    ("target", "gets"),
    [
        ({"datasets": {"orders": {}, "readings": {}}}, ["orders", "readings"]),
        ({"datasets": {"orders": {}}, "objects": {"exclude": ["tmp/"]}}, ["objects", "orders"]),
        ({"datasets": {"orders": {}}, "items": True}, ["items", "orders"]),
        ({"datasets": {"orders": {}}, "items": False}, ["orders"]),
        ({"items": False}, ["objects", "orders", "readings"]),
        ({"objects": {"include": ["a/"]}}, ["objects", "items", "orders", "readings"]),
    ],
)
def test_a_target_gets_the_datasets_that_it_chooses(target: dict[str, Any], gets: list[str]) -> None:
    assert list(routed(deploy({"environment": "dev", **target}))) == gets


@pytest.mark.parametrize("by", ["datasets", "in short"])
def test_prefixes_may_be_given_with_the_datasets_or_in_short(by: str) -> None:
    prefixes = {"include": ["public/"], "exclude": ["public/secret/"]}
    target = {"objects": prefixes} if by == "in short" else {"datasets": {"objects": prefixes, "orders": {}}}
    made = deploy({"environment": "dev", **target})
    objects = route(made, "dev").dataset("objects")
    assert objects is not None
    assert (objects.include, objects.exclude) == (("public/",), ("public/secret/",))
    rights = made.named(POLICY, "route-dev-replicator-rights").document()
    bucket = side("prod").datasets["objects"].arn
    assert allows(rights, "s3:GetObject", f"{bucket}/public/1")
    assert not allows(rights, "s3:GetObject", f"{bucket}/public/secret/1")
    assert not allows(rights, "s3:GetObject", f"{bucket}/private/1")


def test_a_route_may_read_and_write_the_datasets_that_its_target_gets_and_no_others(deployed: Recording) -> None:
    rights = deployed.named(POLICY, "route-dev-replicator-rights").document()
    sampling = deployed.named(POLICY, "route-dev-sample-rights").document()
    prod, dev = side("prod"), side("dev")
    for name in TABLES:
        is_got = name != "users"
        assert allows(rights, "dynamodb:BatchGetItem", prod.datasets[name].arn) is is_got, name
        assert allows(rights, "dynamodb:BatchWriteItem", dev.datasets[name].arn) is is_got, name
        assert not allows(rights, "dynamodb:BatchWriteItem", prod.datasets[name].arn), name
        for store in (prod, dev):
            assert allows(sampling, "dynamodb:Scan", store.datasets[name].arn) is is_got, name
    assert not allows(rights, "s3:GetObject", f"{prod.datasets['archive'].arn}/key")


def test_a_route_to_two_buckets_holds_each_to_its_own_prefixes() -> None:
    both = stacks_of()
    chosen = {"objects": {"include": ["a/"]}, "archive": {"exclude": ["a/"]}}
    made = replication({"replication:targets": [{"environment": "dev", "datasets": chosen}]}, stacks=both)
    rights = made.named(POLICY, "route-dev-replicator-rights").document()
    prod, dev = (StorageOutputs.parse(both[f"organization/storage/{name}"]).datasets for name in ("prod", "dev"))
    may = {
        (name, key): allows(rights, "s3:GetObject", f"{prod[name].arn}/{key}")
        for name in ("objects", "archive")
        for key in ("a/1", "b/1")
    }
    assert [what for what, allowed in may.items() if allowed] == [("objects", "a/1"), ("archive", "b/1")]
    assert allows(rights, "s3:PutObject", f"{dev['archive'].arn}/b/1")
    assert not allows(rights, "dynamodb:BatchGetItem", prod["items"].arn)
    assert not [one for one in rights["Statement"] if not one["Resource"]], "IAM takes no statement of nothing"


def test_the_notifier_reads_the_stream_of_each_table_that_a_target_gets(deployed: Recording) -> None:
    streams = {one.name: one.inputs["eventSourceArn"] for one in deployed.of(MAPPING) if one.name.startswith("items")}
    prod = side("prod").datasets
    assert streams == {
        "items-mapping": prod["items"].stream_arn,
        "items-orders-mapping": prod["orders"].stream_arn,
        "items-readings-mapping": prod["readings"].stream_arn,
    }
    outputs = ReplicationOutputs.parse(deployed.outputs)
    assert outputs.notifier_event_source_mapping_id == "uuid-of-items-mapping"
    assert outputs.notifier_mappings == {
        "items": "uuid-of-items-mapping",
        "orders": "uuid-of-items-orders-mapping",
        "readings": "uuid-of-items-readings-mapping",
    }
    rights = deployed.named(POLICY, "items-notifier-rights").document()
    for name in TABLES:
        assert allows(rights, "dynamodb:GetRecords", prod[name].stream_arn) is (name != "users"), name


def test_without_the_table_of_items_the_first_is_the_one_that_a_former_release_would_look_at() -> None:
    made = deploy({"environment": "dev", "datasets": {"readings": {}, "orders": {}}})
    outputs = ReplicationOutputs.parse(made.outputs)
    assert outputs.notifier_event_source_mapping_id == outputs.notifier_mappings["orders"]


def test_a_target_without_tables_has_no_part_in_the_notifier_and_one_without_buckets_a_rule_of_nothing() -> None:
    made = deploy(
        {"environment": "dev", "datasets": {"objects": {}}}, {"environment": "staging", "datasets": {"orders": {}}}
    )
    served = [RouteSpec.parse(each).target for each in made.named(FUNCTION, "items-notifier").archived(ROUTES_FILE)]
    assert served == ["staging"]
    rule = made.named("aws:cloudwatch/eventRule:EventRule", "route-staging-rule")
    assert json.loads(rule.inputs["eventPattern"])["detail"] == {"bucket": {"name": [""]}}
    alone = deploy({"environment": "dev", "datasets": {"objects": {}}})
    assert [one.name for one in alone.of(MAPPING)] == ["route-dev-mapping"]
    assert ReplicationOutputs.parse(alone.outputs).notifier_mappings == {}


@pytest.mark.parametrize("capture", ["native", "cloudtrail"])
def test_a_preview_registers_the_same_resources(capture: str) -> None:
    previewed, made = (deploy({"environment": "dev"}, preview=preview, capture=capture) for preview in (True, False))
    assert {(one.type, one.name) for one in previewed.resources()} == {(one.type, one.name) for one in made.resources()}


def test_a_trail_records_the_writes_of_what_some_target_gets() -> None:
    made = deploy({"environment": "dev"}, {"environment": "staging"}, capture="cloudtrail")
    (trail,) = made.of("aws:cloudtrail/trail:Trail")
    prod = side("prod").datasets
    recorded = {
        selector["name"]: next(
            one.get("equals") or one["startsWiths"]
            for one in selector["fieldSelectors"]
            if one["field"] == "resources.ARN"
        )
        for selector in trail.inputs["advancedEventSelectors"]
    }
    assert recorded == {
        "objects": [f"{prod['objects'].arn}/"],
        "items": [prod[name].arn for name in ("items", "orders", "readings")],
    }


# Refusals


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            {"datasets": {"objects": {}}, "objects": {"include": ["a/"]}},
            "replication:targets[0].objects and replication:targets[0].datasets.objects are of the same dataset: keep",
        ),
        (
            {"datasets": {"items": {}}, "items": False},
            "replication:targets[0].items and replication:targets[0].datasets.items are of the same dataset: keep",
        ),
        (
            {"datasets": {"order": {}}},
            "replication:targets[0].datasets.order: the storage of prod and of dev has no dataset order: declare it by "
            "storage:datasets there and deploy that, or remove it here.",
        ),
        (
            {"environment": "staging", "datasets": {"readings": {}}},
            "replication:targets[0].datasets.readings: the storage of staging has no dataset readings: declare it by",
        ),
        (
            {"environment": "staging", "items": True},
            "replication:targets[0].items: the storage of staging has no dataset items: declare it by",
        ),
        (
            {"datasets": {"users": {}}},
            "replication:targets[0].datasets.users: users is a table by id (S) in prod, and a table by email (S) in "
            "dev: declare it alike by storage:datasets, or remove it here.",
        ),
        (
            {"datasets": {"archive": {}}},
            "datasets.archive: archive is a bucket in prod, and a table by pk (S) and sk (S) in dev: declare it alike",
        ),
        (
            {"datasets": {"orders": {"include": ["a/"]}}},
            "replication:targets[0].datasets.orders: orders is a table, and prefixes are of objects' keys: remove ",
        ),
        ({"datasets": {}}, "replication:targets[0].datasets is {}"),
        ({"datasets": {"objects": {"includes": []}}}, "targets[0].datasets.objects.includes is not a setting; did you"),
    ],
)
def test_datasets_that_can_not_be_replicated_are_refused_by_their_key(target: dict[str, Any], said: str) -> None:
    with pytest.raises(StackConfigError) as caught:
        deploy({"environment": "dev", **target})
    (line,) = str(caught.value).splitlines()
    assert line.startswith("projects/replication/Pulumi.prod.yaml: ")
    assert said in line


def test_a_target_that_has_nothing_in_common_with_its_source_is_refused() -> None:
    others = stacks_of(dev={"pictures": {"kind": "bucket"}})
    with pytest.raises(StackConfigError, match=r"targets\[0\]: the storage of prod and of dev have no dataset in"):
        replication({"replication:targets": [{"environment": "dev"}]}, stacks=others)


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize(("name", "of"), [("archive", "archive"), ("orders", "orders"), ("orders", "items")])
def test_a_target_whose_bucket_or_table_is_one_of_the_sources_is_refused(name: str, of: str, preview: bool) -> None:
    both = stacks_of()
    dev, prod = (both[f"organization/storage/{environment}"] for environment in ("dev", "prod"))
    shared = {**dev["datasets"], name: {**dev["datasets"][name], "arn": prod["datasets"][of]["arn"]}}
    both["organization/storage/dev"] = {**dev, "datasets": shared}
    with pytest.raises(StackConfigError, match=r"targets\[0\]\.datasets: the storage of dev and of prod have the same"):
        replication({"replication:targets": [{"environment": "dev"}]}, stacks=both, preview=preview)
    left_out = {"environment": "dev", "datasets": {"objects": {}}}
    assert replication({"replication:targets": [left_out]}, stacks=both).resources()
