"""Replicas of items under a policy, in moto: masked, under masked keys, in as many calls, and never without a mask."""

from collections.abc import Callable
from typing import Any

import pytest

from replication_core.datasets import ITEMS, Dataset, KeyAttribute, KeyType, Kind, RecordKey
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.masking.refusals import Unclassified
from replication_core.reconcile import Action, Outcome
from tests.made_datasets import TABLES, numbered
from tests.made_policies import item_policy, made_mask, policy
from tests.unit.replication_core.cloud import Cloud, refusal

POLICY = policy({"items": item_policy()})
ONE = ITEMS.record("one", "1")


def reconciled(cloud: Cloud, key: RecordKey = ONE) -> Outcome:
    return cloud.replicator().reconcile([key])[key]


def masked(cloud: Cloud, key: RecordKey = ONE) -> RecordKey:
    return made_mask(cloud.settings.masking).key(key)


def replicas(cloud: Cloud, dataset: Dataset = ITEMS) -> list[Any]:
    found: list[Any] = cloud.clients.target_dynamodb.scan(TableName=cloud.routed(dataset).target)["Items"]
    return found


def only_replica(cloud: Cloud) -> Any:
    (found,) = replicas(cloud)
    return found


@pytest.mark.parametrize("dataset", TABLES, ids=lambda dataset: dataset.name)
def test_a_replica_has_masked_values_under_a_masked_key_and_goes_with_its_source(
    cloud: Cloud, dataset: Dataset
) -> None:
    if dataset != ITEMS:
        cloud.add(dataset)
    cloud.with_policy(policy({dataset.name: item_policy(dataset)}))
    key = numbered(dataset, 1700)
    cloud.put_record(key, n={"N": "12"}, mail={"S": "ann@example.com"}, note={"S": "secret"}, words={"SS": ["b", "a"]})
    assert reconciled(cloud, key).action is Action.COPIED
    (found,) = replicas(cloud, dataset)
    assert dataset.of_item(found) == masked(cloud, key) != key
    assert (found["n"], found["environment"], found["replicatedFrom"]) == ({"N": "12"}, {"S": "dev"}, {"S": "prod"})
    assert found["mail"]["S"].endswith("@masked.invalid")
    assert len(found["words"]["SS"]) == 2
    assert "note" not in found
    assert not {"ann", "secret"} & set(repr(found).split())
    cloud.remove_record(key)
    assert reconciled(cloud, key).action is Action.DELETED
    assert replicas(cloud, dataset) == []


def test_a_hundred_masked_items_cost_six_calls_and_the_process_one_of_kms(cloud: Cloud) -> None:
    kms = cloud.with_policy(POLICY)
    keys = [ITEMS.record(str(number), "1") for number in range(100)]
    for key in keys[:90]:
        cloud.put_record(key, n={"N": "1"})
    replicator = cloud.replicator()
    assert kms.calls == 0
    for _ in range(2):
        with cloud.recording() as calls:
            outcomes = replicator.reconcile(keys)
        assert (calls.count("dynamodb.BatchGetItem"), calls.count("dynamodb.BatchWriteItem"), len(calls)) == (2, 4, 6)
        assert sum(outcome.action is Action.COPIED for outcome in outcomes.values()) == 90
    assert kms.calls == 1


def test_a_route_that_masks_nothing_asks_no_kms_for_a_key(cloud: Cloud) -> None:
    kms = cloud.with_policy({})
    cloud.put_record(ONE, anything={"S": "goes"})
    assert reconciled(cloud).action is Action.COPIED
    assert only_replica(cloud)["anything"] == {"S": "goes"}
    assert "replicatedPolicy" not in only_replica(cloud)
    assert kms.calls == 0


def test_nothing_is_written_while_kms_is_away_and_all_once_it_is_back(cloud: Cloud) -> None:
    kms = cloud.with_policy(POLICY)
    kms.away = True
    two = ITEMS.record("two", "1")
    cloud.put_record(ONE)
    cloud.clients.target_dynamodb.put_item(TableName=cloud.items.target, Item=two.attributes())
    replicator = cloud.replicator()
    with cloud.recording() as calls:
        outcomes = replicator.reconcile([ONE, two])
    assert {(each.error.kind, each.error.permanent) for each in outcomes.values() if each.error} == {("MaskKey", False)}
    assert set(calls) == {"dynamodb.BatchGetItem"}
    kms.away = False
    outcomes = replicator.reconcile([ONE, two])
    assert [outcomes[key].action for key in (ONE, two)] == [Action.COPIED, Action.DELETED]


