"""A route whose brake holds: it deletes nothing more, loses no message, pauses itself, and goes on once released."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from replication_core.delete_brake import BRAKE_KEY, BrakeTable
from replication_core.masking.policy import (
    Brake,
    BucketRules,
    MaskingPolicy,
    ObjectRule,
    OpaqueBody,
    Rule,
    TableRules,
)
from replicator_lambda.batch import BRAKED_SECONDS
from tests.unit.replication_core.cloud import Cloud, item_notice, object_notice, record
from tests.unit.replicator_lambda.test_handler import delays, event, failed, metrics_of

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:route"
KEPT = {"id": Rule("keep"), "timestamp": Rule("keep")}


@dataclass
class MadeLambda:
    """Lambda's event source mappings: the one of the route's queue."""

    enabled: bool = True

    def list_event_source_mappings(self, **asked: Any) -> Any:
        assert asked == {"EventSourceArn": QUEUE}
        return {"EventSourceMappings": [{"UUID": "own"}]}

    def update_event_source_mapping(self, **asked: Any) -> None:
        assert asked.pop("UUID") == "own"
        self.enabled = asked["Enabled"]


@pytest.fixture
def lambda_() -> MadeLambda:
    return MadeLambda()


@pytest.fixture
def table(cloud: Cloud) -> BrakeTable:
    cloud.clients.source_dynamodb.create_table(
        TableName="brake",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": BRAKE_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": BRAKE_KEY, "AttributeType": "S"}],
    )
    return BrakeTable(dynamodb=cloud.clients.source_dynamodb, name="brake")


@pytest.fixture
def braked(cloud: Cloud, table: BrakeTable, lambda_: MadeLambda) -> Cloud:
    """A route that deletes three replicas, or a half of a dataset, in ten minutes."""
    del table
    policy = MaskingPolicy(
        tables={"items": TableRules(key=KEPT)},
        buckets={"objects": BucketRules(rules=(ObjectRule(match="**", line=1, key={}, body=OpaqueBody("made up")),))},
        brake=Brake(deletes=3, share=50, minutes=10),
    )
    cloud.with_policy(policy.document())
    cloud.with_settings(brake_table="brake")
    cloud.clients = replace(cloud.clients, lambda_=lambda_)
    return cloud


def replicate(cloud: Cloud, *bodies: str) -> list[str]:
    """Return the numbers of the messages that come back."""
    records = [record(body, id_=str(number)) | {"eventSourceARN": QUEUE} for number, body in enumerate(bodies)]
    # By one thread, so that items come first: which key a brake holds first depends on who is faster.
    return failed(cloud.route(threads=1).process(event(*records)))


def filled(cloud: Cloud, number: int) -> None:
    names = [f"n{each}" for each in range(number)]
    for name in names:
        cloud.put_item(name)
        cloud.put(name)
    assert replicate(cloud, *map(item_notice, names), *map(object_notice, names)) == []


def test_too_many_deletes_are_none_and_their_messages_wait_while_others_are_worked_on(
    braked: Cloud,
    lambda_: MadeLambda,
    table: BrakeTable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled(braked, 10)
    capsys.readouterr()
    for name in ("n0", "n1", "n2", "n3"):
        braked.remove_item(name)
    braked.remove("n0")
    braked.put_item("new")
    asked = delays(braked, monkeypatch)
    back = replicate(braked, *map(item_notice, ("n0", "n1", "new", "n2", "n3")), object_notice("n0"))
    assert back == ["0", "1", "3", "4", "5"]
    assert set(asked.values()) == {BRAKED_SECONDS}
    assert all(braked.replica_item(name) for name in ("n0", "n1", "n2", "n3", "new"))
    assert braked.replica("n0")
    assert not lambda_.enabled
    assert table.state().held == "more than 3 replicas within 10 minutes"
    assert braked.letters() == []
    assert metrics_of(capsys.readouterr().out)["BrakedDeletes"] == [5.0]


def test_deletes_that_are_let_through_are_done_and_others_count_anew(
    braked: Cloud, lambda_: MadeLambda, table: BrakeTable
) -> None:
    filled(braked, 12)
    for number in range(4):
        braked.remove_item(f"n{number}")
    notices = [item_notice(f"n{number}") for number in range(4)]
    assert replicate(braked, *notices) == ["0", "1", "2", "3"]
    table.release()
    lambda_.enabled = True
    assert replicate(braked, *notices[:3]) == []
    assert lambda_.enabled
    assert replicate(braked, notices[3]) == ["0"]
    table.release(lifted_until=2e9)
    assert replicate(braked, notices[3]) == []
    assert [braked.replica_item(f"n{number}") for number in range(4)] == [None] * 4


def test_what_the_target_never_had_counts_as_no_delete(braked: Cloud, table: BrakeTable) -> None:
    """Records that a policy has not travel are reconciled like others, and most changes may be of such."""
    filled(braked, 10)
    names = [f"never{number}" for number in range(20)]
    assert replicate(braked, *map(item_notice, names), *map(object_notice, names)) == []
    braked.remove_item("n0")
    assert replicate(braked, item_notice("n0"), *map(item_notice, names)) == []
    assert table.state().held == ""
    assert braked.replica_item("n0") is None


def test_what_a_policy_withdraws_since_it_refuses_it_counts_like_other_deletes(
    braked: Cloud, table: BrakeTable, lambda_: MadeLambda
) -> None:
    braked.with_settings(masking=None)
    filled(braked, 10)
    policy = MaskingPolicy(
        tables={"items": TableRules(key=KEPT)},
        buckets={"objects": BucketRules(rules=())},
        brake=Brake(deletes=3, share=None, minutes=10),
    )
    braked.with_policy(policy.document())
    for number in range(10):
        braked.put_item(f"n{number}", amount={"N": "1"})
    assert replicate(braked, *(item_notice(f"n{number}") for number in range(2))) == []
    assert braked.replica_item("n0") is None
    assert replicate(braked, object_notice("n0"), object_notice("n1"), item_notice("n2")) == ["0", "1"]
    assert braked.replica("n0")
    assert not lambda_.enabled
    assert table.state().held == "more than 3 replicas within 10 minutes"


def test_a_share_of_a_small_dataset_is_enough(braked: Cloud, table: BrakeTable) -> None:
    filled(braked, 4)
    for name in ("n0", "n1", "n2"):
        braked.remove(name)
    assert replicate(braked, object_notice("n0"), object_notice("n1")) == []
    assert replicate(braked, object_notice("n2")) == ["0"]
    assert table.state().held == "more than 50 % of objects within 10 minutes"


def test_a_message_that_comes_back_too_often_is_a_dead_letter_with_the_reason(braked: Cloud) -> None:
    filled(braked, 10)
    for number in range(4):
        braked.remove_item(f"n{number}")
    records = [
        record(item_notice(f"n{number}"), id_=str(number), attempts=9) | {"eventSourceARN": QUEUE}
        for number in range(4)
    ]
    assert failed(braked.route().process(event(*records))) == []
    assert {letter["error"]["type"] for letter in braked.letters()} == {"Braked"}


def test_a_route_without_a_brake_asks_nobody_before_it_deletes(cloud: Cloud) -> None:
    cloud.put_item("n")
    replicate(cloud, item_notice("n"))
    cloud.remove_item("n")
    with cloud.recording() as calls:
        assert replicate(cloud, item_notice("n")) == []
    assert "dynamodb.UpdateItem" not in calls
    assert cloud.replica_item("n") is None
