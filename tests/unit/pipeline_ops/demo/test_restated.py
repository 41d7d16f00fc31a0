"""The policy, told again, finds what no rule of it allows, and nothing wrong with what each rule makes."""

import gzip
import hashlib
import json
from typing import Any

import pytest

from pipeline_ops.demo.restated import Restatement, identity, is_refused
from pipeline_ops.demo.stores import ObservedObject
from replication_core.datasets import ITEMS, OBJECTS

TOKEN = "abcdefghijklmnopqrstuvwxyz"[:24] + "27"
OTHER = TOKEN[::-1].replace("0", "2")
TABLE = "incoming/maria/orders.csv"
LINES = "incoming/maria/orders.jsonl.gz"
SUMMARY = {"run": "r", "started_at": "1", "finished_at": "2", "size": 3, "key": "incoming/maria/a", "reason": None}


def body(content: bytes, **more: Any) -> ObservedObject:
    told: dict[str, Any] = {"headers": {}, "metadata": {}, "tags": {}, "version_id": "v"} | more
    return ObservedObject(len(content), hashlib.sha256(content).hexdigest(), content=content, **told)


def attribute(name: str, value: Any, masked: Any) -> list[str]:
    there, here = ({} if each is None else {name: each} for each in (value, masked))
    return [detail for _, detail in Restatement().item_faults(there, here)]


@pytest.mark.parametrize(
    ("name", "value", "right", "wrong"),
    [
        ("customer", {"S": "maria"}, {"S": f"c_{TOKEN}"}, [{"S": "maria"}, {"S": TOKEN}, {"S": "c_short"}, None]),
        ("email", {"S": "a@b.example"}, {"S": f"{TOKEN}@masked.invalid"}, [{"S": "a@b.example"}, {"S": TOKEN}]),
        ("name", {"S": "Maria Muster"}, {"S": "Ada Example"}, [{"S": "Maria Muster"}, {"S": "Ada Muster"}, {"S": ""}]),
        (
            "phone",
            {"S": "+1 202 555"},
            {"S": "+7 913 555"},
            [{"S": "+1 202 555"}, {"S": "+7 913 556"}, {"S": "7913555"}],
        ),
        ("born", {"S": "1984-03-17"}, {"S": "1984-01-01"}, [{"S": "1984-03-17"}, {"S": "1984"}, {"N": "1984"}]),
        ("card", {"S": "4111 1111"}, {"S": "*****1111"}, [{"S": "4111 1111"}, {"S": "*1111"}]),
        ("iban", {"S": "DE02"}, None, [{"S": "DE02"}, {"S": ""}, {"NULL": True}]),
        ("note", {"S": "called"}, {"S": "[removed]"}, [{"S": "called"}, {"S": "[removed] called"}, None]),
        ("message", {"S": "to a@b.c, ok"}, {"S": "to [removed], ok"}, [{"S": "to a@b.c, ok"}, {"S": "[removed] no"}]),
        ("address", {"M": {"street": {"S": "x"}}}, {"M": {}}, [{"M": {"street": {"S": "x"}}}, {"S": ""}]),
        ("visited", {"S": "1984-03-17T08:00Z"}, {"S": "1984-05-01T08:00Z"}, [{"S": "1984-03-17T08:00Z"}]),
        ("signature", {"B": b"inked"}, {"B": bytes(16)}, [{"B": b"inked"}, {"S": "x"}, {"B": bytes(5)}]),
        (
            "signatures",
            {"BS": [b"a", b"b"]},
            {"BS": [bytes(16), b"1" * 16]},
            [{"BS": [b"a", b"b"]}, {"BS": [bytes(16)]}],
        ),
        (
            "scores",
            {"M": {"maria": {"N": "1"}}},
            {"M": {f"c_{TOKEN}": {"N": "1"}}},
            [{"M": {"maria": {"N": "1"}}}, None],
        ),
        ("amount", {"N": "1"}, {"N": "1"}, [{"N": "2"}, {"S": "1"}, None]),
        ("passport", None, None, [{"S": "x"}]),
    ],
)
def test_each_rules_promise_is_checked(name: str, value: Any, right: Any, wrong: list[Any]) -> None:
    assert attribute(name, value, right) == []
    for each in wrong:
        assert len(attribute(name, value, each)) == 1, each
        assert str(value) not in attribute(name, value, each)[0]


def test_null_stays_null_and_what_is_not_there_is_not_made() -> None:
    for name in ("customer", "email", "name", "phone", "born"):
        assert attribute(name, {"NULL": True}, {"NULL": True}) == []
        assert len(attribute(name, None, {"S": f"c_{TOKEN}"})) == 1