@pytest.mark.parametrize("document", [{"version": 2}, {**POLICY, "unclassified": "keep"}, {**POLICY, "tables": 5}])
def test_nothing_is_written_by_a_policy_that_can_not_be_read(cloud: Cloud, document: dict[str, Any]) -> None:
    cloud.with_policy(document)
    cloud.put_record(ONE)
    error = reconciled(cloud).error
    assert error is not None
    assert (error.kind, error.permanent) == ("MaskPolicy", False)
    assert replicas(cloud) == []


def test_an_item_that_does_not_travel_has_no_replica(cloud: Cloud) -> None:
    where = [{"attribute": "status", "op": "equals", "value": {"S": "open"}}]
    for deletes in ("mirror", "keep"):
        cloud.with_policy(policy({"items": item_policy(where=where, deletes=deletes)}))
        cloud.put_record(ONE, status={"S": "open"})
        assert reconciled(cloud).action is Action.COPIED
        assert only_replica(cloud)["status"] == {"S": "open"}
        cloud.put_record(ONE, status={"S": "closed"})
        assert reconciled(cloud).action is Action.DELETED
        assert replicas(cloud) == []


def test_what_is_refused_is_told_by_its_line_alone_and_its_neighbours_are_replicated(cloud: Cloud) -> None:
    cloud.with_policy(POLICY)
    others = [ITEMS.record(str(number), "1") for number in range(30)]
    for key in others:
        cloud.put_record(key)
    cloud.put_record(ONE, surprise={"S": "secret"})
    outcomes = cloud.replicator().reconcile([*others, ONE])
    error = outcomes.pop(ONE).error
    assert isinstance(error, Unclassified)
    assert error.permanent
    assert not {"surprise", "secret"} & set(error.message.replace("'", " ").split())
    assert {outcome.action for outcome in outcomes.values()} == {Action.COPIED}
    cloud.put_record(ONE, n={"M": {}})
    error = reconciled(cloud).error
    assert isinstance(error, Unclassified)
    assert "policy line 11" in error.message


def test_a_refused_item_keeps_the_replica_that_its_policy_has_made(cloud: Cloud) -> None:
    cloud.with_policy(POLICY)
    cloud.put_record(ONE, n={"N": "1"})
    reconciled(cloud)
    cloud.put_record(ONE, n={"N": "2"}, surprise={"S": "secret"})
    with cloud.recording() as calls:
        assert isinstance(reconciled(cloud).error, Unclassified)
    assert calls == ["dynamodb.BatchGetItem", "dynamodb.BatchGetItem"]
    assert only_replica(cloud)["n"] == {"N": "1"}


FORMER: dict[str, dict[str, Any]] = {
    "none": {},
    "one of the same keys": policy({"items": item_policy(attributes=[])}),
    "one that kept the keys": policy({"items": item_policy(masks_keys=False)}),
}
"""Policies that may have made a replica before."""


def replicate_by(cloud: Cloud, document: dict[str, Any], **attributes: Any) -> None:
    """Have a policy make the replica of an item, and then another one be the route's."""
    current = cloud.settings.masking
    cloud.with_policy(document)
    cloud.put_record(ONE, **attributes)
    assert reconciled(cloud).action is Action.COPIED
    cloud.with_policy(current)


@pytest.mark.parametrize("former", FORMER)
def test_a_refused_item_loses_the_replica_that_another_policy_or_none_has_made(cloud: Cloud, former: str) -> None:
    cloud.with_policy(POLICY)
    replicate_by(cloud, FORMER[former])
    cloud.put_record(ONE, surprise={"S": "secret"})
    assert isinstance(reconciled(cloud).error, Unclassified)
    assert replicas(cloud) == []


NOT_OWN: dict[str, Callable[[RecordKey], str]] = {
    "another replica's": lambda _: made_mask(POLICY).mark(ITEMS.record("another", "1")),
    "another key's": lambda place: Mask(MaskingPolicy.parse(POLICY), Pseudonyms(bytes(32), 1)).mark(place),
    "a former release's": lambda place: made_mask(POLICY).mark(place).partition(".")[0],
}


