"""Contracts: flat, whole, and open to additions."""

from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from pipeline_common.contracts import (
    MissingOutputError,
    ProcessingOutputs,
    ReplicationOutputs,
    RouteOutputs,
    StorageOutputs,
)

STORAGE = StorageOutputs(**{field.name: f"the {field.name}" for field in fields(StorageOutputs)})
PROCESSED: dict[str, Any] = {field.name: f"the {field.name}" for field in fields(ProcessingOutputs)}
PROCESSING = ProcessingOutputs(**{**PROCESSED, "process_replicas": False})
ROUTES = {
    target: RouteOutputs(**{field.name: f"{target}'s {field.name}" for field in fields(RouteOutputs)})
    for target in ("dev", "staging")
}
REPLICATION = ReplicationOutputs(
    **{field.name: f"the {field.name}" for field in fields(ReplicationOutputs) if field.name != "routes"},
    routes=ROUTES,
)


def test_a_contract_comes_back_from_its_exports() -> None:
    assert StorageOutputs.parse(STORAGE.exports()) == STORAGE
    assert ProcessingOutputs.parse(PROCESSING.exports()) == PROCESSING
    assert ReplicationOutputs.parse(REPLICATION.exports()) == REPLICATION


def test_exports_are_scalars_alone_since_secretness_is_per_output() -> None:
    for contract in (STORAGE, PROCESSING, REPLICATION):
        assert all(isinstance(value, str | bool) for value in contract.exports().values())


def test_an_output_that_was_added_later_breaks_no_reader() -> None:
    assert StorageOutputs.parse({**STORAGE.exports(), "added": "later"}) == STORAGE


@pytest.mark.parametrize("name", [field.name for field in fields(StorageOutputs) if field.default is MISSING])
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
