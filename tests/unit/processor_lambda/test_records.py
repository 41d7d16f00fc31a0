"""What a record has to be, and the exact item that it becomes."""

import csv
import json
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from processor_lambda.records import Header, Record, RecordError, Schema, read_json
from processor_lambda.runs import Seen
from processor_lambda.settings import FieldType, ProcessorSettings, RecordField, SettingsError, fields_of
from replication_core.datasets import ITEMS, Dataset, KeyAttribute, KeyType, Kind, RecordKey

FIELDS = [
    {"name": "amount", "type": "number"},
    {"name": "pieces", "type": "integer"},
    {"name": "paid", "type": "boolean"},
    {"name": "name", "type": "string", "required": True},
]


def schema(fields: list[Any] | None = None, table: Dataset = ITEMS) -> Schema:
    declared = [RecordField(**{**each, "type": FieldType(each["type"])}) for each in fields or []]
    return Schema(fields_of(declared, table), "dev", table)


def record(text: str | bytes, fields: list[Any] | None = None) -> Record:
    return schema(fields).record(read_json(text.encode() if isinstance(text, str) else text))


def good(**fields: Any) -> str:
    return json.dumps({"id": "a", "timestamp": 1, **fields})


values = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


def plain(value: Any) -> str:
    """Write JSON with exact numbers."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{plain(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(plain, value)) + "]"
    return json.dumps(value)


@given(fields=st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=4))
def test_an_item_is_the_record_exactly_and_the_environment(fields: dict[str, Any]) -> None:
    fields = {**fields, "id": "a", "timestamp": Decimal(1)}
    item = record(plain(fields)).item
    assert {name: TypeDeserializer().deserialize(value) for name, value in item.items()} == {
        **fields,
        "environment": "dev",
    }


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0.1", "0.1"),
        ("1.10e3", "1100"),
        ("-0", "0"),
        ("1e-130", "0." + "0" * 129 + "1"),
    ],
)
def test_numbers_of_38_digits_are_exact(number: str, written: str) -> None:
    assert record(f'{{"id": "a", "timestamp": {number}}}').key.values[1] == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON, at character 2"),
        ("", "not JSON"),
        ("[1]", "not a JSON object"),
        ("7", "not a JSON object"),
        (b'{"id": "\xff"}', "not UTF-8, at byte 9"),
        ('{"timestamp": 1}', "'id' is missing"),
        ('{"id": "a"}', "'timestamp' is missing"),
        ('{"id": null, "timestamp": 1}', "'id' is missing"),
        ('{"id": 7, "timestamp": 1}', "'id' is not text"),
        ('{"id": "", "timestamp": 1}', "1 to 2048 bytes"),
        ('{"id": "a", "timestamp": "1"}', "'timestamp' is not a number"),
        ('{"id": "a", "timestamp": true}', "'timestamp' is not a number"),
        ('{"id": "a", "timestamp": NaN}', "NaN and Infinity"),
        ('{"id": "a", "timestamp": -Infinity}', "NaN and Infinity"),
        ('{"id": "a", "timestamp": 123456789012345678901234567890123456789}', "more digits"),
        ('{"id": "a", "timestamp": 1e200}', "more digits"),
        ('{"id": "a", "timestamp": 1e9999999999999999999999}', "number"),
        ('{"id": "a", "timestamp": 1, "id": "b"}', "more than once"),
        ('{"id": "a", "timestamp": 1, "x": "\\ud800"}', "not Unicode"),
        ('{"id": "a", "timestamp": 1, "": 1}', "no name"),
        ('{"id": "a", "timestamp": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested deeper"),
        ('{"id": "a", "timestamp": 1, "x": ' + "[" * 40 + "]" * 40 + "}", "nested deeper"),
        (good(x="y" * 409_600), "larger than the 409600 bytes"),
        (good(id="y" * 2049), "1 to 2048 bytes"),
    ],
)
def test_a_bad_record_is_rejected_with_the_reason(text: str | bytes, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        record(text)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "'name' is missing"),
        ({"name": "x", "amount": "1"}, "'amount' is not a number"),
        ({"name": "x", "pieces": 1.5}, "'pieces' is not a whole number"),
        ({"name": "x", "paid": 1}, "'paid' is not true or false"),
    ],
)
def test_declared_fields_have_their_types(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        record(good(**fields), FIELDS)
    assert record(good(name="x", amount=1.5, pieces=2.0, paid=False), FIELDS).key.values[0] == "a"


def test_a_records_own_environment_and_a_replicas_marks_do_not_reach_the_item() -> None:
    item = record(good(environment="prod", replicatedFrom="prod", replicationTimestamp="then")).item
    assert item == {"id": {"S": "a"}, "timestamp": {"N": "1"}, "environment": {"S": "dev"}}


def test_the_size_is_no_less_than_dynamodbs() -> None:
    assert record(good(x="é" * 10, n=-12.5, b=True, m={"l": [None, 1]})).size >= 2 + 1 + 9 + 2 + 11 + 3 + 1 + 20 + 1 + 4


def test_cells_are_text_but_for_declared_columns_and_empty_ones_are_none() -> None:
    declared = schema([{"name": "pieces", "type": "integer"}, {"name": "paid", "type": "boolean"}])
    header = Header("\ufeffid".removeprefix("\ufeff").encode() + b",timestamp,pieces,paid,note,code\r", declared)
    fields = header.read(b'a,1700000000.5,3,TRUE,,"0""07"\r')
    assert fields == {"id": "a", "timestamp": Decimal("1700000000.5"), "pieces": 3, "paid": True, "code": '0"07'}
    assert declared.record(fields).item["code"] == {"S": '0"07'}


def test_a_short_row_leaves_the_processs_limit_of_a_cell_as_it_is() -> None:
    before = csv.field_size_limit()
    Header(b"id,timestamp", schema()).read(b"a,1")
    assert csv.field_size_limit() >= before


def test_a_numbers_cell_may_have_spaces_around_it_and_zeros_before_it() -> None:
    header = Header(b"id,timestamp,pieces,paid", schema([{"name": "pieces", "type": "integer"}]))
    fields = header.read(b"a, 1.5e3 ,007, true")
    assert (fields["timestamp"], fields["pieces"], fields["paid"]) == (1500, 7, " true")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"a,1,x,true", "'pieces' is not a number"),
        (b"a,1,NaN,true", "'pieces' is not a number"),
        (b"a,1,1_000,true", "'pieces' is not a number"),
        (b"a,1_000,1,true", "'timestamp' is not a number"),
        ("a,１２,1,true".encode(), "'timestamp' is not a number"),
        (b"a,Infinity,1,true", "'timestamp' is not a number"),
        (b"a,0x10,1,true", "'timestamp' is not a number"),
        (b"a,+1,1,true", "'timestamp' is not a number"),
        (b"a,1,.5,true", "'pieces' is not a number"),
        ("a,1,\u00a05,true".encode(), "'pieces' is not a number"),
        (b"a,1,1.5,true", "'pieces' is not a whole number"),
        (b"a,1,1e9999999999999999999999,true", "'pieces' has more digits"),
        (b"a,1,1,yes", "'paid' is neither"),
        (b"a,1,1", "3 cells, where the header has 4"),
        (b'a,1,1,"x"y', "not CSV"),
        (b"\xff,1,1,true", "not UTF-8"),
        (b",1,1,true", "'id' is missing"),
    ],
)
def test_a_bad_row_is_rejected_with_the_reason(row: bytes, reason: str) -> None:
    declared = schema([{"name": "pieces", "type": "integer"}, {"name": "paid", "type": "boolean"}])
    header = Header(b"id,timestamp,pieces,paid", declared)
    with pytest.raises(RecordError, match=reason):
        declared.record(header.read(row))


@pytest.mark.parametrize(
    ("row", "reason"),
    [(b"timestamp,x", "no column 'id'"), (b"id,timestamp,id", "same name"), (b"id,timestamp,", "without a name")],
)
def test_a_header_that_can_not_be_one_is_refused(row: bytes, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        Header(row, schema())


def test_a_declared_field_that_is_not_as_the_tables_key_has_it_is_refused() -> None:
    with pytest.raises(SettingsError, match="'id' is a key of the table and of the type string"):
        schema([{"name": "id", "type": "number"}])


SETTINGS = ProcessorSettings(
    environment="dev",
    bucket="b",
    table="t",
    queue_url="q",
    dlq_url="d",
    process_replicas=True,
    schema=(RecordField("é", FieldType.INTEGER, required=True),),
    dataset=Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.BINARY),)),
)


def test_settings_come_back_from_the_environment_as_they_were() -> None:
    assert ProcessorSettings.from_env({**SETTINGS.to_env(), "OTHER": "x"}) == SETTINGS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PROCESSOR_BUCKET": None}, "PROCESSOR_BUCKET is not set"),
        ({"PROCESSOR_PROCESS_REPLICAS": "1"}, "PROCESSOR_PROCESS_REPLICAS is not usable: expected true or false"),
        ({"PROCESSOR_DATASET": "{}"}, "PROCESSOR_DATASET is not usable: .* is no dataset"),
        ({"PROCESSOR_DATASET": "items"}, "PROCESSOR_DATASET is not usable"),
        ({"PROCESSOR_SCHEMA": "["}, "PROCESSOR_SCHEMA is not usable"),
        ({"PROCESSOR_SCHEMA": '[{"name": "a", "type": "date"}]'}, "PROCESSOR_SCHEMA is not usable: 'date'"),
    ],
)
def test_an_environment_without_the_settings_is_refused_by_variable(changes: dict[str, str | None], said: str) -> None:
    environ = {name: value for name, value in {**SETTINGS.to_env(), **changes}.items() if value is not None}
    with pytest.raises(SettingsError, match=said):
        ProcessorSettings.from_env(environ)


def table(*key: tuple[str, str]) -> Dataset:
    return Dataset("orders", Kind.TABLE, tuple(KeyAttribute(name, KeyType(type_)) for name, type_ in key))


def test_a_record_has_the_key_of_its_table_and_a_binary_field_is_put_as_its_bytes() -> None:
    fields = [{"name": "blob", "type": "binary"}, {"name": "none", "type": "binary"}]
    text = b'{"pk": "AP8=", "sk": 1.50, "id": 7, "blob": "aGk=", "none": null}'
    made = schema(fields, table(("pk", "B"), ("sk", "N"))).record(read_json(text))
    assert made.key.values == ("AP8=", "1.5")
    assert made.item == {
        "pk": {"B": b"\x00\xff"},
        "sk": {"N": "1.5"},
        "id": {"N": "7"},
        "blob": {"B": b"hi"},
        "none": {"NULL": True},
        "environment": {"S": "dev"},
    }


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ([("pk", "S")], '{"id": "a", "timestamp": 1}', "the field 'pk' is missing"),
        ([("pk", "S"), ("sk", "S")], '{"pk": "a", "sk": 1}', "the field 'sk' is not text"),
        (
            [("pk", "S"), ("sk", "S")],
            f'{{"pk": "a", "sk": "{"x" * 1025}"}}',
            "the field 'sk' must have 1 to 1024 bytes",
        ),
        ([("pk", "N")], '{"pk": "1"}', "the field 'pk' is not a number"),
        ([("pk", "B")], '{"pk": "no base64"}', "the field 'pk' is not text in base64"),
        ([("pk", "B")], '{"pk": ""}', "the field 'pk' must have 1 to 2048 bytes"),
    ],
)
def test_a_record_without_its_tables_key_is_rejected_with_the_reason(
    key: list[tuple[str, str]], text: str, reason: str
) -> None:
    with pytest.raises(RecordError) as caught:
        schema([], table(*key)).record(read_json(text.encode()))
    assert str(caught.value) == reason


def test_a_csv_header_has_the_columns_of_the_tables_key() -> None:
    orders = schema([], table(("pk", "B")))
    assert orders.record(Header(b"pk,a", orders).read(b"aGk=,1")).item["pk"] == {"B": b"hi"}
    with pytest.raises(RecordError, match="the header has no column 'pk'"):
        Header(b"id,timestamp", orders)


@pytest.mark.parametrize("name", ["environment", "replicatedFrom"])
def test_a_table_whose_key_the_processor_would_overwrite_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"has '{name}', which the processor sets itself"):
        fields_of([], table(("pk", "S"), (name, "S")))


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=2, max_size=2, unique=True))
def test_no_two_keys_are_taken_for_the_same(values: list[tuple[str, str]]) -> None:
    orders, seen = table(("pk", "S"), ("sk", "S")), Seen()
    assert [seen.add(Record(RecordKey(orders, each), {}, 0)) for each in values] == [True, True]


def test_keys_that_a_window_has_seen_are_known_from_one_release_to_the_next() -> None:
    seen = Seen()
    seen.add(record('{"id": "a", "timestamp": 1.50}'))
    assert seen.to_bytes() == blake2b(b"1.5\na", digest_size=16).digest()
