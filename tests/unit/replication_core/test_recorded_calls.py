"""What a recorded call says has changed: by the records that AWS and others published."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core import changes
from replication_core.changes import Change, KeysNotRecordedError
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.message_fields import PoisonError
from replication_core.route_spec import RoutedDataset
from tests.made_route import MadeRoute
from tests.unit.replication_core.cloud import Cloud, record
from tests.unit.replication_core.trail_events import recorded, trail_event

ARTIST = "No One You Know"
BUCKETS = ("amzn-s3-demo-bucket", "mybucket")


def notices(detail: Any, **changes: Any) -> tuple[Change, ...]:
    return parse(json.dumps(trail_event(detail, **changes)))


def parse(body: str) -> tuple[Change, ...]:
    """Parse for a route of the buckets and the table that the published records are of."""
    buckets = [
        RoutedDataset(dataset=replace(OBJECTS, name=f"more-{place}"), source=name, target="")
        for place, name in enumerate(BUCKETS)
    ]
    return changes.parse(body, MadeRoute(source_bucket="the-source", source_table="Music", others=tuple(buckets)).spec)


def keys(detail: Any) -> list[str]:
    return [str(notice.key).removeprefix("more-0 ").removeprefix("more-1 ") for notice in notices(detail)]


def with_parameters(name: str, **parameters: Any) -> dict[str, Any]:
    """Return a published record with other parameters, which None takes out."""
    known = {**recorded(name)["requestParameters"], **parameters}
    return {
        **recorded(name),
        "requestParameters": {key: value for key, value in known.items() if value is not None},
    }


def items_call(name: str, requests: Any) -> dict[str, Any]:
    """Return a record of a call with several requests."""
    return {**recorded("dynamodb-PutItem"), "eventName": name, "requestParameters": {"requestItems": requests}}


def test_a_recorded_put_names_its_object_its_bucket_and_its_time() -> None:
    assert notices(recorded("s3-PutObject")) == (
        Change(OBJECTS.record("test.png"), "PutObject", datetime(2018, 9, 12, 0, 25, 10, tzinfo=UTC)),
    )


def test_a_recorded_copy_is_a_change_of_its_destination() -> None:
    call = with_parameters("s3-CopyObject", **{"x-amz-copy-source": "elsewhere/original.txt"})
    assert keys(call) == ["target file.txt"]


def test_a_recorded_delete_names_its_object() -> None:
    assert keys(recorded("s3-DeleteObject")) == ["target-object-key"]


@pytest.mark.parametrize(
    ("written", "looked_at"),
    [
        ("a b=c", ["a b=c"]),
        ("a b+c=d", ["a b+c=d", "a b c=d"]),
        ("a%20b%2Bc", ["a%20b%2Bc", "a b+c"]),
        ("100%", ["100%"]),
        ("%FF", ["%FF"]),
        ("caf%C3%A9", ["caf%C3%A9", "café"]),
    ],
)
def test_a_key_that_may_be_encoded_is_looked_at_in_each_reading(written: str, looked_at: list[str]) -> None:
    assert keys(with_parameters("s3-PutObject", key=written)) == looked_at


def test_a_recorded_put_of_an_item_names_its_key_and_its_table() -> None:
    (notice,) = notices(recorded("dynamodb-PutItem"))
    assert notice.key == ITEMS.record(ARTIST, "1700000001")


def test_a_recorded_transaction_names_each_item_that_it_wrote_and_not_those_it_checked() -> None:
    assert keys(recorded("dynamodb-TransactWriteItems")) == [f"{ARTIST}@170000000{number}" for number in (2, 3, 4)]


NUMBERS = ["1700000000.25", 1700000000.25, {"N": "1700000000.25"}, {"n": "1700000000.250"}]


@pytest.mark.parametrize("timestamp", NUMBERS)
def test_a_number_is_understood_in_whatever_form_it_is_recorded(timestamp: Any) -> None:
    assert keys(with_parameters("dynamodb-PutItem", key={"id": "a", "timestamp": timestamp})) == ["a@1700000000.25"]


def test_a_number_keeps_all_its_digits() -> None:
    event = json.dumps(trail_event(with_parameters("dynamodb-PutItem", key={"id": "a", "timestamp": 0})))
    digits = "1234567890123456789.0123456789012345678"
    (notice,) = parse(event.replace('"timestamp": 0', f'"timestamp": {digits}'))
    assert notice.key == ITEMS.record("a", digits)


def test_a_table_may_be_named_by_its_arn() -> None:
    (notice,) = notices(
        with_parameters("dynamodb-PutItem", tableName="arn:aws:dynamodb:us-west-2:111122223333:table/Music")
    )
    assert notice.key == ITEMS.record(ARTIST, "1700000001")


KEYS = [{"id": "a", "timestamp": "1"}, {"id": "b", "timestamp": "2"}]


@pytest.mark.parametrize(
    "requests",
    [
        [{"operation": "Put", "tableName": "Music", "key": key} for key in KEYS],
        {"Music": [{"putRequest": {"key": KEYS[0], "item": ["id"]}}, {"deleteRequest": {"key": KEYS[1]}}]},
    ],
    ids=["as transactions are recorded", "as the API has it"],
)
def test_a_batch_whose_record_aws_does_not_document_is_understood_in_either_likely_form(requests: Any) -> None:
    assert keys(items_call("BatchWriteItem", requests)) == ["a@1", "b@2"]


def test_a_query_in_partiql_changes_nothing() -> None:
    assert notices(recorded("dynamodb-ExecuteStatement")) == ()


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        (recorded("s3-DeleteObjects"), "record of DeleteObjects does not tell what it changed: it names no object"),
        (recorded("dynamodb-BatchExecuteStatement"), "PartiQL"),
        (with_parameters("dynamodb-ExecuteStatement", statement="DELETE FROM Music WHERE id = 'a'"), "PartiQL"),
        (with_parameters("s3-PutObject", key=None), "names no object"),
        (with_parameters("s3-PutObject", key=["test.png"]), "names no object"),
        (with_parameters("dynamodb-PutItem", key=None), "names no item"),
        (with_parameters("dynamodb-PutItem", key={"id": "a"}), "names no item"),
        (with_parameters("dynamodb-PutItem", tableName=None), "names no item"),
        (with_parameters("dynamodb-PutItem", key={"id": "a", "timestamp": True}), "hides an item's key"),
        (with_parameters("dynamodb-PutItem", key={"id": {"B": "AA=="}, "timestamp": "1"}), "hides an item's key"),
        ({**recorded("s3-PutObject"), "requestParameters": None}, "no parameters"),
        ({**recorded("s3-PutObject"), "eventSource": "sqs.amazonaws.com"}, "a call of sqs.amazonaws.com"),
        (items_call("BatchWriteItem", []), "not as they are known"),
        (items_call("BatchWriteItem", ["a"]), "not as they are known"),
        (items_call("BatchWriteItem", "HIDDEN"), "not as they are known"),
        (items_call("BatchWriteItem", {"Music": "HIDDEN"}), "not as they are known"),
        (items_call("BatchWriteItem", {"Music": [{"putRequest": {"item": ["id"]}}]}), "names no item"),
    ],
)
def test_a_write_that_does_not_tell_its_keys_is_reported(detail: Any, reason: str) -> None:
    with pytest.raises(KeysNotRecordedError, match=reason):
        notices(detail)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (trail_event(None), "no 'detail'"),
        (trail_event({"eventSource": "s3.amazonaws.com"}), "no text as 'eventName'"),
        (trail_event(recorded("s3-PutObject"), time="yesterday"), "not an ISO-8601 instant"),
        (trail_event(with_parameters("s3-PutObject", key="k" * 1025)), "1025 bytes"),
        (trail_event(with_parameters("dynamodb-PutItem", key={"id": "a", "timestamp": "soon"})), "not a number"),
    ],
)
def test_a_malformed_record_is_poison(event: Any, reason: str) -> None:
    with pytest.raises(PoisonError, match=reason):
        parse(json.dumps(event))


NAMES = ["requestItems", "tableName", "key", "Key", "id", "timestamp", "statement", "operation", "bucketName", "Music"]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["s3", "dynamodb"]))
def test_no_parameters_at_all_make_the_parser_fail_otherwise(parameters: Any, service: str) -> None:
    detail = {"eventSource": f"{service}.amazonaws.com", "eventName": "Any", "requestParameters": parameters}
    try:
        found = notices(detail)
    except PoisonError:
        return
    assert all(notice.reason == "Any" for notice in found)


# In a batch


def test_recorded_calls_are_replicated_like_any_other_change(cloud: Cloud) -> None:
    cloud.put("test.png")
    cloud.put_item(ARTIST, "1700000001")
    put = with_parameters("s3-PutObject", bucketName=cloud.settings.source_bucket)
    item = with_parameters("dynamodb-PutItem", tableName=cloud.settings.source_table)
    messages = [record(json.dumps(trail_event(call)), id_=call["eventName"]) for call in (put, item)]
    assert cloud.route().process({"Records": messages}) == {"batchItemFailures": []}
    assert cloud.replica("test.png") == cloud.source_object("test.png")
    assert cloud.replica_item(ARTIST, "1700000001") == cloud.source_item(ARTIST, "1700000001")
    assert cloud.letters() == []


def test_of_a_call_on_several_tables_the_sources_items_alone_are_looked_at(cloud: Cloud) -> None:
    tables = ("elsewhere", cloud.settings.source_table)
    requests = [{"operation": "Put", "tableName": table, "key": {"id": table, "timestamp": 1}} for table in tables]
    for id_ in tables:
        cloud.put_item(id_)
    call = items_call("TransactWriteItems", requests)
    cloud.route().process({"Records": [record(json.dumps(trail_event(call)))]})
    assert cloud.replica_item(cloud.settings.source_table) is not None
    assert cloud.replica_item("elsewhere") is None
    assert cloud.letters() == []


def test_what_does_not_tell_its_keys_is_a_dead_letter_with_its_own_reason(cloud: Cloud) -> None:
    unnamed = trail_event(with_parameters("s3-DeleteObjects", bucketName=cloud.settings.source_bucket))
    other_table = trail_event(recorded("dynamodb-PutItem"))
    messages = [record(json.dumps(event), id_=str(number)) for number, event in enumerate((unnamed, other_table))]
    assert cloud.route().process({"Records": messages}) == {"batchItemFailures": []}
    letters = {letter["error"]["type"]: letter for letter in cloud.letters()}
    assert letters["KeysNotRecorded"]["event"] == unnamed
    assert "the call is of the table Music" in letters["PoisonNotice"]["error"]["message"]
