"""Records' bytes masked: what no rule changes byte for byte, and never a record that was not surely understood."""

import base64
import csv
import json
import traceback
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from replication_core.masking import records
from replication_core.masking.attributes import AttributeMasks
from replication_core.masking.detectors import DETECTORS
from replication_core.masking.paths import Node
from replication_core.masking.policy import PathRule, Rule
from replication_core.masking.pseudonyms import Pseudonyms, token, whole_number
from replication_core.masking.records import FieldMask, RecordMask
from replication_core.masking.refusals import Unclassified

SECRETS = Pseudonyms(bytes(32), 1)
KEEP, DROP = Rule("keep", line=1), Rule("drop", line=2)
CUSTOMER = Rule("pseudonym", {"namespace": "customer"}, 3)


def told(text: str) -> str:
    return token(SECRETS.digest("customer", "S", text))


NUMBER = whole_number(SECRETS.digest("customer", "N", "1.5"))
BYTES = base64.b64encode(SECRETS.digest("customer", "B", b"\0\1")).decode()


def mask_of(*rules: PathRule, drops_unknown: bool = False, **travels: Any) -> RecordMask:
    return RecordMask(rules, AttributeMasks(SECRETS, drops_unknown=drops_unknown), travels)


def keep_all() -> RecordMask:
    """A mask that keeps whatever it reads."""
    mask = mask_of(PathRule("a", Rule("keep", {"allow": list(DETECTORS)})))
    every: Node[FieldMask] = Node(mask.root.names["a"].rule)
    every.other = every.elements = every
    mask.root = every
    return mask


def masked(text: str | bytes, *rules: PathRule, **options: Any) -> str | None:
    made = mask_of(*rules, **options).json(text.encode() if isinstance(text, str) else text)
    return None if made is None else made.decode()


def test_a_value_is_masked_and_every_other_byte_stays() -> None:
    text = '\t{ "id" : "a\\u00e9\\n",\r\n "n":-1.50E+02 ,"x":[ 1.0,{"y":"\\/ é"} ] , "z":null}  \r'
    rules = (PathRule("id", CUSTOMER), PathRule("n", KEEP), PathRule("x[]", KEEP), PathRule("x[].y", KEEP))
    expected = text.replace('"a\\u00e9\\n"', f'"{told("aé" + chr(10))}"')
    assert masked(text, *rules, PathRule("z", CUSTOMER)) == expected


def test_a_masked_text_is_quoted_as_json_has_it() -> None:
    assert masked('{"a": "x"}', PathRule("a", Rule("replace", {"value": {"S": '"\\\n é'}}))) == '{"a": "\\"\\\\\\n é"}'


@pytest.mark.parametrize(
    ("rule", "value", "made"),
    [
        (Rule("replace", {"value": {"N": "7"}}), "1.50", "7"),
        (Rule("replace", {"value": {"BOOL": True}}), "false", "true"),
        (Rule("bucket", {"by": "10"}), "1.25e1", "10"),
        (Rule("bucket", {"by": "10"}), "20.0", "20.0"),
        (KEEP, "true", "true"),
        (CUSTOMER, "null", "null"),
        (Rule("pseudonym", {"namespace": "customer", "type": "N"}), '"1.50"', f'"{NUMBER}"'),
        (Rule("pseudonym", {"namespace": "customer", "type": "B"}), '"AAE="', f'"{BYTES}"'),
    ],
)
def test_each_type_stays_what_it_is(rule: Rule, value: str, made: str) -> None:
    assert masked(f'{{"a":{value}}}', PathRule("a", rule)) == f'{{"a":{made}}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"d": 1, "a": 2}', '{ "a": 2}'),
        ('{"a": 2, "d": {"x": [1, "]}"]} }', '{"a": 2}'),
        ('{"d": 1 , "e":2}', "{}"),
        ('{"d": {"x": {"jane@example.com": {"joe@example.com": [[1]]}}}}', "{}"),
        ('{ "a": 1, "d": [], "e": "x", "a2": 2, "e2":null }', '{ "a": 1, "a2": 2}'),
        ('{"l": [1, "x", 2]}', '{"l": []}'),
        ('{"m": {"d": 1, "a": 2, "d2": 3}}', '{"m": { "a": 2}}'),
        ('{"m": ["x"], "a": 1}', '{"m": [], "a": 1}'),
    ],
)
def test_what_is_left_out_goes_with_its_comma(text: str, expected: str) -> None:
    rules = [PathRule(path, DROP) for path in ("d", "e", "e2", "l[]", "m")]
    assert masked(text, *rules, PathRule("m.a", KEEP), PathRule("a", KEEP), PathRule("a2", KEEP)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"x": {"y": 1}, "a": 2}', '{ "a": 2}'), ('{"m": 1, "a": 2}', '{ "a": 2}'), ('{"m": {"x": "y"}}', '{"m": {}}')],
)
def test_what_no_rule_is_for_is_left_out_where_the_policy_says_so(text: str, expected: str) -> None:
    rules = (PathRule("a", KEEP), PathRule("m.b", KEEP))
    assert masked(text, *rules, drops_unknown=True) == expected
    with pytest.raises(Unclassified, match="no rule is for"):
        masked(text, *rules)


