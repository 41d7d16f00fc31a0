"""From a policy's file to the compiled policy, and all that may be wrong with it."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from masking_policy.compiler import compile_policy
from masking_policy.differences import differences
from replication_core.datasets import OBJECTS, Dataset, Kind
from replication_core.masking.key_patterns import KeyPatterns
from replication_core.masking.mask import Mask
from replication_core.masking.policy import Condition, MaskingPolicy, OpaqueBody, RecordsBody, Rule, TableRules
from replication_core.masking.pseudonyms import Pseudonyms
from tests.unit.masking_policy.policies import FILE, WHOLE, changed, compiled, faults


def test_a_file_is_compiled_to_what_it_says() -> None:
    policy = compiled().policy
    orders, files = policy.tables["orders"], policy.buckets["files"]
    assert (policy.generation, policy.unclassified, policy.namespaces) == (1, "refuse", ("customer", "mail"))
    assert orders.key["id"] == Rule("pseudonym", {"namespace": "customer", "prefix": "c_"}, line=7)
    rules = {each.path: each for each in orders.attributes}
    assert rules["amount"].rule == Rule("keep", {"types": ["N"], "reason": "no person"}, line=9)
    assert rules["note"].rule == Rule("replace", {"value": {"S": "[removed]"}}, line=16)
    assert rules["scores{}"].names == Rule("pseudonym", {"namespace": "customer"}, line=15)
    assert orders.where == (
        Condition("status", "in", [{"S": "open"}, {"S": "paid"}]),
        Condition("total", "above", {"N": "10"}),
        Condition("hidden", "exists", False),
    )
    assert (orders.deletes, files.deletes) == ("keep", "mirror")
    assert files.tags == (Condition("public", "equals", {"S": "yes"}),)
    assert [(rule.match, rule.line) for rule in files.rules] == [
        *(("incoming/{customer}/{file}.csv.gz", 21), ("assets/**", 26)),
    ]
    assert isinstance(files.rules[0].body, RecordsBody)
    assert files.rules[1].body == OpaqueBody("no person")


def test_a_bucket_may_be_the_list_of_its_rules_alone() -> None:
    short = changed(("  files:\n    rules:\n", "  files:\n"), ("    tags: {public: {equals: yes}}\n", ""))
    bare, whole = (compiled(text).policy.buckets["files"] for text in (short, WHOLE))
    assert [rule.bare() for rule in bare.rules] == [rule.bare() for rule in whole.rules]


def test_a_compiled_policy_goes_through_its_document_and_can_be_masked_by() -> None:
    policy = compiled().policy
    again = MaskingPolicy.parse(json.loads(json.dumps(policy.document())))
    assert again == policy
    Mask(again, Pseudonyms(b"r" * 32, 1))


RULES = st.one_of(
    st.just("drop"),
    st.fixed_dictionaries({"keep": st.fixed_dictionaries({"type": st.sampled_from(["S", "N", "BOOL"])})}),
    st.fixed_dictionaries({"replace": st.one_of(st.booleans(), st.integers(-10, 10**20), st.text(max_size=9))}),
    st.fixed_dictionaries({"pseudonym": st.just("customer")}, optional={"prefix": st.text("abc_", max_size=4)}),
    st.fixed_dictionaries({"email": st.just("customer")}),
    st.fixed_dictionaries({"digits": st.fixed_dictionaries({"keep_last": st.integers(0, 9)})}),
    st.fixed_dictionaries({"fake": st.sampled_from(["names", "cities"])}),
    st.fixed_dictionaries({"bucket": st.sampled_from(["year", "month", 10, 0.5])}),
    st.fixed_dictionaries({"shift": st.just({"namespace": "customer", "days": 30})}),
    st.fixed_dictionaries({"last": st.integers(0, 9)}),
    st.fixed_dictionaries({"redact": st.lists(st.sampled_from(["email", "card"]), min_size=1, unique=True)}),
)
PRINTABLE = st.characters(
    min_codepoint=0x21, max_codepoint=0x2FF, exclude_characters=".*[]{}'\x7f", exclude_categories=["C", "Z"]
)
PATHS = st.lists(st.text(PRINTABLE, min_size=1, max_size=5), min_size=1, max_size=3).map(".".join)


@settings(deadline=None)
@given(st.dictionaries(PATHS, RULES, max_size=6))
def test_whatever_rules_a_file_has_its_policy_goes_through_its_document(rules: dict[str, object]) -> None:
    attributes = {path: rule for path, rule in rules.items() if path.partition(".")[0] != "id"}
    orders = {"key": {"id": {"pseudonym": "customer"}}, "attributes": attributes}
    document = {"version": 1, "namespaces": {"customer": {}}, "datasets": {"orders": orders}}
    policy = compile_policy(yaml.safe_dump(document, allow_unicode=True), FILE).policy
    assert len(policy.tables["orders"].attributes) == len(attributes)
    assert MaskingPolicy.parse(json.loads(json.dumps(policy.document()))) == policy
    Mask(policy, Pseudonyms(b"r" * 32, 1))


SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}", "a{x}", "{y}b", "*", "*-{x}"])
MATCHES = st.tuples(st.lists(SEGMENTS, min_size=1, max_size=3, unique=True), st.sampled_from(["", "/**"])).map(
    lambda made: "/".join(made[0]) + made[1]
)


@settings(deadline=None)
@given(st.lists(MATCHES, min_size=1, max_size=5, unique=True), st.text("ab-/", min_size=1, max_size=6))
def test_of_random_patterns_every_key_has_just_one_or_none_or_the_file_is_refused(matches: list[str], key: str) -> None:
    rules = [
        {
            "match": match,
            "key": {name: "keep" for name in "xy" if f"{{{name}}}" in match},
            "body": {"opaque": {"reason": "no person"}},
        }
        for match in matches
    ]
    text = yaml.safe_dump({"version": 1, "datasets": {"files": rules}})
    found = faults(text)
    if found:
        assert all("specific" in fault.what or "twice" in fault.what for fault in found)
        return
    patterns = compiled(text).policy.buckets["files"].patterns
    match = patterns.match(key)
    alone = [place for place, rule in enumerate(patterns_of(text)) if rule.match(key)]
    assert (match.place in alone) if match else not alone


def patterns_of(text: str) -> list[KeyPatterns]:
    return [KeyPatterns([rule.pattern]) for rule in compiled(text).policy.buckets["files"].rules]


WRONG = [
    (("version: 1\n", ""), 1, "has no version"),
    (("version: 1", "version: 2"), 1, "version"),
    (("generation: 1", "generation: 1_0"), 2, "not a number"),
    (("unclassified: refuse", "unclassified: keep"), 3, "refuse, or drop"),
    (("unclassified: refuse", "unclasified: refuse"), 3, "did you mean unclassified?"),
    (
        ("key: {id: {pseudonym: customer", "key: {id: {pseudonym: custmer"),
        7,
        "did you mean customer?",
    ),
    (("timestamp: keep}\n    attr", "timestamp: {email: mail}}\n    attr"), 7, "same key"),
    (("timestamp: keep}\n    attr", "timestamp: {last: 4}}\n    attr"), 7, "same key"),
    (("key: {id: {pseudonym: customer, prefix: c_}, timestamp: keep}\n", "key: {}\n"), 7, "empty"),
    (("type: N,", "typ: N,"), 9, "no setting 'typ'"),
    (("email: {email: mail}", "email: {emial: mail}"), 10, "did you mean email?"),
    (("email: {email: mail}", "email: {email: mail, drop: 1}"), 10, "keep one of them"),
    (("email: {email: mail}", "email: {email: mail, type: S}"), 10, "remove it"),
    (("email: {email: mail}", "phone: {email: mail}"), 11, "stands there twice, first in line 10"),
    (("email: {email: mail}", "'''phone''': {email: mail}"), 11, "path of another rule"),
    (("email: {email: mail}", "id: keep"), 10, "is of the key"),
    (("email: {email: mail}", "e..mail: keep"), 10, "is no path"),
    (("email: {email: mail}", "email:"), 10, "is empty"),
    (("email: {email: mail}", "email: [email]"), 10, "is a list"),
    (("email: {email: mail}", "'*': keep"), 10, "keeps whatever nobody has looked at"),
    (("email: {email: mail}", "more.*: keep"), 10, "without a reason"),
    (("email: {email: mail}", "email: {keep: {allow: [email]}}"), 10, "needs a reason"),
    (("{bucket: year}", "{bucket: decade}"), 12, "{bucket: year}"),
    (("address.*: drop", "scores.*: drop"), 15, ".* or {}"),
    (("names: {pseudonym: customer}, values", "names: drop, values"), 15, "two names may become the same"),
    (("{names: {pseudonym: customer}, values: keep}", "keep"), 15, "has no rule for the names"),
    ((", values: keep}", "}"), 15, "has no rule for the values"),
    (('"[removed]"', "yes"), 16, 'true or false, or "yes"'),
    (("{in: [open, paid]}", "open"), 17, "{equals: open}"),
    (("{above: 10}", "{more: 10}"), 17, "above"),
    (("deletes: keep", "deletes: maybe"), 18, "mirror, keep"),
    (("{file}.csv.gz\n", "{file}*.csv.gz\n"), 21, "side by side"),
    (("customer: {pseudonym: customer}, file: keep}", "customer: {pseudonym: customer}}"), 21, "no rule for {file}"),
    (("file: keep}", "file: keep, other: keep}"), 22, "is no placeholder"),
    (("format: csv", "format: parquet"), 23, "json-lines, json-array, csv"),
    (("columns:", "fields:"), 23, "write columns"),
    (("columns: {id:", "columns: {a.b: keep, id:"), 23, "'a.b'"),
    (("columns: {id: {pseudonym: customer,", "columns: {id: {pseudonym: customer, type: L,"), 23, "B, N, S"),
    (("match: assets/**", "match: incoming/*/{x}.csv.gz\n        key: {x: keep}"), 26, "neither is more specific"),
    (("key: {customer: {pseudonym: customer},", "key: {customer: {pseudonym: customer, prefix: a/},"), 21, "100 %"),
    (("{opaque: {reason: no person}}", "{opaque: {}}"), 27, "has no reason"),
    (("{opaque: {reason: no person}}", "{}"), 27, "neither format nor opaque"),
    (("ContentDisposition: drop", "ContentType: drop"), 28, "ContentLanguage"),
    (("ContentDisposition: drop", "'*': keep"), 28, "without a reason"),
    (("ContentDisposition: drop", "Expires: {bucket: 5}"), 28, "is a text"),
    (("    tags: {public: {equals: yes}}", "    tags: {public: {above: a}}"), 29, "equals"),
    (("namespace: customer, percent", "namespace: custom, percent"), 30, "did you mean customer?"),
    (("percent: 10", "percent: 0"), 30, "from 1 to 100"),
    (("deletes: 1000, share: 20, ", ""), 31, "neither deletes nor share"),
    (("minutes: 10", "minutes: ten"), 31, "whole number"),
]


@pytest.mark.parametrize(("change", "line", "says"), WRONG)
def test_what_is_wrong_is_told_with_its_file_its_line_and_what_to_write(
    change: tuple[str, str], line: int, says: str
) -> None:
    [fault] = faults(changed(change))
    assert fault.line == line
    assert says in str(fault)
    assert str(fault).startswith(f"{FILE}, line {line}: ")
    assert "\n" not in str(fault)


def test_all_that_is_wrong_is_told_at_once_in_the_files_order() -> None:
    apart = [("version: 1", "version: 2"), ("{email: mail}", "{emial: mail}"), ("format: csv", "format: parquet")]
    assert [fault.line for fault in faults(changed(*apart))] == [1, 10, 23]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("timestamp: keep}\n    attr", "timestamp: {pseudonym: customer}}\n    attr"), "datasets.orders"),
        (
            ("{pseudonym: customer}, file: keep", "{pseudonym: customer}, file: {pseudonym: customer}"),
            "datasets.files[incoming/{customer}/{file}.csv.gz].key",
        ),
        (
            ("timestamp: keep, amount", "timestamp: {pseudonym: customer}, amount"),
            "datasets.files[incoming/{customer}/{file}.csv.gz].body",
        ),
    ],
)
def test_a_sample_that_several_values_of_a_record_could_decide_is_refused(change: tuple[str, str], place: str) -> None:
    [fault] = faults(changed(change))
    assert (fault.place, "one has to decide" in fault.what) == (place, True)


def test_what_a_key_decides_about_a_sample_no_attribute_makes_ambiguous() -> None:
    assert not faults(changed(("email: {email: mail}", "email: {pseudonym: customer}"), ("mail: {}", "mail: {}")))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("mail: {}}", "mail: {}, unused: {}}"), "used by no rule"),
        (("email: {email: mail}", "email: {email: mail}\n      adress: drop"), "almost"),
        (("email: {email: mail}", "email: {email: mail}\n      Note: drop"), "almost"),
        (("email: {email: mail}", "email: {email: mail}\n      replicatedFrom: keep"), "replication itself"),
        (("email: {email: mail}", "email: {email: mail}\n      '*.name': drop"), "which wins there"),
        (('metadata: {"*": drop}', 'metadata: {"*": drop, replicated-from: drop}'), "replication itself"),
        (
            ("match: assets/**", "match: incoming/a{x}/{y}.csv.gz\n        key: {x: keep, y: keep}"),
            "% of the masked keys",
        ),
        (("key: {id: {pseudonym: customer, prefix", "key: {id: {pseudonym: mail, prefix"), "all of it travels"),
        (("match: assets/**", "match: Incoming/**"), "write Incoming if it is the same"),
        (("born: {bucket: year}", "born: {bucket: 1}"), "a whole number stays as it is"),
        (("born: {bucket: year}", "born: {last: 1000}"), "shows the last 1,000"),
        (("{keep_last: 3}", "{keep_last: 9}"), "shows the last 9"),
        (
            ("{customer}/{file}.csv.gz", "{customer}-{file}.csv.gz"),
            "key.file is kept behind a masked part: a key in which it has '-' too is refused",
        ),
    ],
)
def test_what_may_be_meant_otherwise_is_warned_of(change: tuple[str, str], says: str) -> None:
    assert [each for each in compiled(changed(change)).warnings if says in str(each) and each.is_warning]


def test_what_shows_more_with_a_reason_is_meant() -> None:
    assert not compiled(changed(("born: {bucket: year}", "born: {last: 9, reason: a serial number}"))).warnings


def test_the_policy_that_is_documented_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "masking.md").read_text()
    documented = page.partition("```yaml\n")[2].partition("```")[0]
    assert set(compiled(documented).policy.tables) == {"orders"}


def test_the_whole_file_has_nothing_to_warn_of() -> None:
    assert compiled().warnings == ()


HOSTILE = [
    b"\xff\xfe\x00",
    b"\x80",
    b"version: 1\n\x00",
    "",
    "- 1",
    "version",
    "a: &a [*a]",
    "a: &a {b: *a}",
    "a: *nobody",
    "a: b: c",
    "{" * 5000,
    "[" * 100_000,
    "a: !!python/object/apply:os.system [true]",
    "a: !mine {}",
    "a: &a\n  <<: *a",
    "? [a, b]\n: c",
    "---\na: 1\n---\nb: 2",
    "x" * 300_000,
    "a: &0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &{n} [{','.join([f'*{n - 1}'] * 9)}]\n" for n in range(1, 9)),
    WHOLE.replace("version: 1", "version: 1\n<<: {generation: 2}"),
    WHOLE.replace("generation: 1", 'generation: 1\n"a\\n\\e[31mb": 2'),
    WHOLE.replace("refuse", '"\\n\\u202e"'),
    WHOLE.replace("{email: mail}", '{"\\e": mail}'),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_yaml_is_refused_in_a_sentence(text: str | bytes) -> None:
    found = faults(text)
    assert found
    assert all(len(str(fault)) < 500 and str(fault).isprintable() for fault in found)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60)))
def test_whatever_stands_in_a_file_it_is_a_policy_or_is_refused(text: str | bytes) -> None:
    assert faults(text)


ODDITIES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "*",
    "**",
    "keep",
    "drop",
    "'",
    '"',
    "\n",
    "  ",
    "1",
    "~",
    "yes",
    "&a ",
    "*a ",
    "!!int ",
]


@settings(deadline=None)
@given(st.integers(0, len(WHOLE)), st.integers(0, 20), st.one_of(st.sampled_from(ODDITIES), st.text(max_size=2)))
def test_a_file_with_anything_in_any_place_is_refused_or_can_be_masked_by(place: int, size: int, odd: str) -> None:
    text = WHOLE[:place] + odd + WHOLE[place + size :]
    if not faults(text):
        policy = MaskingPolicy.parse(json.loads(json.dumps(compiled(text).policy.document())))
        Mask(policy, Pseudonyms(b"r" * 32, 1))
        assert differences(policy, compiled(text).policy) == ()


def test_a_name_is_what_stands_there_whatever_yaml_takes_it_for() -> None:
    text = changed(("email: {email: mail}", "no: drop\n      12: drop\n      2024-01-01: drop\n      null: drop"))
    paths = [each.path for each in compiled(text).policy.tables["orders"].attributes]
    assert {"no", "12", "2024-01-01", "null"} <= set(paths)


def test_a_tags_name_is_no_path_whatever_it_has_in_it() -> None:
    policy = compiled(changed(("{public: {equals: yes}}", "{team.name: {equals: yes}}"))).policy
    tags = Mask(policy, Pseudonyms(b"r" * 32, 1)).object("assets/a", Dataset("files", Kind.BUCKET, OBJECTS.key))
    assert (tags.wants((("team.name", "yes"),)), tags.wants((("team", "yes"),))) == (True, False)


def test_rules_may_be_written_once_and_named() -> None:
    text = changed(("email: {email: mail}", "email: &mail {email: mail}\n      other: *mail"))
    rules = {each.path: each.rule for each in compiled(text).policy.tables["orders"].attributes}
    assert rules["other"] == rules["email"]


@pytest.mark.parametrize(
    ("rule", "type_"),
    [
        *(
            ("{keep: {type: N}}", "N"),
            ("{replace: 5}", "N"),
            ("{bucket: 10}", "N"),
            ("{pseudonym: mail, type: B}", "B"),
        ),
        *(("{keep: {type: [N, S]}}", None), ("{pseudonym: mail}", None), ("{replace: x}", None)),
    ],
)
def test_a_column_stands_for_the_type_that_is_said_or_the_only_one_its_rule_takes(rule: str, type_: str | None) -> None:
    body = compiled(changed(("amount: keep}", f"amount: {rule}}}"))).policy.buckets["files"].rules[0].body
    assert isinstance(body, RecordsBody)
    made = {each.path: each.rule for each in body.fields}["amount"]
    assert made
    assert made.settings.get("type") == type_


def test_a_table_needs_no_rules_but_its_keys() -> None:
    policy = compiled("version: 1\ndatasets: {orders: {key: {id: keep}}}").policy
    assert policy.tables == {"orders": TableRules(key={"id": Rule("keep", line=2)})}
