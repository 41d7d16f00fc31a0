"""Items are read as botocore reads them, whatever an answer is."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication_core.items import answers
from replication_core.items.answers import read_items_fast
from tests.unit.replication_core.answered import Answered


class Reads(Answered):
    def scanned(self, body: bytes, status: int = 200) -> Any:
        """Return what a page says, or that it can't be read."""
        return self._read(body, status, "scan", TableName="orders")

    def batch(self, body: bytes) -> Any:
        """Return what a batch says, or that it can't be read."""
        return self._read(body, 200, "batch_get_item", RequestItems={"orders": {"Keys": [{"id": {"S": "1"}}]}})

    def _read(self, body: bytes, status: int, operation: str, **asked: Any) -> Any:
        self.body, self.status = body, status
        try:
            return getattr(self.client, operation)(**asked)
        except Exception as error:  # noqa: BLE001 - whatever botocore lets through is to be the same
            return f"{type(error).__name__}: {error}"


plain, fast = Reads("dynamodb"), Reads("dynamodb")
read_items_fast(fast.client)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
binaries = st.binary(max_size=8).map(lambda content: base64.b64encode(content).decode())
numbers = st.sampled_from(["0", "-1.50", "12345678901234567890.12345678901234567", "1E+50"])
attributes = st.recursive(
    st.one_of(
        st.builds(lambda value: {"S": value}, texts),
        st.builds(lambda value: {"N": value}, numbers),
        st.builds(lambda value: {"B": value}, binaries),
        st.builds(lambda value: {"SS": value}, st.lists(texts, max_size=2)),
        st.builds(lambda value: {"NS": value}, st.lists(numbers, max_size=2)),
        st.builds(lambda value: {"BS": value}, st.lists(binaries, max_size=2)),
        st.builds(lambda value: {"BOOL": value}, st.booleans()),
        st.just({"NULL": True}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda value: {"L": value}, st.lists(inner, max_size=3)),
        st.builds(lambda value: {"M": value}, st.dictionaries(st.one_of(texts, st.just("B")), inner, max_size=3)),
    ),
    max_leaves=8,
)
items = st.lists(st.dictionaries(st.one_of(texts, st.sampled_from(["B", "Items"])), attributes, max_size=4), max_size=3)

KEY = {"id": {"B": "AAE="}}
REST = {"Count": 2, "ScannedCount": 2, "LastEvaluatedKey": KEY, "Unknown": {"Items": [1]}}


def page(found: Any, **rest: Any) -> bytes:
    return json.dumps({"Items": found, **REST, **rest}).encode()


def batch(found: Any) -> bytes:
    return json.dumps({"Responses": {"orders": found}, "UnprocessedKeys": {"orders": {"Keys": [KEY]}}}).encode()


@settings(max_examples=100, deadline=None)
@given(found=items, is_ascii=st.booleans())
def test_items_as_dynamodb_writes_them_are_read_without_botocores_walk(found: Any, is_ascii: bool) -> None:
    body = json.dumps({"Items": found, **REST}, ensure_ascii=is_ascii).encode()
    assert fast.scanned(body) == plain.scanned(body)
    told: dict[str, Any] = {}
    answers._take_page_out({"status_code": 200, "body": body}, told)
    assert len(told["Items"]) == len(found)
    assert fast.batch(batch(found)) == plain.batch(batch(found))


ONE = {"id": {"S": "1"}, "raw": {"B": "AAE="}}