def test_one_value_has_one_pseudonym_and_one_pseudonym_one_value() -> None:
    restated = Restatement()

    def fault(value: str, pseudonym: str) -> int:
        return len(list(restated.item_faults({"customer": {"S": value}}, {"customer": {"S": f"c_{pseudonym}"}})))

    assert (fault("maria", TOKEN), fault("maria", TOKEN), fault("noemi", OTHER)) == (0, 0, 0)
    assert (fault("maria", OTHER), fault("basil", TOKEN)) == (1, 1)
    assert restated.pseudonyms == {f"c_{TOKEN}", f"c_{OTHER}"}


def test_a_masked_table_is_right_where_every_cell_is() -> None:
    rows = [f"id,timestamp,email,amount\nmaria,{n},a@b.example,4.50\n" for n in (1, 2)]
    masked = f"id,timestamp,email,amount\nc_{TOKEN},1,{TOKEN}@masked.invalid,4.50\n"

    def faults(original: str, replica: str) -> int:
        return len(list(Restatement().object_faults(TABLE, body(original.encode()), body(replica.encode()))))

    assert faults(rows[0], masked) == 0
    assert faults(rows[0], rows[0]) == 2  # the id and the address
    assert faults(rows[1], masked) == 1
    assert faults(rows[0], masked.replace("4.50", "4.5")) == 1
    assert faults(rows[0] + "noemi,3,,\n", masked) == 1


def test_masked_lines_are_read_packed_and_every_number_as_it_is_spelled() -> None:
    def packed(record: Any) -> ObservedObject:
        return body(gzip.compress(json.dumps(record).encode() + b"\n"))

    original = packed({"id": "maria", "timestamp": 10, "address": {"street": "x"}})
    right = {"id": f"c_{TOKEN}", "timestamp": 10, "address": {}}
    assert list(Restatement().object_faults(LINES, original, packed(right))) == []
    for wrong in ({**right, "timestamp": 10.0}, {**right, "address": {"street": "x"}}, {**right, "more": 1}):
        assert len(list(Restatement().object_faults(LINES, original, packed(wrong)))) == 1


def test_a_key_is_paired_by_what_is_kept_and_checked_for_what_is_not() -> None:
    for original, right, wrong in (
        (OBJECTS.record(TABLE), f"incoming/c_{TOKEN}/orders.csv", TABLE),
        (
            OBJECTS.record(f"rejected/{TABLE}.jsonl".replace(".csv", "")),
            f"rejected/incoming/c_{TOKEN}/orders.jsonl",
            None,
        ),
    ):
        replica = OBJECTS.record(right)
        assert identity(original, None) == identity(replica, None)
        assert list(Restatement().key_faults(original, replica)) == []
        assert len(list(Restatement().key_faults(original, OBJECTS.record(wrong or original.object_key)))) == 1
    item, masked = ITEMS.record("maria", "1"), ITEMS.record(f"c_{TOKEN}", "1")
    assert identity(item, None) == identity(masked, None) != identity(ITEMS.record("maria", "2"), None)
    assert list(Restatement().key_faults(item, masked)) == []


def test_a_runs_summary_is_paired_by_its_times_and_names_no_file() -> None:
    original = body(json.dumps(SUMMARY).encode())
    masked = body(json.dumps(SUMMARY | {"run": TOKEN, "key": "[removed]"}).encode())
    key, replica = OBJECTS.record("results/prod/r.json"), OBJECTS.record(f"results/prod/{TOKEN}.json")
    assert identity(key, original) == identity(replica, masked)
    restated = Restatement()
    assert [*restated.key_faults(key, replica), *restated.object_faults(key.object_key, original, masked)] == []
    assert len(list(Restatement().object_faults(key.object_key, original, original))) == 2  # the run and the key


@pytest.mark.parametrize(
    ("name", "refused"),
    [("incoming/maria/a.csv", False), ("incoming/a.csv", True), ("exports/a.csv", True), ("assets/a.csv", False)],
)
def test_a_key_that_no_rule_knows_is_to_be_refused(name: str, refused: bool) -> None:
    assert is_refused((OBJECTS.record(name), body(b"id,timestamp\na,1\n"))) is refused


def test_a_field_that_no_rule_knows_and_an_address_in_what_is_kept_are_to_be_refused() -> None:
    key = ITEMS.record("maria", "1")
    assert is_refused((OBJECTS.record(TABLE), body(b"id,passport\na,1\n")))
    assert is_refused((key, {"passport": {"S": "x"}}))
    assert is_refused((key, {"state": {"S": "ask a@b.example"}}))
    assert not is_refused((key, {"state": {"S": "paid"}, "environment": {"S": "prod"}}))