def test_names_that_are_data_are_masked() -> None:
    rules = (PathRule("m{}", KEEP, CUSTOMER), PathRule("m.known", KEEP))
    text = '{"m": {"jane" : 1, "known": 2, "jo\\u0065": 3}}'
    assert masked(text, *rules) == f'{{"m": {{"{told("jane")}" : 1, "known": 2, "{told("joe")}": 3}}}}'
    with pytest.raises(Unclassified, match="the same"):
        masked('{"m": {"x": 1, "y": 2}}', PathRule("m{}", KEEP, Rule("replace", {"value": {"S": "z"}})))


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"{CANARY}": 1}}',
        f'{{"m": {{"{CANARY}": 1}}}}',
        f'{{"m": "{CANARY}"}}',
        f'{{"a": {{"{CANARY}": 1}}}}',
        f'{{"a": ["{CANARY}"]}}',
        f'{{"a": "{CANARY}@example.com"}}',
        f'{{"a": "{CANARY}\\u0040example.com"}}',
        f'{{"o": {{"{CANARY}@example.com": 1}}}}',
        f'{{"b": "{CANARY}"}}',
        f'{{"n": "{CANARY}"}}',
        '{"n": "123456789012345678901234567890123456789"}',
        f'{{"a": "{CANARY}", "a": 1}}',
        f'{{"d": {{"{CANARY}": 1, "{CANARY}": 2}}}}',
        f'{{"a": "{CANARY}", "\\u0061": 1}}',
        f'{{"a": "{CANARY}\\ud800"}}',
        f'{{"d": ["{CANARY}\\udfff"]}}',
        f'{{"a": "{CANARY}"'.encode() + b'\xff"}',
        f'{{"a": NaN, "{CANARY}": 1}}',
        '{"a": -Infinity}',
        '{"a": 01}',
        '{"a": 1.}',
        '{"a": +1}',
        '{"a": .5}',
        '{"a": 1_0}',
        '{"a": "x\ty"}',
        '{"a": "\\x"}',
        '{"a": "\\u12"}',
        '{"a": 1,}',
        '{"a": 1 "n": 2}',
        '{"a": 1}}',
        '{"a": 1} {}',
        "{'a': 1}",
        '{"a": 1',
        '{"a"}',
        '{"l": [1,]}',
        '{"l": [1}',
        '{"a": tru}',
        '[{"a": 1}]',
        f'"{CANARY}"',
        "",
        "\xa0{}",
        "\ufeff{}",
    ],
)
def test_what_is_not_surely_understood_is_refused_and_nothing_of_it_is_told(text: str | bytes) -> None:
    rules = (
        *(PathRule("a", KEEP), PathRule("m.known", KEEP), PathRule("o.*", KEEP), PathRule("d", DROP)),
        *(
            PathRule("l[]", KEEP),
            PathRule("b", Rule("keep", {"type": "B"})),
            PathRule("n", Rule("keep", {"type": "N"})),
        ),
    )
    with pytest.raises(Unclassified) as refused:
        masked(text, *rules)
    assert CANARY not in "".join(traceback.format_exception(refused.value))


def test_a_refusal_names_the_rules_path_and_line() -> None:
    with pytest.raises(Unclassified, match=r"^a.b, policy line 1: "):
        masked('{"a": {"b": []}}', PathRule("a.b", KEEP))
    with pytest.raises(Unclassified, match=r"^a.\*: "):
        masked('{"a": {"b": {"c": 1}}}', PathRule("a.*.d", KEEP))


@pytest.mark.parametrize("rule", [KEEP, DROP])
def test_32_levels_may_be_nested_and_no_more(rule: Rule) -> None:
    mask = keep_all()
    if rule is DROP:
        mask.root.names["a"] = mask_of(PathRule("a", DROP)).root.names["a"]
    text = '{"a": ' + "[" * 32 + "]" * 32 + "}"
    assert mask.json(text.encode()) == (text.encode() if rule is KEEP else b"{}")
    for depth in (33, 100_000):
        with pytest.raises(Unclassified, match="deeper than 32"):
            mask.json(('{"a": ' + "[" * depth + "]" * depth + "}").encode())


