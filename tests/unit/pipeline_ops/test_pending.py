"""What a cut-off run leaves in a state, and what the state is made to say of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline_ops.state_document import cut_off, outcome, with_creations

STACK = "urn:pulumi:dev::storage::pulumi:pulumi:Stack::storage-dev"
PROVIDER = "urn:pulumi:dev::storage::pulumi:providers:aws::aws"
QUEUE = "urn:pulumi:dev::storage::aws:sqs/queue:Queue::letters"
POLICY = "urn:pulumi:dev::storage::aws:sqs/queuePolicy:QueuePolicy::policy"
BEFORE = [
    {"urn": STACK, "type": "pulumi:pulumi:Stack", "custom": False},
    {"urn": PROVIDER, "type": "pulumi:providers:aws", "custom": True, "id": "p", "inputs": {"region": "eu-west-1"}},
]


def queue(name: str = "letters-1", **more: Any) -> dict[str, Any]:
    kind, provider = "aws:sqs/queue:Queue", f"{PROVIDER}::p"
    return {"urn": QUEUE, "type": kind, "custom": True, "provider": provider, "inputs": {"name": name}, **more}


def state(*resources: Mapping[str, Any], **operations: Mapping[str, Any]) -> dict[str, Any]:
    pending = [{"type": kind, "resource": resource} for kind, resource in operations.items()]
    return {"version": 3, "deployment": {"resources": [*BEFORE, *resources], "pending_operations": pending}}


def url(kind: str, inputs: Mapping[str, Any], region: str) -> str | None:
    return f"https://{region}/{inputs['name']}" if kind == "aws:sqs/queue:Queue" else None


def queues(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [each for each in document["deployment"]["resources"] if each["urn"] == QUEUE]


@pytest.mark.parametrize("document", [{}, {"deployment": None}, {"deployment": {}}, state()])
def test_nothing_is_cut_off_in_a_state_that_says_nothing_of_it(document: dict[str, Any]) -> None:
    assert cut_off(document) == []


def test_a_creation_becomes_a_resource_of_the_id_that_its_inputs_tell() -> None:
    document, unknown = with_creations(state(creating=queue(protect=True)), url)
    assert unknown == []
    assert queues(document) == [
        queue(protect=True, id="https://eu-west-1/letters-1", outputs={"name": "letters-1"}),
    ]
    assert document["deployment"]["pending_operations"] == []
    assert document["version"] == 3


def test_a_resources_own_region_comes_before_its_providers() -> None:
    made = queue()
    made["inputs"]["region"] = "us-west-2"
    assert queues(with_creations(state(creating=made), url)[0])[0]["id"] == "https://us-west-2/letters-1"


def test_a_change_and_a_deletion_are_left_for_the_refresh() -> None:
    there = queue(id="q")
    document, unknown = with_creations(state(there, updating=there), url)
    assert (queues(document), unknown) == ([there], [])
    assert [each["type"] for each in document["deployment"]["pending_operations"]] == ["updating"]


def test_what_has_no_id_is_told_and_forgotten() -> None:
    key = {"urn": "urn:pulumi:dev::s::aws:kms/key:Key::key", "type": "aws:kms/key:Key", "custom": True}
    document, unknown = with_creations(state(creating=key), url)
    assert [cut.kind for cut in unknown] == ["aws:kms/key:Key"]
    assert document == state()
    assert "may be orphaned" in outcome(unknown[0], "kms.Key key", document, unknown)


def test_what_is_in_no_cloud_is_forgotten_without_a_word() -> None:
    component = {"urn": "urn:pulumi:dev::s::pipeline:storage:Store::store", "type": "pipeline:storage:Store"}
    assert with_creations(state(creating=component), url) == (state(), [])
    assert with_creations(state(creating=BEFORE[1]), url) == (state(), [])


def test_a_state_without_any_resource_is_a_state() -> None:
    document = {"deployment": {"pending_operations": [{"type": "creating", "resource": queue()}]}}
    assert len(queues(with_creations(document, url)[0])) == 1


def test_a_half_made_replacement_is_to_be_deleted_and_what_it_was_to_replace_stays() -> None:
    old = queue("letters-0", id="https://eu-west-1/letters-0", protect=True)
    document, _ = with_creations(state(old, creating=queue("letters-1", protect=True)), url)
    kept, half_made = queues(document)
    assert kept == old
    assert (half_made["id"], half_made["delete"], half_made["protect"]) == ("https://eu-west-1/letters-1", True, False)
    cut = cut_off(state(creating=queue()))[0]
    assert "the next deploy removes" in outcome(cut, "letters", document, [])


def test_a_creation_that_a_later_run_made_all_the_same_is_forgotten() -> None:
    made = queue(id="https://eu-west-1/letters-1")
    document, _ = with_creations(state(made, creating=queue()), url)
    assert queues(document) == [made]


def test_what_was_deleted_before_its_replacement_gives_way_to_it_in_its_place() -> None:
    # What depends on it comes after it: Pulumi refuses a state in any other order.
    policy = {"urn": POLICY, "type": "aws:sqs/queuePolicy:QueuePolicy", "custom": True, "dependencies": [QUEUE]}
    document, _ = with_creations(state(queue(pendingReplacement=True), policy, creating=queue("letters-2")), url)
    assert [each["urn"] for each in document["deployment"]["resources"]] == [STACK, PROVIDER, QUEUE, POLICY]
    assert queues(document)[0]["id"] == "https://eu-west-1/letters-2"


def test_what_came_of_it_is_said_as_it_was_found() -> None:
    cut = cut_off(state(creating=queue()))[0]
    assert outcome(cut, "letters", state(queue(id="q")), []).endswith("is there, and known as it is.")
    assert outcome(cut, "letters", state(), []).endswith("is not there.")
