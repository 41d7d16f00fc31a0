"""Contracts: whole, and open to additions."""

from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from pipeline_common.contracts import (
    MissingOutputError,
    ProcessingOutputs,
    ReplicationOutputs,
    RouteOutputs,
    StorageOutputs,
    StoredDataset,
)
from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind

ORDERS = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.BINARY), KeyAttribute("sk", KeyType.NUMBER)))
STORED = {
    "objects": StoredDataset(dataset=OBJECTS, name="objects-1", arn="arn:objects-1"),
    "items": StoredDataset(dataset=ITEMS, name="items-1", arn="arn:items-1", stream_arn="arn:items-1/stream"),
    "orders": StoredDataset(dataset=ORDERS, name="orders-1", arn="arn:orders-1", stream_arn="arn:orders-1/stream"),
}
NAMED: dict[str, Any] = {field.name: f"the {field.name}" for field in fields(StorageOutputs)}
STORAGE = StorageOutputs(**{**NAMED, "datasets": STORED})
FLAT = {
    "bucket_name": "objects-1",
    "bucket_arn": "arn:objects-1",
    "table_name": "items-1",
    "table_arn": "arn:items-1",
    "table_stream_arn": "arn:items-1/stream",
}
PROCESSED: dict[str, Any] = {field.name: f"the {field.name}" for field in fields(ProcessingOutputs)}
PROCESSING = ProcessingOutputs(**{**PROCESSED, "process_replicas": False})
NESTED = ("spec", "held", "notifier_mappings", "routes")
ROUTES: dict[str, RouteOutputs] = {
    target: RouteOutputs(
        **{field.name: f"{target}'s {field.name}" for field in fields(RouteOutputs) if field.name not in NESTED},
        spec={"target": target},
        held={"version": "7"},
    )
    for target in ("dev", "staging")
}
REPLICATION = ReplicationOutputs(
    **{field.name: f"the {field.name}" for field in fields(ReplicationOutputs) if field.name not in NESTED},
    notifier_mappings={"items": "the mapping"},
    routes=ROUTES,
)


def test_a_contract_comes_back_from_its_exports() -> None:
    assert StorageOutputs.parse(STORAGE.exports()) == STORAGE
    assert ProcessingOutputs.parse(PROCESSING.exports()) == PROCESSING
    assert ReplicationOutputs.parse(REPLICATION.exports()) == REPLICATION


def test_a_part_exports_its_routes_in_place_of_the_former_ones_and_leaves_the_rest_as_it_was() -> None:
    before = {**REPLICATION.exports(), "of_another_release": "kept"}
    renewed = replace(ROUTES["dev"], queue_url="renewed")
    after = ReplicationOutputs.exports_with({"dev": renewed, "qa": renewed}, before)
    assert {name for name in after.keys() | before.keys() if after.get(name) != before.get(name)} == {
        *("targets", "dev_queue_url"),
        *renewed.exports("qa"),
    }
    assert after["targets"] == "dev,staging,qa"


def test_exports_are_scalars_but_for_documents_since_secretness_is_per_output() -> None:
    for contract in (STORAGE, PROCESSING, REPLICATION):
        nested = {name for name, value in contract.exports().items() if not isinstance(value, str | bool)}
        assert nested <= {*("datasets", "dev_spec", "staging_spec", "dev_held", "staging_held", "notifier_mappings")}


def test_datasets_are_exported_as_one_output_by_their_names() -> None:
    assert STORAGE.exports()["datasets"] == {
        "objects": {"kind": "bucket", "name": "objects-1", "arn": "arn:objects-1"},
        "items": {
            "kind": "table",
            "name": "items-1",
            "arn": "arn:items-1",
            "stream_arn": "arn:items-1/stream",
            "key": [{"name": "id", "type": "S"}, {"name": "timestamp", "type": "N"}],
        },
        "orders": {
            "kind": "table",
            "name": "orders-1",
            "arn": "arn:orders-1",
            "stream_arn": "arn:orders-1/stream",
            "key": [{"name": "pk", "type": "B"}, {"name": "sk", "type": "N"}],
        },
    }


def test_datasets_are_read_in_one_order_since_the_engine_has_them_in_any() -> None:
    exports = STORAGE.exports()
    shuffled = {**exports, "datasets": dict(reversed(exports["datasets"].items()))}
    assert list(StorageOutputs.parse(shuffled).datasets) == ["objects", "items", "orders"]


def test_the_default_datasets_have_outputs_of_their_own_which_are_empty_where_there_is_none() -> None:
    assert {name: STORAGE.exports()[name] for name in FLAT} == FLAT
    other_kinds = {"objects": replace(STORED["items"], dataset=replace(ITEMS, name="objects"))}
    for datasets in ({}, other_kinds):
        without = replace(STORAGE, datasets=datasets)
        assert {without.exports()[name] for name in FLAT} == {""}
        assert StorageOutputs.parse(without.exports()) == without


