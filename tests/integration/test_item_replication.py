"""Production's items appear in dev and staging as they are, marked as replicas.

The emulator expires no items by their time to live; its removal record is one of the unit tests' recorded events.
"""

import pytest

from tests.integration.mirror import TARGETS, Mirror

pytestmark = pytest.mark.engine

TYPES = {
    "text": {"S": "grüezi"},
    "empty": {"S": ""},
    "number": {"N": "12345678901234567890123456789012345678"},
    "small": {"N": "-0.00000000000000000000000000000000000001"},
    "binary": {"B": b"\x00\xff\x80bytes"},
    "truth": {"BOOL": False},
    "nothing": {"NULL": True},
    "texts": {"SS": ["b", "a", "ü"]},
    "numbers": {"NS": ["3", "1.5", "-2"]},
    "binaries": {"BS": [b"\x02", b"\x01"]},
    "list": {"L": [{"S": "x"}, {"N": "1"}, {"M": {"deep": {"BOOL": True}}}]},
    "map": {"M": {"inner": {"M": {"name": {"S": "value"}}}, "empty": {"L": []}}},
    "environment": {"S": "prod"},
}


def test_an_item_arrives_with_every_type_exact_and_marked_as_a_replica(mirror: Mirror) -> None:
    mirror.put_item("types", "1", **TYPES)
    mirror.wait_until_item_mirrored("types", "1")
    replica = mirror.item("dev", "types", "1")
    assert replica is not None
    assert replica["binary"] == TYPES["binary"]
    assert replica["number"] == TYPES["number"]


def test_an_item_is_found_by_its_target_in_the_environment_index(mirror: Mirror) -> None:
    mirror.put_item("indexed", "7", environment={"S": "prod"}, value={"N": "1"})
    mirror.wait_until_item_mirrored("indexed", "7")
    for target in TARGETS:
        found = mirror.dynamodb.query(
            TableName=mirror.storage[target].table_name,
            IndexName="environment-index",
            KeyConditionExpression="environment = :e AND #t = :t",
            ExpressionAttributeNames={"#t": "timestamp"},
            ExpressionAttributeValues={":e": {"S": target}, ":t": {"N": "7"}},
        )["Items"]
        assert [item["id"] for item in found] == [{"S": "indexed"}]


def test_updates_and_removals_arrive(mirror: Mirror) -> None:
    mirror.put_item("changed", "1", value={"N": "1"}, gone={"S": "soon"})
    mirror.wait_until_item_mirrored("changed", "1")
    mirror.dynamodb.update_item(
        TableName=mirror.storage["prod"].table_name,
        Key={"id": {"S": "changed"}, "timestamp": {"N": "1"}},
        UpdateExpression="SET #v = :v REMOVE gone",
        ExpressionAttributeNames={"#v": "value"},
        ExpressionAttributeValues={":v": {"N": "2"}},
    )
    mirror.wait_until_item_mirrored("changed", "1")
    replica = mirror.item("staging", "changed", "1")
    assert replica is not None
    assert replica["value"] == {"N": "2"}
    mirror.dynamodb.delete_item(
        TableName=mirror.storage["prod"].table_name, Key={"id": {"S": "changed"}, "timestamp": {"N": "1"}}
    )
    mirror.wait_until_item_mirrored("changed", "1")
    assert mirror.item("dev", "changed", "1") is None


def test_two_hundred_items_and_fifty_updates_of_one_of_them_arrive(mirror: Mirror) -> None:
    for number in range(200):
        mirror.put_item(f"many-{number}", "1", value={"N": str(number)})
    for number in range(50):
        mirror.put_item("many-0", "1", value={"N": str(-number)})
    for number in range(200):
        mirror.wait_until_item_mirrored(f"many-{number}", "1")
    replica = mirror.item("dev", "many-0", "1")
    assert replica is not None
    assert replica["value"] == {"N": "-49"}


@pytest.mark.needs("item size")
def test_an_item_that_the_added_attributes_make_too_big_is_reported_and_its_neighbours_arrive(mirror: Mirror) -> None:
    mirror.put_item("too-big", "1", body={"S": "x" * (400 * 1024 - 40)})
    mirror.put_item("neighbour", "1", value={"S": "fine"})
    mirror.wait_until_item_mirrored("neighbour", "1")
    for target in TARGETS:
        letter = mirror.wait_for_dead_letter(target=target, naming="too-big")
        assert "xxx" not in str(letter)
        assert letter["error"]["message"]
        assert mirror.item(target, "too-big", "1") is None
