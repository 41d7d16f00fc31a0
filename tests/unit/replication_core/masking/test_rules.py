"""Every kind of rule on every type of values: what it makes, what it keeps, and what it refuses."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.masking.refusals import Unclassified
from replication_core.masking.rules import RULES, SETS
from replication_core.numbers import NumberError, number_text
from tests.unit.replication_core.masking.refusal import told_by

PSEUDONYMS = Pseudonyms(bytes(range(32)), 1)
REFUSED = "refused"


def made(kind: str, settings: Mapping[str, Any], type_: str, value: Any) -> Any:
    return RULES[kind].masker(settings, PSEUDONYMS)(type_, value)


SAMPLES: Mapping[str, Any] = {
    "S": "1987-05-23",
    "N": "123456.5",
    "B": b"\x00\xff",
    "BOOL": True,
    "NULL": True,
    "SS": ["2001-01-01", "2001-02-02"],
    "NS": ["1", "2"],
    "BS": [b"a", b""],
    "L": [{"S": "a"}],
    "M": {"a": {"S": "a"}},
}
SET: Mapping[str, Mapping[str, Any]] = {
    "keep": {},
    "replace": {"value": {"S": "[removed]"}},
    "pseudonym": {"namespace": "customer", "prefix": "c_"},
    "email": {"namespace": "mail"},
    "digits": {"keep_last": 3},
    "fake": {"table": "names"},
    "bucket": {"by": "year"},
    "shift": {"namespace": "visits", "days": 365},
    "last": {"characters": 2},
    "redact": {"detectors": ["email", "card"]},
}
MADE: Mapping[str, Mapping[str, Any]] = {
    "keep": {type_: value for type_, value in SAMPLES.items() if type_ not in {"L", "M"}},
    "replace": {"S": "[removed]", "SS": ["[removed]"]},
    "pseudonym": {
        "S": "c_bpob3l74rtvb7hydrjiz36myqm",
        "N": "4679375827020880871346756186537388681",
        "B": bytes.fromhex("91fe91e57e60f7d0e8dc9e7b13690e68"),
        "SS": ["c_eywpuywh6yghzahxtkdukdl36m", "c_h6vas75tl522r6awixaqfrwaiu"],
        "NS": ["30530479990289881178649444792492183025", "16544625583746074034654698989607086270"],
        "BS": [bytes.fromhex("a5a10cded0507ab4b14916d05c52da85"), bytes.fromhex("5a78d87a6c4b023521a57273fbd01d40")],
    },
    "email": {
        "S": "nbahuxrfu625m5f34ue7g67zra@masked.invalid",
        "SS": ["yvq3h5dsphnwohdyhtlq4zwlki@masked.invalid", "h52kjhotfa5vkklu2a7ycqgkii@masked.invalid"],
    },
    "digits": {"S": "9741-05-23", "N": "328456.5", "SS": ["3941-91-01", "7869-62-02"], "NS": ["4", "6"]},
    "fake": {"S": "Otto Roth", "SS": ["Igor Bach", "Sara Jung"]},
    "bucket": {"S": "1987-01-01", "SS": ["2001-01-01"]},
    "shift": {"S": "1987-08-16", "N": "7467456.5", "SS": ["2001-03-27", "2001-04-28"], "NS": ["7344001", "7344002"]},
    "last": {"S": "********23", "SS": ["********01", "********02"]},
    "redact": {"S": "1987-05-23", "SS": ["2001-01-01", "2001-02-02"]},
}
"""What each rule makes of each sample it takes: golden vectors, which fix version 1. Null stays null under each."""


@pytest.mark.parametrize("type_", SAMPLES)
@pytest.mark.parametrize("kind", SET)
def test_a_rule_makes_of_a_value_one_of_the_same_type_or_refuses_it(kind: str, type_: str) -> None:
    expected = {**MADE[kind], "NULL": True}
    if type_ in expected:
        assert made(kind, SET[kind], type_, SAMPLES[type_]) == expected[type_]
        assert type_ == "NULL" or type_ in RULES[kind].takes(SET[kind])
    else:
        with pytest.raises(Unclassified, match=f"^a value's type is {type_}, and the rule takes "):
            made(kind, SET[kind], type_, SAMPLES[type_])
        assert type_ not in RULES[kind].takes(SET[kind])


def test_every_kind_of_rule_is_among_these() -> None:
    assert RULES.keys() == {*SET, "drop"}


@pytest.mark.parametrize(
    ("kind", "settings", "type_", "value", "expected"),
    [
        ("keep", {"types": ["N"]}, "N", "1", "1"),
        ("keep", {"types": ["N"]}, "S", "1", REFUSED),
        ("keep", {"types": ["N"]}, "NS", ["1"], REFUSED),
        ("keep", {"types": ["S"]}, "NULL", True, True),
        ("keep", {}, "N", "4111111111111111", REFUSED),
        ("keep", {}, "N", "0.4111111111111111", "0.4111111111111111"),
        ("keep", {}, "NS", ["1", "4111111111111111"], REFUSED),
        ("keep", {}, "B", b"write to jane@example.com", REFUSED),
        ("keep", {}, "BS", [b"jane@example.com"], REFUSED),
        ("keep", {}, "B", b"\xffjane@example.com", b"\xffjane@example.com"),
        ("keep", {}, "SS", ["a", "jane@example.com"], REFUSED),
        ("keep", {"allow": ["email"], "reason": "of a shop"}, "S", "shop@example.com", "shop@example.com"),
        ("keep", {"allow": ["email"], "reason": "of a shop"}, "S", "shop@example.com 4111111111111111", REFUSED),
        ("keep", {}, "S", "", ""),
        ("keep", {}, "B", b"", b""),
        ("replace", {"value": {"N": "0"}}, "N", "17", "0"),
        ("replace", {"value": {"N": "0"}}, "NS", ["17", "18"], ["0"]),
        ("replace", {"value": {"N": "0"}}, "S", "17", REFUSED),
        ("replace", {"value": {"BOOL": False}}, "BOOL", True, False),
        ("replace", {"value": {"BOOL": False}}, "S", "true", REFUSED),
        ("pseudonym", {"namespace": "customer"}, "S", "", "hugnjbyht7zpz47jyxeapvek5i"),
        ("pseudonym", {"namespace": "customer"}, "N", "17.0", "29083790081208370359101312622720137309"),
        ("pseudonym", {"namespace": "customer"}, "N", "1.7E+1", "29083790081208370359101312622720137309"),
        ("pseudonym", {"namespace": "customer"}, "NS", ["17", "17.0"], ["29083790081208370359101312622720137309"]),
        ("pseudonym", {"namespace": "customer"}, "N", "1" * 39, REFUSED),
        ("digits", {}, "S", "", ""),
        ("digits", {}, "S", "call Jane", "**** ****"),
        ("digits", {"keep_last": 3}, "S", "no. 12", "**. 16"),
        ("bucket", {"by": "month"}, "S", "1987-05-23", "1987-05-01"),
        ("bucket", {"by": "day"}, "S", "1987-05-23T10:11:12.345Z", "1987-05-23T00:00:00.000Z"),
        ("bucket", {"by": "hour"}, "S", "1987-05-23 10:11:12+02:00", "1987-05-23 10:00:00+02:00"),
        ("bucket", {"by": "hour"}, "S", "1987-05-23", "1987-05-23"),
        ("bucket", {"by": "year"}, "S", "1987-05", "1987-01"),
        ("bucket", {"by": "year"}, "S", "1987", "1987"),
        ("bucket", {"by": "year"}, "S", "1987-02-30", REFUSED),
        ("bucket", {"by": "year"}, "S", "1987-05-23T24:00", REFUSED),
        ("bucket", {"by": "year"}, "S", "in May 1987", REFUSED),
        ("bucket", {"by": "year"}, "S", "\uff11987-05-23", REFUSED),
        ("bucket", {"by": "year"}, "N", "1987", REFUSED),
        ("bucket", {"by": "10"}, "N", "17", "10"),
        ("bucket", {"by": "10"}, "N", "-1", "-10"),
        ("bucket", {"by": "0.5"}, "N", "1.75", "1.5"),
        ("bucket", {"by": "10"}, "N", "1" + "0" * 125, "1" + "0" * 125),
        ("bucket", {"by": "10"}, "N", "0." + "0" * 129 + "1", "0"),
        ("bucket", {"by": "7"}, "N", "1" + "0" * 125, REFUSED),
        ("bucket", {"by": "10"}, "S", "17", REFUSED),
        ("shift", {"namespace": "visits", "days": 365}, "S", "1987-05-23T10:11:12Z", "1987-08-16T10:11:12Z"),
        ("shift", {"namespace": "visits", "days": 365}, "S", "1987-05-23T10:11:12.4111111111", REFUSED),
        ("shift", {"namespace": "visits", "days": 365}, "S", "1987-05", REFUSED),
        ("shift", {"namespace": "visits", "days": 365}, "S", "9999-12-31", REFUSED),
        ("shift", {"namespace": "visits", "days": 365}, "N", "1700000000000", REFUSED),
        ("last", {"characters": 4}, "S", "1234", "****"),
        ("last", {"characters": 0}, "S", "1234", "****"),
        ("last", {"characters": 4}, "S", "", ""),
        ("last", {"characters": 20}, "S", "the mail is jane@example.com", REFUSED),
        ("redact", {"detectors": ["email"]}, "S", "write to jane@example.com", "write to [removed]"),
        ("redact", {"detectors": ["email"]}, "S", "jane@example.com 4111111111111111", REFUSED),
    ],
)
def test_what_a_rule_makes_at_its_edges(
    kind: str, settings: Mapping[str, Any], type_: str, value: Any, expected: Any
) -> None:
    if expected == REFUSED:
        with pytest.raises(Unclassified):
            made(kind, settings, type_, value)
    else:
        assert made(kind, settings, type_, value) == expected


TEXTS = st.text(st.characters(codec=None, exclude_categories=()))
"""With halves of surrogate pairs, which a JSON text may hold, and NFC beside NFD."""

NUMBERS = st.builds(
    lambda digits, exponent, sign: f"{sign}{digits}e{exponent}",
    st.from_regex("[1-9][0-9]{0,37}", fullmatch=True),
    st.integers(-130, 125),
    st.sampled_from(["", "-"]),
)
DATES = st.dates(min_value=date(2, 1, 1), max_value=date(9998, 1, 1)).map(str)


def spelled(number: str) -> str:
    try:
        return number_text(number)
    except NumberError:
        assume(False)
        raise


VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "S": st.one_of(TEXTS, DATES, st.from_regex(r"[0-9 +()/-]{0,60}", fullmatch=True)),
    "N": st.one_of(NUMBERS.map(spelled), st.integers(-(10**12), 10**12).map(str)),
    "B": st.binary(),
    "BOOL": st.booleans(),
}
SCALARS = st.sampled_from(sorted(VALUES)).flatmap(lambda type_: st.tuples(st.just(type_), VALUES[type_]))
SETS_OF = st.sampled_from(sorted(SETS)).flatmap(
    lambda type_: st.tuples(st.just(type_), st.lists(VALUES[SETS[type_]], min_size=1, max_size=5, unique=True))
)
SETTINGS = st.sampled_from(
    [
        *SET.items(),
        ("replace", {"value": {"N": "7"}}),
        ("replace", {"value": {"BOOL": True}}),
        ("bucket", {"by": "0.25"}),
        ("bucket", {"by": "hour"}),
        ("digits", {}),
        ("digits", {"keep_last": 20}),
        ("last", {"characters": 0}),
    ]
)


def is_of(type_: str, value: Any) -> bool:
    """Tell whether it is a value of a type as DynamoDB would give it back."""
    if type_ in SETS:
        return bool(value) and len(set(value)) == len(value) and all(is_of(SETS[type_], member) for member in value)
    if type_ == "N":
        return isinstance(value, str) and number_text(value) == value
    return type(value) is {"S": str, "B": bytes, "BOOL": bool}[type_]


@given(SETTINGS, st.one_of(SCALARS, SETS_OF))
def test_a_value_keeps_its_type_a_number_its_one_spelling_and_a_set_is_never_empty(
    rule: tuple[str, Mapping[str, Any]], value: tuple[str, Any]
) -> None:
    kind, settings = rule
    try:
        masked = made(kind, settings, *value)
    except Unclassified:
        return
    assert is_of(value[0], masked)
    assert made(kind, settings, *value) == masked


@given(st.sampled_from(["S", "N", "B"]).flatmap(lambda type_: st.tuples(st.just(type_), VALUES[type_], VALUES[type_])))
@example(("S", "\u00e9", "e\u0301"))
@example(("S", "\ud83d\ude00", "\U0001f600"))
@example(("S", "", " "))
def test_different_values_stay_different_under_a_rule_that_is_injective(two: tuple[str, Any, Any]) -> None:
    type_, one, other = two
    for kind in (kind for kind in SET if RULES[kind].injective and type_ in RULES[kind].takes(SET[kind])):
        assert kind == "keep" or (
            (made(kind, SET[kind], type_, one) == made(kind, SET[kind], type_, other)) is (one == other)
        )
    assert {kind for kind in RULES if RULES[kind].injective} == {"keep", "pseudonym", "email"}


@given(NUMBERS.map(spelled))
def test_a_number_of_38_digits_is_kept_exactly(number: str) -> None:
    assume(len(number) <= 12 or not number.isdigit())
    assert made("keep", {}, "N", number) == number


@given(st.from_regex(r"[0-9 +()/.-]{0,80}", fullmatch=True), st.integers(0, 5))
def test_masked_digits_keep_length_separators_and_so_many_at_the_end(text: str, keep_last: int) -> None:
    masked = made("digits", {"keep_last": keep_last}, "S", text)
    digits, masked_digits = ([each for each in one if each.isdigit()] for one in (text, masked))
    assert [each.isdigit() or each for each in masked] == [each.isdigit() or each for each in text]
    if 0 < keep_last < len(digits):
        assert masked_digits[-keep_last:] == digits[-keep_last:]


@given(NUMBERS.map(spelled))
def test_a_number_of_masked_digits_keeps_its_length_and_its_sign_and_is_in_its_one_spelling(number: str) -> None:
    masked = made("digits", {}, "N", number)
    assert number_text(masked) == masked
    assert [each.isdigit() or each for each in masked] == [each.isdigit() or each for each in number]


def test_of_few_digits_none_is_kept() -> None:
    settings = {"keep_last": 4}
    kept = [
        number for number in range(10_000) if made("digits", settings, "S", f"{number:04d}")[-1] == f"{number:04d}"[-1]
    ]
    assert 700 < len(kept) < 1300  # as many as chance has it


def test_masked_digits_are_as_good_as_drawn() -> None:
    drawn = "".join(made("digits", {}, "S", f"{number:050d}") for number in range(200))
    assert all(800 < drawn.count(str(digit)) < 1200 for digit in range(10))


@given(DATES, DATES, st.sampled_from(["", "T10:11:12Z", " 23:59:59.999"]))
def test_shifted_dates_keep_their_order_and_their_time(one: str, other: str, time: str) -> None:
    shifted = [made("shift", SET["shift"], "S", day + time) for day in (one, other)]
    assert (shifted[0] < shifted[1]) is (one + time < other + time)
    assert all(each.endswith(time) and each != day + time for each, day in zip(shifted, (one, other), strict=True))


@given(st.decimals(-(10**10), 10**11, places=9), st.decimals(-(10**10), 10**11, places=9))
def test_shifted_seconds_keep_their_distance_exactly(one: Decimal, other: Decimal) -> None:
    shifted = [Decimal(made("shift", SET["shift"], "N", number_text(each))) for each in (one, other)]
    assert shifted[0] - shifted[1] == one - other
    assert 0 < abs(shifted[0] - one) <= 365 * 86400


@pytest.mark.parametrize("days", [1, 2, 30])
def test_a_shift_is_of_at_least_a_day_and_of_no_more_than_it_may_be(days: int) -> None:
    offsets = {
        int(made("shift", {"namespace": f"visits{number}", "days": days}, "N", "0")) // 86400 for number in range(400)
    }
    assert offsets == {*range(-days, days + 1)} - {0}


@given(NUMBERS.map(spelled), st.sampled_from(["1", "10", "0.25", "7"]))
def test_a_number_falls_into_the_bucket_that_begins_at_or_below_it(number: str, size: str) -> None:
    try:
        begin = Fraction(made("bucket", {"by": size}, "N", number))
    except Unclassified:
        return
    assert begin <= Fraction(number) < begin + Fraction(size)
    assert (begin / Fraction(size)).denominator == 1


@given(st.text(), st.integers(0, 10))
def test_of_a_text_no_more_than_its_last_characters_are_shown(text: str, characters: int) -> None:
    try:
        masked = made("last", {"characters": characters}, "S", text)
    except Unclassified:
        return
    assert len(masked) == len(text)
    shown = characters if characters < len(text) else 0
    assert masked == "*" * (len(text) - shown) + text[len(text) - shown :]


CANARY = "canary-7f3a-jane@example.com"


@pytest.mark.parametrize("type_", [*SAMPLES, CANARY])
@pytest.mark.parametrize(("kind", "settings"), [*SET.items(), ("bucket", {"by": "10"})])
def test_a_refusal_holds_no_value_wherever_one_looks(kind: str, settings: Mapping[str, Any], type_: str) -> None:
    canaries: Mapping[str, Any] = {
        "B": CANARY.encode(),
        "SS": [CANARY],
        "NS": [CANARY],
        "BS": [CANARY.encode()],
        "L": [{"S": CANARY}],
        "M": {CANARY: {"S": CANARY}},
    }
    refused = None
    try:
        made(kind, settings, type_, canaries.get(type_, CANARY))
    except Unclassified as error:
        refused = error
    assert refused is None or CANARY not in told_by(refused)


SHOW = """
import sys
from tests.unit.replication_core.masking.test_rules import MADE, SAMPLES, SET, made
print({kind: {type_: made(kind, SET[kind], type_, SAMPLES[type_]) for type_ in MADE[kind]} for kind in SET} == MADE)
"""


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_another_process_makes_the_same(seed: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", SHOW], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "True\n"


@pytest.mark.parametrize(
    ("kind", "settings", "wrong"),
    [
        *((kind, settings, "") for kind, settings in SET.items()),
        ("drop", {}, ""),
        ("keep", {"types": ["N"], "reason": "no person"}, ""),
        ("keep", {"types": ["L"]}, "needs one or more of B, BOOL, BS, N, NS, S, SS as its types"),
        ("keep", {"allow": ["email"]}, "needs a reason for what it allows"),
        ("keep", {"allow": ["mail"], "reason": "x"}, "needs one or more of email, card, iban, token as its allow"),
        ("keep", {"reason": ""}, "needs a text that is not empty as its reason"),
        ("keep", {"type": ["N"]}, "has no setting 'type'; it has types, reason, allow"),
        ("drop", {"reason": "x"}, "has no setting 'reason'; it has none"),
        ("replace", {}, "needs its value"),
        ("replace", {"value": {"N": "1.0"}}, "needs a text, a number or true or false as its value"),
        ("pseudonym", {"prefix": "c_"}, "needs its namespace"),
        ("pseudonym", {"namespace": "~version"}, "needs the name of a namespace as its namespace"),
        ("digits", {"keep_last": True}, "needs a whole number from 0 to 37 as its keep_last"),
        ("fake", {"table": "dogs"}, "needs one of names, cities, streets, companies as its table"),
        ("bucket", {"by": "week"}, "needs one of year, month, day, hour, or a number above 0 as its by"),
        ("bucket", {"by": "0"}, "needs one of year, month, day, hour, or a number above 0 as its by"),
        ("bucket", {"by": ["year"]}, "needs one of year, month, day, hour, or a number above 0 as its by"),
        ("shift", {"namespace": "visits"}, "needs its days"),
        ("shift", {"namespace": "visits", "days": 0}, "needs a whole number from 1 to 36500 as its days"),
        ("last", {"characters": -1}, "needs a whole number from 0 to 1000 as its characters"),
        ("redact", {"detectors": []}, "needs one or more of email, card, iban, token as its detectors"),
    ],
)
def test_what_is_wrong_with_settings_is_said_in_a_sentence(kind: str, settings: Mapping[str, Any], wrong: str) -> None:
    assert RULES[kind].wrong(settings) == wrong
