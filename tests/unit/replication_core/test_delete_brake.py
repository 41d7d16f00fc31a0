"""A route's brake: what it lets through, whoever deletes, until it holds, and after it is released."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from moto import mock_aws

from replication_core.admission import Braked
from replication_core.aws.errors import StoreError
from replication_core.delete_brake import BRAKE_KEY, BrakeTable, DeleteBrake
from replication_core.masking.policy import Brake

NOON = 1_800_000_000.0
MINUTES = 10


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def table() -> Iterator[BrakeTable]:
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
        dynamodb.create_table(
            TableName="brake",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": BRAKE_KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": BRAKE_KEY, "AttributeType": "S"}],
        )
        yield BrakeTable(dynamodb=dynamodb, name="brake")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(table: BrakeTable, clock: Clock, *, deletes: int | None = None, share: int | None = None) -> DeleteBrake:
    return DeleteBrake(policy=Brake(deletes=deletes, share=share, minutes=MINUTES), table=table, clock=clock)


def many(most: int) -> int:
    return most


def admitted(brake: DeleteBrake, number: int, dataset: str = "items", count: Any = many) -> bool:
    try:
        brake.admit(dataset, number, count)
    except Braked:
        return False
    return True


def test_a_route_deletes_as_many_as_it_may_within_a_window_and_then_none(table: BrakeTable, clock: Clock) -> None:
    brake = made(table, clock, deletes=100)
    assert [admitted(brake, 60), admitted(brake, 40, "orders"), admitted(brake, 1), admitted(brake, 1)] == [
        True,
        True,
        False,
        False,
    ]
    assert table.state().held == "more than 100 replicas within 10 minutes"
    clock.now += 24 * 3600
    assert not admitted(brake, 1), "it holds until somebody releases it"


def test_in_no_window_of_that_length_wherever_it_begins_are_more_deleted(table: BrakeTable, clock: Clock) -> None:
    chance = random.Random(1)
    let_through: list[tuple[float, int]] = []
    for _ in range(100):
        number = chance.randrange(1, 40)
        if admitted(made(table, clock, deletes=100), number):
            let_through.append((clock.now, number))
        else:
            table.hold("")
            clock.now += MINUTES * 60
        clock.now += chance.randrange(200)
    most = max(sum(number for at, number in let_through if at <= end < at + MINUTES * 60) for end, _ in let_through)
    assert 80 < most <= 100


def test_a_delete_is_forgotten_after_a_window_and_a_tenth(table: BrakeTable, clock: Clock) -> None:
    brake = made(table, clock, deletes=100)
    for _ in range(30):
        assert admitted(brake, 100)
        clock.now += MINUTES * 66
    counts = table.dynamodb.scan(TableName="brake")["Items"]
    assert len(counts) == 1
    assert len(counts[0]) < 10, "and so is its count"


def test_functions_at_the_same_time_delete_no_more_together_than_one_may(table: BrakeTable, clock: Clock) -> None:
    with ThreadPoolExecutor(16) as functions:
        done = list(functions.map(lambda _: admitted(made(table, clock, deletes=50), 3), range(40)))
    assert sum(done) == 16, "48 of 50"


def test_a_share_is_of_the_dataset_as_it_was_before(table: BrakeTable, clock: Clock) -> None:
    brake, there = made(table, clock, share=20), 100
    asked = []

    def count(most: int) -> int:
        asked.append(most)
        return min(there, most)

    for _ in range(20):
        assert admitted(brake, 1, count=count)
        there -= 1
    assert not admitted(brake, 1, count=count)
    assert table.state().held == "more than 20 % of items within 10 minutes"
    assert len(asked) < 10, "it counts ahead, and seldom"


def test_what_is_released_counts_from_nothing_and_what_is_lifted_not_at_all_for_a_while(
    table: BrakeTable, clock: Clock
) -> None:
    brake = made(table, clock, deletes=10)
    assert not admitted(brake, 11)
    table.release()
    assert [admitted(brake, 10), admitted(brake, 1)] == [True, False]
    table.release(lifted_until=clock.now + 60)
    assert admitted(brake, 1000)
    clock.now += 61
    assert [admitted(brake, 10), admitted(brake, 1)] == [True, False]


def test_without_its_table_nothing_is_deleted_and_it_is_tried_again(table: BrakeTable, clock: Clock) -> None:
    lost = DeleteBrake(
        policy=Brake(deletes=1, share=None, minutes=1), table=BrakeTable(dynamodb=table.dynamodb, name="lost")
    )
    with pytest.raises(StoreError) as failed:
        lost.admit("items", 1, many)
    assert not failed.value.permanent