def test_a_former_releases_storage_has_the_default_datasets_by_its_flat_outputs() -> None:
    former = {name: value for name, value in STORAGE.exports().items() if name != "datasets"}
    defaults = {name: STORED[name] for name in ("objects", "items")}
    assert StorageOutputs.parse(former) == replace(STORAGE, datasets=defaults)
    for name in FLAT:
        with pytest.raises(MissingOutputError, match=f"StorageOutputs has no output '{name}'"):
            StorageOutputs.parse({key: value for key, value in former.items() if key != name})


def test_what_a_later_release_adds_to_a_dataset_breaks_no_reader() -> None:
    exported = STORAGE.exports()
    exported["datasets"] = {name: {**each, "added": ["later"]} for name, each in exported["datasets"].items()}
    assert StorageOutputs.parse(exported) == STORAGE


TABLE: dict[str, Any] = STORED["orders"].document()


@pytest.mark.parametrize(
    ("datasets", "named"),
    [
        (None, "datasets"),
        ([TABLE], "datasets"),
        ("orders", "datasets"),
        ({"orders": "a table"}, "datasets.orders"),
        ({"orders": {**TABLE, "kind": "queue"}}, "datasets.orders"),
        ({"orders": {**TABLE, "kind": 5}}, "datasets.orders"),
        ({"orders": {**TABLE, "name": None}}, "datasets.orders"),
        ({"orders": {**TABLE, "arn": {}}}, "datasets.orders"),
        ({"orders": {**TABLE, "stream_arn": None}}, "datasets.orders"),
        ({"orders": {**TABLE, "key": []}}, "datasets.orders"),
        ({"orders": {**TABLE, "key": [{"name": "pk", "type": "M"}]}}, "datasets.orders"),
        ({"orders": {**TABLE, "key": [{"name": "pk", "type": ["S"]}]}}, "datasets.orders"),
        ({"Orders/1": TABLE}, "datasets.Orders/1"),
        ({5: TABLE}, "datasets.5"),
    ],
)
def test_a_dataset_that_is_none_is_named(datasets: Any, named: str) -> None:
    with pytest.raises(MissingOutputError) as caught:
        StorageOutputs.parse({**STORAGE.exports(), "datasets": datasets})
    assert caught.value.name == named


def test_an_output_that_was_added_later_breaks_no_reader() -> None:
    assert StorageOutputs.parse({**STORAGE.exports(), "added": "later"}) == STORAGE


REQUIRED = {field.name for field in fields(StorageOutputs) if field.default is MISSING} - {"datasets"}


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_an_output_that_is_missing_is_named(name: str) -> None:
    outputs = {key: value for key, value in STORAGE.exports().items() if key != name}
    with pytest.raises(MissingOutputError, match=f"StorageOutputs has no output '{name}'"):
        StorageOutputs.parse(outputs)


def test_an_output_that_was_promised_later_may_be_missing_where_an_earlier_release_deployed() -> None:
    storage = {key: value for key, value in STORAGE.exports().items() if key not in ("suffix", "dlq_alarm_name")}
    read = StorageOutputs.parse(storage)
    assert (read.suffix, read.dlq_alarm_name) == ("", "")
    outputs = {key: value for key, value in REPLICATION.exports().items() if key != "trail_name"}
    assert ReplicationOutputs.parse(outputs).trail_name == ""
    with pytest.raises(MissingOutputError, match="trail_name"):
        ReplicationOutputs.parse({**outputs, "trail_name": 5})


@pytest.mark.parametrize("value", [5, None, ["a"], {"a": "b"}, True])
@pytest.mark.parametrize("name", ["targets", "region", "staging_queue_url"])
def test_an_output_of_another_type_is_named(name: str, value: object) -> None:
    with pytest.raises(MissingOutputError, match=f"ReplicationOutputs has no output '{name}'"):
        ReplicationOutputs.parse({**REPLICATION.exports(), name: value})
    with pytest.raises(MissingOutputError, match="ProcessingOutputs has no output 'process_replicas'"):
        ProcessingOutputs.parse({**PROCESSING.exports(), "process_replicas": "true"})


def test_a_processing_without_a_schedule_is_whole() -> None:
    outputs = {**PROCESSING.exports(), "schedule_rule_name": ""}
    assert ProcessingOutputs.parse(outputs).schedule_rule_name == ""


def test_a_routes_missing_output_is_named_with_its_target() -> None:
    outputs = {key: value for key, value in REPLICATION.exports().items() if key != "staging_queue_url"}
    with pytest.raises(MissingOutputError, match="staging_queue_url"):
        ReplicationOutputs.parse(outputs)


def test_a_target_whose_outputs_would_take_the_place_of_others_is_refused() -> None:
    taken = replace(REPLICATION, routes={"notifier": REPLICATION.routes["dev"]})
    with pytest.raises(ValueError, match="a target can't be called notifier: notifier_event_source_mapping_id is"):
        taken.exports()
