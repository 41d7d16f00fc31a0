"""A state's live aliases, its parts, and what a hold changes of it."""

import copy
from typing import Any

import pytest

from pipeline_common.holds import Hold
from pipeline_common.infra.part import Part
from pipeline_ops.errors import OperatorError
from pipeline_ops.live_aliases import archive_digests, live_versions, route_specs, with_hold
from pipeline_ops.parts import hold_notices, new_route_notices, not_in_part

HOLD = Hold(version="11", release="v1.3.0", from_release="v1.4.0", by="somebody", at="2026-11-28T00:00:00+00:00")


def resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "urn": f"urn:pulumi:prod::replication::pipeline:replication:Replication${kind}::{name}",
        "type": kind,
        **more,
    }


def alias(function: str, version: str) -> dict[str, Any]:
    properties = {"functionName": function, "functionVersion": version}
    weights = {"routingConfig": {"additionalVersionWeights": {"13": 0.1}}}
    name = f"{function}-live"
    return resource("aws:lambda/alias:Alias", name, inputs={**properties, **weights}, outputs={**properties, **weights})


def function(name: str) -> dict[str, Any]:
    return resource("aws:lambda/function:Function", name, outputs={"codeSha256": f"of {name}"})


@pytest.fixture
def state() -> dict[str, Any]:
    exported = {"targets": "dev,dev2", "dev_alias_arn": "arn", "dev_version": "12", "dev2_version": "5", "dev_held": {}}
    resources = [
        resource("pulumi:pulumi:Stack", "replication-prod", outputs=exported),
        resource("pulumi:providers:aws", "aws"),
        resource("pipeline:replication:Replication", "replication", outputs=dict(exported)),
        resource("pipeline:replication:ReplicationRoute", "route-dev", outputs={"alias_arn": "arn"}),
        *(function("route-dev-replicator"), alias("route-dev-replicator", "12")),
        *(function("route-dev2-replicator"), alias("route-dev2-replicator", "5")),
        *(function("items-notifier"), alias("items-notifier", "3")),
        resource("aws:cloudwatch/dashboard:Dashboard", "dashboard"),
    ]
    return {"version": 3, "deployment": {"resources": resources, "pending_operations": []}}


def test_the_live_versions_and_the_digests_are_known_by_the_functions_names(state: dict[str, Any]) -> None:
    resources = state["deployment"]["resources"]
    assert live_versions(resources) == {
        "route-dev-replicator": "12",
        "route-dev2-replicator": "5",
        "items-notifier": "3",
    }
    assert archive_digests(resources)["route-dev-replicator"] == "of route-dev-replicator"


def test_a_hold_changes_of_a_state_the_routes_alias_and_what_is_told_of_it(state: dict[str, Any]) -> None:
    before = copy.deepcopy(state)
    held = with_hold(state, "dev", HOLD)
    assert state == before
    changed = [
        (old, new)
        for old, new in zip(before["deployment"]["resources"], held["deployment"]["resources"], strict=True)
        if old != new
    ]
    stack, component, live = (new for _, new in changed)
    for told in (stack["outputs"], component["outputs"]):
        assert (told["dev_version"], told["dev_held"], told["dev2_version"]) == ("11", HOLD.document(), "5")
    expected = {"functionName": "route-dev-replicator", "functionVersion": "11"}
    assert (live["inputs"], live["outputs"]) == (expected, expected)


def test_an_alias_that_was_replaced_and_is_still_to_be_deleted_is_none(state: dict[str, Any]) -> None:
    state["deployment"]["resources"].append({**alias("route-dev-replicator", "4"), "delete": True})
    assert live_versions(state["deployment"]["resources"])["route-dev-replicator"] == "12"
    assert with_hold(state, "dev", HOLD)["deployment"]["resources"][-1]["outputs"]["functionVersion"] == "4"


def test_a_held_route_is_told_by_the_specification_of_its_version_where_that_is_known(state: dict[str, Any]) -> None:
    for spec in ({"release": "v1.3.0"}, None):
        held = with_hold(state, "dev", HOLD, spec)
        assert route_specs(held["deployment"]["resources"]).get("dev") == spec


def test_a_state_without_the_route_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(OperatorError, match="no live alias of the route to qa"):
        with_hold(state, "qa", HOLD)


def test_what_is_not_of_a_part_is_all_but_its_routes_own(state: dict[str, Any]) -> None:
    others = [urn.rpartition("::")[2] for urn in not_in_part(state, Part(routes=("dev",)))]
    assert not [name for name in others if name == "route-dev" or name.startswith("route-dev-")]
    assert len(others) == len(state["deployment"]["resources"]) - 3
    assert not_in_part(state, Part()) == []


def test_of_a_new_route_it_is_said_what_does_not_know_it_yet(state: dict[str, Any]) -> None:
    (notice,) = new_route_notices(state, Part(routes=("dev", "qa")), "nox -s deploy")
    assert "The route to qa is new" in notice


def test_of_a_held_route_it_is_said_that_the_deploy_did_not_move_it() -> None:
    outputs = {"targets": "dev,dev2", "dev_held": HOLD.document(), "dev2_held": {}}
    (notice,) = hold_notices(outputs, Part(), "nox -s deploy")
    assert notice.startswith(
        "The route to dev is held, and stays at v1.3.0 (11): a release newer than v1.4.0 ends that"
    )
    assert "`nox -s deploy --end-holds`" in notice
    assert not list(hold_notices(outputs, Part(routes=("dev2",)), "nox -s deploy"))
    assert not list(hold_notices({"bucket_name": "of storage"}, Part(), "nox -s deploy"))