@pytest.mark.parametrize("whose", NOT_OWN)
def test_a_refused_item_loses_the_replica_whose_mark_is_not_its_policys_own(cloud: Cloud, whose: str) -> None:
    cloud.with_policy(POLICY)
    cloud.put_record(ONE)
    reconciled(cloud)
    marked = {**only_replica(cloud), "replicatedPolicy": {"S": NOT_OWN[whose](masked(cloud))}}
    cloud.clients.target_dynamodb.put_item(TableName=cloud.routed(ITEMS).target, Item=marked)
    cloud.put_record(ONE, surprise={"S": "secret"})
    assert isinstance(reconciled(cloud).error, Unclassified)
    assert replicas(cloud) == []


@pytest.mark.parametrize("operation", ["dynamodb.BatchGetItem", "dynamodb.DeleteItem"])
def test_a_refusal_is_tried_again_while_the_former_replica_can_not_be_deleted(cloud: Cloud, operation: str) -> None:
    cloud.with_policy(POLICY)
    replicate_by(cloud, FORMER["none"])
    cloud.put_record(ONE, surprise={"S": "secret"})
    asked: list[str] = []

    def fault(called: str) -> Any:
        asked.append(called)
        of_target = called != "dynamodb.BatchGetItem" or asked.count(called) > 1
        return refusal("ThrottlingException", 400) if called == operation and of_target else None

    cloud.fault_for = fault
    error = reconciled(cloud).error
    assert error is not None
    assert (error.kind, error.permanent) == ("ThrottlingException", False)
    cloud.fault_for = lambda _: None
    assert isinstance(reconciled(cloud).error, Unclassified)
    assert replicas(cloud) == []


def test_a_refusal_of_an_older_state_leaves_what_the_policy_has_made_meanwhile(cloud: Cloud) -> None:
    cloud.with_policy(POLICY)
    replicate_by(cloud, FORMER["one of the same keys"])
    cloud.put_record(ONE, surprise={"S": "secret"})
    overtaken: list[str] = []

    def overtake(called: str) -> None:
        if called == "dynamodb.DeleteItem" and not overtaken:
            overtaken.append(called)
            cloud.put_record(ONE, n={"N": "2"})
            assert reconciled(cloud).action is Action.COPIED

    cloud.fault_for = overtake
    assert isinstance(reconciled(cloud).error, Unclassified)
    assert overtaken
    assert only_replica(cloud)["n"] == {"N": "2"}


def test_what_dynamodb_does_not_take_of_a_masked_item_is_refused_without_its_words(cloud: Cloud) -> None:
    cloud.with_policy(POLICY)
    replicate_by(cloud, FORMER["one of the same keys"])
    cloud.put_record(ONE, n={"N": "1"})

    def refuse(called: str) -> Any:
        secret = "the value secret is of another type"
        return refusal("ValidationException", 400, secret) if called == "dynamodb.BatchWriteItem" else None

    cloud.fault_for = refuse
    error = reconciled(cloud).error
    assert isinstance(error, Unclassified)
    assert "secret" not in error.message
    assert replicas(cloud) == []


@pytest.mark.parametrize("former", [*FORMER, "the same"])
def test_a_deleted_item_leaves_its_replica_where_the_policy_keeps_it_and_has_made_it(cloud: Cloud, former: str) -> None:
    keeping = policy({"items": item_policy(deletes="keep")})
    cloud.with_policy(keeping)
    replicate_by(cloud, FORMER.get(former, keeping))
    cloud.remove_record(ONE)
    assert reconciled(cloud).action is Action.IGNORED
    assert len(replicas(cloud)) == (former == "the same")


def test_the_end_of_an_item_whose_key_is_refused_is_no_refusal(cloud: Cloud) -> None:
    cloud.with_policy(policy({"items": item_policy(masks_keys=False)}))
    key = ITEMS.record("ann@example.com", "1")
    cloud.put_record(key)
    assert isinstance(reconciled(cloud, key).error, Unclassified)
    assert "ann" not in str(reconciled(cloud, key).error)
    cloud.remove_record(key)
    assert reconciled(cloud, key).error is None


def test_an_item_whose_key_has_a_name_of_the_provenance_is_refused(cloud: Cloud) -> None:
    dataset = Dataset("marked", Kind.TABLE, (KeyAttribute("replicatedFrom", KeyType.STRING),))
    cloud.add(dataset)
    cloud.with_policy(policy({"marked": item_policy(dataset)}))
    key = dataset.record("a")
    cloud.put_record(key)
    assert isinstance(reconciled(cloud, key).error, Unclassified)
    assert replicas(cloud, dataset) == []
