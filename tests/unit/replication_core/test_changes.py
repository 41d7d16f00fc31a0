"""The forms of a notice, and what is none."""

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core import changes
from replication_core.changes import Change, message
from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind, RecordKey
from replication_core.message_fields import PoisonError
from replication_core.objects.unfinished import UnfinishedCopy
from replication_core.route_spec import RoutedDataset
from tests.made_datasets import FILES
from tests.made_route import MadeRoute

ORDERS = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING), KeyAttribute("sk", KeyType.BINARY)))
ROUTE = MadeRoute(
    source_bucket="b",
    source_table="t",
    others=(
        RoutedDataset(dataset=ORDERS, source="t-orders", target="t2-orders"),
        RoutedDataset(dataset=FILES, source="b-files", target="b2-files"),
    ),
).spec


def parse(body: str) -> tuple[Change, ...]:
    return changes.parse(body, ROUTE)


WEIRD_KEY = "a+b%20c %/é日.txt"


def event_bridge(key: object = WEIRD_KEY, **changes: Any) -> str:
    event = {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-01-02T03:04:05Z",
        "detail": {"bucket": {"name": "b"}, "object": {"key": key, "version-id": "v", "sequencer": "1"}},
    }
    return json.dumps(event | changes)


def notification(key: str, **changes: Any) -> str:
    record = {
        "eventSource": "aws:s3",
        "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": key}},
    }
    return json.dumps({"Records": [record | changes]})


def test_an_event_bridge_event_of_an_ordinary_key_means_that_key() -> None:
    (notice,) = parse(event_bridge("a/é日.txt"))
    assert notice == Change(OBJECTS.record("a/é日.txt"), "Object Created", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_an_event_bridge_event_may_mean_each_key_that_may_be_written_so() -> None:
    first, *others = parse(event_bridge())
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert first == Change(OBJECTS.record(WEIRD_KEY), "Object Created", when, unsure=True)
    assert [str(other.key) for other in others] == ["a+b c %/é日.txt", "a b c %/é日.txt"]
    assert all(other == replace(first, key=other.key) for other in others)


def test_a_notification_carries_its_key_form_encoded() -> None:
    (notice,) = parse(notification("a%2Bb%2520c+%25/%C3%A9%E6%97%A5.txt"))
    assert notice.key == OBJECTS.record(WEIRD_KEY)
    assert notice.changed_at == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def test_a_notification_may_carry_several_records() -> None:
    records = [json.loads(notification(key))["Records"][0] for key in ("a", "b")]
    assert [notice.key for notice in parse(json.dumps({"Records": records}))] == [
        OBJECTS.record("a"),
        OBJECTS.record("b"),
    ]


def test_the_test_event_of_s3_asks_for_nothing() -> None:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-02T03:04:05Z", "Bucket": "b"}
    assert parse(json.dumps(event)) == ()


def own(**fields: Any) -> str:
    return json.dumps({"schema": "pipeline.notice/1", "reason": "manual", **fields})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)
INSTANTS = st.none() | st.datetimes(timezones=st.just(UTC))


@given(TEXTS, TEXTS, INSTANTS, st.booleans())
def test_a_notice_of_an_object_survives_its_own_form(
    key: str, reason: str, changed_at: datetime | None, unsure: bool
) -> None:
    notice = Change(OBJECTS.record(key), reason, changed_at, unsure=unsure)
    assert parse(notice.body()) == (notice,)
    assert notice.body().isascii()


@given(TEXTS, st.integers(-(10**37), 10**37), INSTANTS)
def test_a_notice_of_an_item_survives_its_own_form(id_: str, number: int, changed_at: datetime | None) -> None:
    notice = Change(ITEMS.record(id_, str(number)), "backfill", changed_at)
    assert parse(notice.body()) == (notice,)


@given(st.lists(TEXTS, min_size=1, max_size=100), TEXTS, INSTANTS)
def test_a_message_of_several_records_of_a_dataset_survives_its_own_form(
    values: list[str], reason: str, changed_at: datetime | None
) -> None:
    keys = [ORDERS.record(value, "YQ==") for value in values]
    body = message(keys, reason, changed_at=changed_at)
    assert parse(body) == tuple(Change(key, reason, changed_at) for key in keys)
    assert body.isascii()


def test_one_record_of_a_default_dataset_is_told_in_the_form_that_the_former_release_reads() -> None:
    told = [json.loads(message([key], "manual")) for key in (OBJECTS.record("a"), ITEMS.record("a", "1"))]
    assert told == [
        {"schema": "pipeline.notice/1", "kind": "object", "key": "a", "reason": "manual"},
        {"schema": "pipeline.notice/1", "kind": "item", "id": "a", "timestamp": "1", "reason": "manual"},
    ]
    assert json.loads(message([ORDERS.record("a", "YQ==")], "manual"))["schema"] == "pipeline.notice/2"


