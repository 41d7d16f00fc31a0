"""Datasets and the keys of their records."""

import base64
import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core import datasets
from replication_core.datasets import ITEMS, OBJECTS, Dataset, InvalidKeyError, KeyAttribute, KeyType, Kind

STRING, NUMBER, BINARY = (KeyAttribute("a", type_) for type_ in KeyType)


def table(*attributes: KeyAttribute) -> Dataset:
    return Dataset("orders", Kind.TABLE, attributes)


def renamed(attribute: KeyAttribute) -> KeyAttribute:
    return KeyAttribute("b", attribute.type)


VALUES = {
    KeyType.STRING: st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    KeyType.NUMBER: st.integers(-(10**37), 10**37).map(str),
    KeyType.BINARY: st.binary(min_size=1, max_size=200).map(lambda value: base64.b64encode(value).decode()),
}


@given(st.data(), st.sampled_from([STRING, NUMBER, BINARY]), st.sampled_from([None, STRING, NUMBER, BINARY]))
def test_a_key_of_any_schema_is_the_same_after_every_way_that_it_travels(
    data: st.DataObject, partition: KeyAttribute, sort: KeyAttribute | None
) -> None:
    dataset = table(partition, *([renamed(sort)] if sort else []))
    key = dataset.record(*(data.draw(VALUES[attribute.type]) for attribute in dataset.key))
    assert dataset.of_item({**key.attributes(), "more": {"S": "x"}}) == key
    assert dataset.named(key.named) == key
    assert dataset.record(*key.values) == key
    assert Dataset.parse(dataset.document()) == dataset


@pytest.mark.parametrize("spellings", [("1", "1.0", "01", "10e-1"), ("0", "-0", "0.00", "0e5"), ("100", "1E2", "1e+2")])
def test_a_number_has_one_spelling(spellings: tuple[str, ...]) -> None:
    assert len({ITEMS.record("a", spelling) for spelling in spellings}) == 1


def test_a_binary_is_read_from_bytes_and_from_a_streams_base64() -> None:
    dataset = table(BINARY)
    assert dataset.of_item({"a": {"B": b"\xff"}}) == dataset.of_item({"a": {"B": "/w=="}}) == dataset.record("/w==")


@pytest.mark.parametrize(
    ("dataset", "values", "what"),
    [
        (ITEMS, ("a",), "a key of items has id and timestamp"),
        (ITEMS, ("", "1"), "an item's id has 0 bytes; 1 to 2048 are possible"),
        (ITEMS, ("a", "one"), "an item's timestamp is not a number"),
        (OBJECTS, ("k" * 1025,), "an object's key has 1025 bytes; 1 to 1024 are possible"),
        (OBJECTS, ("\ud800",), "an object's key is not Unicode text"),
        (table(STRING, renamed(STRING)), ("a", "b" * 1025), "an item's b has 1025 bytes; 1 to 1024 are possible"),
        (table(BINARY), ("no base64",), "an item's a is not in base64"),
        (table(BINARY), ("é",), "an item's a is not in base64"),
        (table(BINARY), ("",), "an item's a has 0 bytes; 1 to 2048 are possible"),
    ],
)
def test_what_is_no_key_is_refused_with_the_reason(dataset: Dataset, values: tuple[str, ...], what: str) -> None:
    with pytest.raises(InvalidKeyError, match=what):
        dataset.record(*values)


@pytest.mark.parametrize("item", [{}, {"a": {"N": "1"}}, {"a": {"S": 1}}, {"a": "x"}, {"a": {"S": b"x"}}])
def test_an_item_without_such_a_key_is_refused(item: dict[str, object]) -> None:
    with pytest.raises(InvalidKeyError, match=r"the item has no key of orders, which is a \(S\)"):
        table(STRING).of_item(item)


@pytest.mark.parametrize("values", [{}, {"a": "1", "b": "2"}, {"b": "1"}, {"a": 1}, {"a": None}])
def test_names_that_are_not_just_the_keys_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidKeyError, match="a key of orders has a text for each of a"):
        table(STRING).named(values)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"name": "Orders", "kind": "bucket"},
        {"name": "orders", "kind": "queue"},
        {"name": "orders", "kind": "table"},
        {"name": "orders", "kind": "table", "key": []},
        {"name": "orders", "kind": "table", "key": [{"name": "a", "type": "M"}]},
        {"name": "orders", "kind": "table", "key": [{"name": "a", "type": "S"}, {"name": "a", "type": "S"}]},
        {"name": "orders", "kind": "table", "key": [{"name": "", "type": "S"}]},
    ],
)
def test_a_document_of_no_dataset_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"no dataset|no attribute|not a valid"):
        Dataset.parse(document)


def test_keys_are_shown_and_named_as_the_default_datasets_always_were_and_others_with_their_dataset() -> None:
    orders = table(STRING, renamed(NUMBER)).record("x", "1")
    assert [str(OBJECTS.record("k")), str(ITEMS.record("a", "1")), str(orders)] == ["k", "a@1", "orders a=x b=1"]
    assert ITEMS.record("a", "1").document() == {"kind": "item", "id": "a", "timestamp": "1"}
    assert orders.document() == {"kind": "item", "dataset": "orders", "key": {"a": "x", "b": "1"}}


def test_keys_have_an_order() -> None:
    keys = [ITEMS.record("a", "1"), ITEMS.record("b", "1"), OBJECTS.record("a"), table(STRING).record("a")]
    assert all(one < other for one, other in pairwise(keys))


def test_the_examples_are_right() -> None:
    assert doctest.testmod(datasets).failed == 0