def test_a_record_of_which_a_value_tells_so_does_not_travel() -> None:
    rules = (PathRule("id", CUSTOMER), PathRule("a", KEEP))
    travels: dict[str, Any] = {"id": lambda _, value: value == "in"}
    assert masked('{"id": "out", "a": 1}', *rules, **travels) is None
    assert masked('{"id": "in", "a": 1}', *rules, **travels) == f'{{"id": "{told("in")}", "a": 1}}'
    assert masked('{"a": 1}', *rules, **travels) == '{"a": 1}'
    mask = mask_of(*rules, **travels)
    _, columns = mask.header(b"a,id")
    assert mask.row(b"1,out", columns) is None
    assert mask.row(b"1,", columns) == b"1,"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(st.text(max_size=4), json_values, max_size=5)


@given(
    fields=json_objects, indent=st.sampled_from([None, 1, "\t"]), ascii_=st.booleans(), space=st.sampled_from(["", " "])
)
def test_a_record_that_is_kept_is_the_same_bytes(fields: dict[str, Any], indent: Any, ascii_: bool, space: str) -> None:
    data = json.dumps(fields, indent=indent, ensure_ascii=ascii_, separators=(space + ",", space + ":")).encode()
    assert keep_all().json(data) == data


def strictly(data: bytes) -> Any:
    """What Python's own reader, made strict, makes of it; raises ValueError or RecursionError."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) != len(found):
            raise ValueError
        return dict(found)

    def constant(_: str) -> Any:
        raise ValueError

    value = json.loads(
        data.decode(), object_pairs_hook=pairs, parse_float=Decimal, parse_int=Decimal, parse_constant=constant
    )
    json.dumps(value, ensure_ascii=False, default=str).encode()
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004
    return value


bits = st.sampled_from(
    [
        *rb'"a"_"b":_"c":_{_}_[_]_,_:_ _1_-_0_.5_e3_true_null_\_"_\u00e9_\ud83d_\ude00_NaN'.split(b"_"),
        *(b"\xc3\xa9", b"\xff", b"\n", b"\x0b"),
    ]
)


@given(
    soup=st.lists(bits, max_size=12).map(b"".join),
    begin=st.sampled_from([b"{", b'{"x":', b'{"x":[', b'{"x":{"y":', b""]),
)
@example(soup=b'1,"x":2}', begin=b'{"x":')
def test_no_bytes_are_taken_that_a_strict_reader_refuses_or_the_other_way_round(soup: bytes, begin: bytes) -> None:
    closing = b'"' * (soup.count(b'"') % 2) + b"".join(
        {b"{": b"}", b"[": b"]"}[bytes([c])] for c in begin[::-1] if c in b"{["
    )
    for data in (begin + soup, begin + soup + closing):
        try:
            strictly(data)
        except (ValueError, RecursionError):
            with pytest.raises(Unclassified):
                keep_all().json(data)
        else:
            assert keep_all().json(data) == data


@given(
    fields=json_objects,
    masks=st.lists(st.sampled_from([KEEP, DROP, Rule("replace", {"value": {"S": 'x"'}})]), min_size=3, max_size=3),
)
def test_a_masked_record_is_json_of_the_masked_values(fields: dict[str, Any], masks: list[Rule]) -> None:
    texts = {f"t{number}": text for number, text in enumerate(sorted(fields))}
    record = {**{f"d{name}": value for name, value in fields.items()}, **texts}
    assume("d" not in record)
    rules = [PathRule(f"t{number}", masks[number % 3]) for number in range(len(texts))]
    made = masked(json.dumps(record, indent=1), *rules, drops_unknown=True)
    kept = {f"t{number}": text for number, text in enumerate(texts.values())}
    expected = {
        name: text if rule is KEEP else 'x"'
        for (name, text), rule in zip(kept.items(), masks * 10, strict=False)
        if rule is not DROP
    }
    assert json.loads(made or "") == expected


valid = st.sampled_from(
    ['"x"', '"out"', '"in"', r'"é\n"', "1", "-0", "1.50", "1e3", "null", "true", "false", "{}", "[]"]
)
bad = st.sampled_from([r'"\ud800"', '"a@example.com"', '"', '"x" ', '"a","t":1', "01", "1.", "NaN"])
fills = st.tuples(*[valid] * 5) | st.tuples(valid, valid, bad, bad, valid) | st.tuples(bad, valid, valid, valid, bad)


@example(fills=[("1", "1", "1", "1", "1"), ("1", "1", "1", "1", "null")])
@given(fills=st.lists(fills, max_size=6))
def test_records_that_are_alike_are_masked_as_each_by_itself(fills: list[tuple[str, ...]]) -> None:
    rules = (
        *(PathRule("t", CUSTOMER), PathRule("n", KEEP), PathRule("d", DROP), PathRule("m{}", KEEP, CUSTOMER)),
        *(PathRule("l[]", CUSTOMER), PathRule("k.x", KEEP)),
    )
    travels: dict[str, Any] = {"t": lambda _, value: value != "out"}

    def made(mask: RecordMask, fill: tuple[str, ...]) -> Any:
        text = '{{"t": {}, "n":{}, "d": [{}, 1], "m": {{"x": {}}}, "k": {}, "l": ["a", 2]}}'
        try:
            return mask.json(text.format(*fill).encode())
        except Unclassified as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(records, "_LEARNT_OF", 1)
        learning = mask_of(*rules, drops_unknown=True, **travels)
        for fill in fills:
            assert made(learning, fill) == made(mask_of(*rules, drops_unknown=True, **travels), fill)


CSV_RULES = (
    PathRule("id", CUSTOMER),
    PathRule("n", Rule("keep", {"type": "N"})),
    PathRule("t", KEEP),
    PathRule("d", DROP),
)


def rows(*lines: bytes, rules: tuple[PathRule, ...] = CSV_RULES, **options: Any) -> list[bytes | None]:
    mask = mask_of(*rules, **options)
    header, columns = mask.header(lines[0])
    return [header, *(mask.row(line, columns) for line in lines[1:])]


def test_a_cell_is_masked_and_every_other_byte_stays() -> None:
    a = told("a").encode()
    assert rows(b'id,"t",n\r', b'a,"x ""y"", z",1.50\r', b'"a", 5" ,', b',"",7') == [
        b'id,"t",n\r',
        a + b',"x ""y"", z",1.50\r',
        b'"' + a + b'", 5" ,',
        b',"",7',
    ]


def test_a_masked_cell_has_quotes_where_it_needs_them() -> None:
    for text in ('a,"b"', "a\nb", "a\rb"):
        made = rows(
            b"id,t", b"x,y", rules=(PathRule("id", Rule("replace", {"value": {"S": text}})), PathRule("t", KEEP))
        )
        assert made[1] == ('"' + text.replace('"', '""') + '",y').encode()


def test_a_column_that_is_left_out_goes_from_each_row() -> None:
    assert rows(b"d,t,n", b'"x,",y,1', b",,") == [b"t,n", b"y,1", b","]
    assert rows(b"t,other", b"y,1", drops_unknown=True) == [b"t", b"y"]


@pytest.mark.parametrize(("type_", "cell"), [("N", b" 1.50 "), ("BOOL", b" TRUE "), ("B", b"AAE="), ("N", b"007")])
def test_a_kept_cell_of_another_type_stays_as_it_is_written(type_: str, cell: bytes) -> None:
    rules = (PathRule("a", Rule("keep", {"type": type_})), PathRule("b", KEEP))
    assert rows(b"a,b", cell + b",x", rules=rules)[1] == cell + b",x"
    with pytest.raises(Unclassified, match=f"no value of type {type_}"):
        rows(b"a,b", b"@,x", rules=rules)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((b"id,id",), "two columns"),
        ((b"," * 10_000,), "10,000 columns"),
        ((b"id,",), "without a name"),
        ((b"id,canary",), "no rule is for"),
        ((b"id,t", b"a"), "1 cells"),
        ((b"id,t", b"a,b,c"), "3 cells"),
        ((b"id,t", b'"a"b,c'), "not CSV"),
        ((b"id,t", b'a,"b'), "not CSV"),
        ((b"id,t", b"a,b\rc"), "not CSV"),
        ((b"id,t", b"a,\xff"), "not UTF-8"),
        ((b"id,t", b"a,canary@example.com"), "e-mail"),
        ((b"id,n", b"a,canary"), "no value of type N"),
    ],
)
def test_rows_that_are_not_what_their_header_says_are_refused(lines: tuple[bytes, ...], why: str) -> None:
    with pytest.raises(Unclassified, match=why) as refused:
        rows(*lines)
    assert "canary" not in "".join(traceback.format_exception(refused.value))


def cells(row: bytes) -> list[str]:
    """What Python's own reader, made strict, makes of a row."""
    return next(csv.reader([row.decode().removesuffix("\r")], strict=True), [])


@given(
    row=st.lists(st.sampled_from([b"a", b'"', b'""', b",", b"\r", b"\n", b" ", b"\xc3\xa9", b"\xff"]), max_size=9).map(
        b"".join
    )
)
def test_a_rows_cells_are_those_that_csv_reads(row: bytes) -> None:
    try:
        expected = cells(row)
    except (ValueError, csv.Error):
        expected = []
    mask = mask_of(PathRule("*", CUSTOMER))
    _, columns = mask.header(",".join(f"c{number}" for number in range(len(expected) or 1)).encode())
    try:
        made = mask.row(row, columns)
    except Unclassified:
        assert not expected or row.rstrip(b"\r\n") != row.removesuffix(b"\r")  # more line ends than a row has
    else:
        assert cells(made or b"") == [cell and told(cell) for cell in expected]