@pytest.mark.parametrize(
    "attribute",
    [
        pytest.param({"X": "a"}, id="of an unknown type"),
        pytest.param({"S": "a", "N": "1"}, id="of two types"),
        pytest.param({"S": "a", "X": "1"}, id="with an unknown field"),
        pytest.param({}, id="of no type"),
        pytest.param(None, id="null"),
        pytest.param("text", id="a text"),
        pytest.param([], id="a list"),
        pytest.param({"S": None}, id="without a value"),
        pytest.param({"S": 1}, id="a number for a text"),
        pytest.param({"N": 1.5}, id="a number that is not a text"),
        pytest.param({"B": "no base64!"}, id="characters that no base64 has"),
        pytest.param({"B": "AAE"}, id="base64 that is cut off"),
        pytest.param({"B": "é"}, id="base64 beyond ASCII"),
        pytest.param({"B": 1}, id="a number for a binary"),
        pytest.param({"BS": "AAE="}, id="a text for a set of binaries"),
        pytest.param({"BS": ["AAE=", None]}, id="null in a set of binaries"),
        pytest.param({"SS": "ab"}, id="a text for a set"),
        pytest.param({"SS": ["a", None]}, id="null in a set"),
        pytest.param({"SS": {"S": "a"}}, id="a map for a set"),
        pytest.param({"L": {"S": "a"}}, id="a map for a list"),
        pytest.param({"L": ""}, id="a text for a list"),
        pytest.param({"L": [None]}, id="null in a list"),
        pytest.param({"M": []}, id="a list for a map"),
        pytest.param({"M": {"a": None}}, id="null in a map"),
        pytest.param({"BOOL": "true"}, id="a text for a flag"),
        pytest.param({"BOOL": 1}, id="a number for a flag"),
    ],
)
def test_an_attribute_that_dynamodb_does_not_write_is_read_as_botocore_reads_it(attribute: Any) -> None:
    for found in ([ONE, {"odd": attribute}], [ONE, {"deep": {"L": [{"M": {"odd": attribute}}]}}]):
        assert fast.scanned(page(found)) == plain.scanned(page(found))
        assert fast.batch(batch(found)) == plain.batch(batch(found))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(page([ONE])[:-9], id="cut off at its end"),
        pytest.param(page([ONE])[:30], id="cut off in an item"),
        pytest.param(page([ONE]) + b"{}", id="two documents"),
        pytest.param(page([ONE, None]), id="no item"),
        pytest.param(page([ONE, []]), id="a list for an item"),
        pytest.param(page({"id": ONE}), id="a map of items"),
        pytest.param(page(None), id="null for the items"),
        pytest.param(page("text"), id="a text for the items"),
        pytest.param(json.dumps(REST).encode(), id="a page without items"),
        pytest.param(page([]), id="an empty page"),
        pytest.param(page([ONE], LastEvaluatedKey=None), id="null for the key to go on after"),
        pytest.param(page([ONE], Count="many"), id="a count that is none"),
        pytest.param(page([ONE], ScannedCount=float("inf")), id="a number that JSON has not"),
        pytest.param(page([ONE]).replace(b'"Count"', b'"Items": [], "Count"'), id="items twice"),
        pytest.param(page([ONE]).decode().encode("utf-16"), id="another encoding"),
        pytest.param(page([ONE]).replace(b'"1"', b'"\xff"'), id="no UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + page([ONE]), id="a byte order mark"),
        pytest.param(json.dumps([ONE]).encode(), id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"Items": ' + b"[" * 100_000, id="too deep to be read"),
        pytest.param(b'{"__type": "com.amazon#ThrottlingException", "message": "slow"}', id="an error"),
        pytest.param(b"<html>proxy</html>", id="another's page"),
        pytest.param(json.dumps({"Responses": {"orders": [ONE], "other": None}}).encode(), id="a table without items"),
        pytest.param(json.dumps({"Responses": [ONE]}).encode(), id="a list of tables"),
        pytest.param(json.dumps({"Responses": {}}).encode(), id="no tables"),
    ],
)
def test_an_answer_that_dynamodb_does_not_write_is_read_as_botocore_reads_it(body: bytes) -> None:
    assert fast.scanned(body) == plain.scanned(body)
    assert fast.batch(body) == plain.batch(body)


def test_items_of_an_answer_that_is_an_error_are_not_read() -> None:
    assert fast.scanned(page([ONE]), status=400) == plain.scanned(page([ONE]), status=400)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_an_answer_that_was_damaged_is_read_as_botocore_reads_it(data: st.DataObject) -> None:
    body = bytearray(page([ONE, {"id": {"S": "2"}, "lines": {"L": [{"M": {"a": {"N": "1"}, "b": {"BS": ["AAE="]}}}]}}]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        until = data.draw(st.integers(at, min(len(body), at + 12)))
        some = st.sampled_from([b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"\\ud800", b'"B"', b'{"S": "a"}'])
        body[at:until] = data.draw(st.one_of(st.binary(max_size=3), some))
    assert fast.scanned(bytes(body)) == plain.scanned(bytes(body))