def own_2(**fields: Any) -> str:
    return json.dumps({"schema": "pipeline.notice/2", "reason": "manual", **fields})


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1E+2", "100"),
        ("100", "100"),
        ("100.0", "100"),
        ("0100", "100"),
        ("-0", "0"),
        ("0.0", "0"),
        ("1.50", "1.5"),
        ("1e-3", "0.001"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("-1.2345678901234567890123456789012345678", "-1.2345678901234567890123456789012345678"),
        ("1.1E+39", "11" + "0" * 38),
        ("11" + "0" * 38, "11" + "0" * 38),
        ("1" + "0" * 50, "1" + "0" * 50),
        ("1.00000000000000007629769841092E+50", "100000000000000007629769841092" + "0" * 21),
        ("9.9E125", "99" + "0" * 124),
        ("-1.5E-40", "-0." + "0" * 39 + "15"),
        ("1E-130", "0." + "0" * 129 + "1"),
    ],
)
def test_equal_numbers_are_one_key(text: str, canonical: str) -> None:
    assert [parse(own(kind="item", id="a", timestamp=each))[0].key for each in (text, canonical)] == [
        RecordKey(ITEMS, ("a", canonical))
    ] * 2


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1" * 39, "1E+126", "1E-131"])
def test_what_dynamodb_takes_for_no_number_is_poison(text: str) -> None:
    with pytest.raises(PoisonError, match="timestamp"):
        parse(own(kind="item", id="a", timestamp=text))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("not json", "not JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "none of the forms"),
        (json.dumps({"source": "aws.ec2", "detail": {}}), "none of the forms"),
        (json.dumps({"source": "aws.s3", "detail": []}), "no 'detail'"),
        (event_bridge(key=None), "no text as 'key'"),
        (event_bridge(key=""), "0 bytes"),
        (event_bridge(key="é" * 513), "1026 bytes"),
        (event_bridge(key="\ud800"), "not Unicode text"),
        (event_bridge(time="yesterday"), "not an ISO-8601 instant"),
        (event_bridge(time="2026-01-02T03:04:05"), "no offset"),
        (notification("%FF"), "not UTF-8"),
        (notification("a", eventSource="aws:sns"), "not of S3"),
        (json.dumps({"Records": ["text"]}), "not of S3"),
        (own(), "neither for an object nor for an item"),
        (own(kind="bucket", key="a"), "neither for an object nor for an item"),
        (own(kind="item", id="a"), "no text as 'timestamp'"),
        (own(kind="item", id="a", timestamp=1), "no text as 'timestamp'"),
        (own(kind="item", id="a", timestamp="soon"), "not a number"),
        (own(kind="item", id="i" * 2049, timestamp="1"), "2049 bytes"),
        (own_2(dataset="none", keys=[{"pk": "a", "sk": "YQ=="}]), "no dataset 'none'"),
        (own_2(dataset="orders"), "names no keys, or more than 100"),
        (own_2(dataset="orders", keys=[]), "names no keys, or more than 100"),
        (own_2(dataset="orders", keys=[{"pk": "a", "sk": "YQ=="}] * 101), "names no keys, or more than 100"),
        (own_2(dataset="orders", keys=["a"]), "names no keys, or more than 100"),
        (own_2(dataset="orders", keys=[{"pk": "a"}]), "a text for each of pk and sk"),
        (own_2(dataset="orders", keys=[{"pk": "a", "sk": "?"}]), "not in base64"),
        (event_bridge(detail={"bucket": {"name": "c"}, "object": {"key": "a"}}), "of the bucket c, not of the source"),
    ],
)
def test_anything_else_is_poison_and_says_why(body: str, reason: str) -> None:
    with pytest.raises(PoisonError, match=reason):
        parse(body)


@given(st.text())
def test_no_text_at_all_makes_the_parser_fail_otherwise(body: str) -> None:
    with pytest.raises(PoisonError):
        parse(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["schema", "kind", "key", "detail", "source", "Records", "s3", "object", "bucket", "time"]),
            inner | st.sampled_from(["pipeline.notice/1", "aws.s3", "object", "item"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_makes_the_parser_fail_otherwise(message: Any) -> None:
    with contextlib.suppress(PoisonError):
        parse(json.dumps(message))


BEGUN = UnfinishedCopy(
    version="v", fingerprint="f", upload="u", parts=2, size=9, crc=4_000_000_000, position={"offset": 7}, rounds=1
).sealed("objects k", str.upper)


@pytest.mark.parametrize("dataset", [OBJECTS, FILES])
def test_what_was_begun_of_a_key_is_told_with_it_and_left_out_by_who_does_not_know_it(dataset: Dataset) -> None:
    change = Change(dataset.record("k"), "continuation", datetime(2026, 1, 2, tzinfo=UTC), begun=BEGUN)
    assert parse(change.body()) == (change,)
    told = json.loads(change.body())
    assert told.pop("begun") == BEGUN.document()
    # All that a former release reads of it.
    assert json.dumps(told) == replace(change, begun=None).body()


@pytest.mark.parametrize(
    "begun",
    [
        None,
        "begun",
        [],
        {},
        {**BEGUN.document(), "parts": "2"},
        {**BEGUN.document(), "position": [1]},
        {name: value for name, value in BEGUN.document().items() if name != "seal"},
    ],
)
def test_a_key_whose_begun_work_can_not_be_read_is_begun_anew(begun: object) -> None:
    change = Change(OBJECTS.record("k"), "continuation")
    assert parse(json.dumps(json.loads(change.body()) | {"begun": begun})) == (change,)


def test_what_was_begun_is_of_one_key_alone() -> None:
    told = json.loads(message([FILES.record("a"), FILES.record("b")], "any"))
    assert [change.begun for change in parse(json.dumps(told | {"begun": BEGUN.document()}))] == [None, None]


def test_a_seal_is_of_all_that_was_begun_and_of_the_record() -> None:
    assert BEGUN.is_sealed("objects k", str.upper)
    assert not BEGUN.is_sealed("objects l", str.upper)
    assert not BEGUN.is_sealed("objects k", str.lower)
    for name, value in BEGUN.document().items():
        if name != "seal":
            other = value + 1 if isinstance(value, int) else {} if isinstance(value, dict) else value + "x"
            assert not UnfinishedCopy.parse(BEGUN.document() | {name: other}).is_sealed("objects k", str.upper)
