"""A route's mask: keys, items and objects by a policy's rules, and what is refused."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core.datasets import ITEMS, Dataset, KeyAttribute, KeyType, Kind, RecordKey
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms, token
from replication_core.masking.refusals import Unclassified
from tests.unit.replication_core.masking.refusal import told_by

ROOT = bytes(range(32))
CANARY = "canary-7f3a"
FILES = Dataset("files", Kind.BUCKET, (KeyAttribute("key", KeyType.STRING),))
KEEP = {"rule": "keep", "line": 1}
DROP = {"rule": "drop", "line": 2}
CUSTOMER = {"rule": "pseudonym", "line": 3, "namespace": "customer", "prefix": "c_"}
MAIL = {"rule": "email", "line": 4, "namespace": "mail"}


def pseudonym(text: str) -> str:
    return "c_" + token(Pseudonyms(ROOT, 1).digest("customer", "S", text))


def mask_of(**changed: Any) -> Mask:
    document = {
        "version": 1,
        "generation": 1,
        "unclassified": "refuse",
        "namespaces": ["customer", "mail"],
        "tables": {},
        "buckets": {},
        "sample": None,
        "brake": None,
    }
    return Mask(MaskingPolicy.parse(document | changed), Pseudonyms(ROOT, 1))


def table_mask(*attributes: list[Any], where: list[Any] | None = None, **changed: Any) -> Mask:
    key = {"id": CUSTOMER, "timestamp": KEEP}
    table = {"key": key, "attributes": [*attributes], "where": where or [], "deletes": "mirror"}
    return mask_of(tables={"items": table}, **changed)


def masked(mask: Mask, **attributes: Any) -> Mapping[str, Any] | None:
    made = mask.item({"id": {"S": "c-1"}, "timestamp": {"N": "17"}, **attributes}, ITEMS)
    if made is None:
        return None
    assert made["id"] == {"S": pseudonym("c-1")}
    assert made["timestamp"] == {"N": "17"}
    return {name: value for name, value in made.items() if name not in {"id", "timestamp"}}


def test_an_items_key_is_that_of_its_record_key() -> None:
    mask = table_mask()
    assert mask.key(ITEMS.record("c-1", "17")) == RecordKey(ITEMS, (pseudonym("c-1"), "17"))
    assert masked(mask) == {}


def test_each_attribute_has_its_rule() -> None:
    mask = table_mask(["amount", KEEP], ["mail", MAIL], ["note", DROP], ["address.city", KEEP], ["tags[]", CUSTOMER])
    made = masked(
        mask,
        amount={"N": "12345678901234567890123456789012345678"},
        mail={"S": "jane@example.com"},
        note={"S": "secret"},
        address={"M": {"city": {"S": "Oslo"}}},
        tags={"L": [{"S": "a"}, {"NULL": True}]},
    )
    assert made == {
        "amount": {"N": "12345678901234567890123456789012345678"},
        "mail": {"S": "czssbhjdli2cgleu6gwphew3mu@masked.invalid"},
        "address": {"M": {"city": {"S": "Oslo"}}},
        "tags": {"L": [{"S": pseudonym("a")}, {"NULL": True}]},
    }


def test_deep_values_have_the_rules_of_their_paths() -> None:
    path = "a"
    value: dict[str, Any] = {"S": "x"}
    expected: dict[str, Any] = {"S": pseudonym("x")}
    for _ in range(31):
        path += ".b"
        value, expected = {"M": {"b": value}}, {"M": {"b": expected}}
    assert masked(table_mask([path, CUSTOMER]), a=value) == {"a": expected}


def test_the_most_specific_rule_has_a_value_and_drop_covers_all_below_it() -> None:
    mask = table_mask(["a", DROP], ["a.city", KEEP], ["b.*", DROP], ["c[].x", DROP], ["c[].y", KEEP])
    inside = {"M": {"city": {"S": "Oslo"}, "street": {"L": [{"M": {"x": {"S": "y"}}}]}}}
    made = masked(mask, a=inside, b=inside, c={"L": [{"M": {"x": {"S": "1"}, "y": {"S": "2"}}}, {"NULL": True}]})
    assert made == {
        "a": {"M": {"city": {"S": "Oslo"}}},
        "b": {"M": {}},
        "c": {"L": [{"M": {"y": {"S": "2"}}}, {"NULL": True}]},
    }
    assert masked(mask, a={"S": "x"}) == {}
    assert masked(mask, a={"NULL": True}) == {}


def test_a_maps_names_that_are_data_have_a_rule_of_their_own() -> None:
    mask = table_mask(
        ["scores{}", KEEP, CUSTOMER], ["people{}", None, CUSTOMER], ["people{}.mail", MAIL], ["kept{}", KEEP, KEEP]
    )
    made = masked(
        mask,
        scores={"M": {"c-1": {"N": "1"}, "c-2": {"NULL": True}}},
        people={"M": {"c-1": {"M": {"mail": {"S": "jane@example.com"}}}}},
        kept={"M": {"a": {"N": "1"}}},
    )
    assert made == {
        "scores": {"M": {pseudonym("c-1"): {"N": "1"}, pseudonym("c-2"): {"NULL": True}}},
        "people": {"M": {pseudonym("c-1"): {"M": {"mail": {"S": "czssbhjdli2cgleu6gwphew3mu@masked.invalid"}}}}},
        "kept": {"M": {"a": {"N": "1"}}},
    }


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"kept": {"M": {"jane@example.com": {"N": "1"}}}}, "looks like an e-mail address"),
        ({"any": {"M": {"jane@example.com": {"N": "1"}}}}, "looks like an e-mail address"),
        ({"few": {"M": {"12": {"N": "1"}, "13": {"N": "2"}}}}, "two names would become the same"),
        ({"few": {"M": {"99": {"N": "1"}, "own": {"N": "2"}}}}, "two names would become the same"),
    ],
)
def test_a_name_is_kept_no_more_than_a_value_and_none_is_lost(attributes: dict[str, Any], why: str) -> None:
    same = {"rule": "replace", "line": 5, "value": {"S": "own"}}
    mask = table_mask(["kept{}", KEEP, KEEP], ["any.*", KEEP], ["few{}", KEEP, same], ["few.own", KEEP])
    with pytest.raises(Unclassified, match=why):
        masked(mask, **attributes)


def test_what_no_rule_is_for_is_left_out_where_the_policy_says_so_but_a_wrong_type_is_not() -> None:
    mask = table_mask(["amount", KEEP], ["a.b", KEEP], unclassified="drop")
    made = masked(mask, amount={"N": "1"}, other={"S": "x"}, a={"M": {"b": {"N": "1"}, "c": {"S": "x"}}})
    assert made == {"amount": {"N": "1"}, "a": {"M": {"b": {"N": "1"}}}}
    assert masked(mask, a={"S": "x"}) == {}
    with pytest.raises(Unclassified, match=r"^amount, policy line 1: a value's type is M"):
        masked(mask, amount={"M": {}})


def test_the_replicators_own_attributes_are_of_no_rule() -> None:
    own = ("environment", "replicatedFrom", "replicationTimestamp", "replicatedPolicy")
    assert masked(table_mask(), **{name: {"M": {"a": {"S": "x"}}} for name in own}) == {}


def test_an_item_that_is_masked_to_more_than_a_table_takes_is_refused() -> None:
    mask = table_mask(["tags[]", CUSTOMER], ["text", KEEP])
    assert masked(mask, text={"S": "x" * 400_000})
    with pytest.raises(Unclassified, match=r"^is masked to more than 400 KB"):
        masked(mask, text={"S": "x" * 409_500})
    with pytest.raises(Unclassified, match=r"^is masked to more than 400 KB"):
        masked(mask, text={"S": "€" * 140_000})
    with pytest.raises(Unclassified, match=r"^is masked to more than 400 KB"):
        masked(mask, tags={"L": [{"S": str(number)} for number in range(15_000)]})


NAMES = st.sampled_from(["a", "b", "c", "d", "x", "", f"{CANARY}-name"])
ATTRIBUTES = st.recursive(
    st.sampled_from(
        [
            {"S": f"{CANARY} jane@example.com"},
            {"S": f"{CANARY}\ud800"},
            {"SS": [CANARY, f"{CANARY}2"]},
            {"B": CANARY.encode()},
            {"BS": [CANARY.encode()]},
            {"N": "4444444444444444444444444444444444444.5"},
            {"NULL": True},
        ]
    ),
    lambda below: st.one_of(
        st.lists(below, max_size=3).map(lambda elements: {"L": elements}),
        st.dictionaries(NAMES, below, max_size=3).map(lambda members: {"M": members}),
    ),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, ATTRIBUTES, max_size=4), st.sampled_from(["refuse", "drop"]))
def test_whatever_an_item_has_nothing_of_it_that_is_not_kept_comes_through(
    attributes: dict[str, Any], unclassified: str
) -> None:
    mask = table_mask(
        *(["a", CUSTOMER], ["b.*", DROP], ["b.a.x", CUSTOMER], ["c[].x", CUSTOMER], ["c[].x.x", MAIL], ["d", CUSTOMER]),
        *(["d{}", {"rule": "last", "line": 5, "characters": 1}, CUSTOMER], ["d.b[]", CUSTOMER]),
        unclassified=unclassified,
    )
    refused = None
    made = None
    try:
        made = masked(mask, **attributes)
    except Unclassified as error:
        refused = error
    told = repr(made) if refused is None else told_by(refused)
    assert CANARY not in told
    assert "44444444" not in told


def test_a_table_that_no_rules_are_for_is_refused_and_so_is_another_key() -> None:
    with pytest.raises(Unclassified, match=r"^the policy has no rules for the table items"):
        mask_of().key(ITEMS.record("c-1", "17"))
    other = Dataset("items", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING),))
    with pytest.raises(Unclassified, match=r"^the policy has rules for another key"):
        table_mask().key(other.record("c-1"))


def test_a_key_of_any_type_has_its_pseudonym_in_the_one_spelling() -> None:
    orders = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.BINARY), KeyAttribute("sk", KeyType.NUMBER)))
    table = {"key": {"pk": CUSTOMER, "sk": CUSTOMER}, "attributes": [], "where": [], "deletes": "mirror"}
    mask = mask_of(tables={"orders": table})
    item = {"pk": {"B": b"\x00\xff"}, "sk": {"N": "17.0"}}
    made = mask.item(item, orders)
    assert made == {
        "pk": {"B": bytes.fromhex("91fe91e57e60f7d0e8dc9e7b13690e68")},
        "sk": {"N": "29083790081208370359101312622720137309"},
    }
    assert mask.key(orders.of_item(item)) == orders.of_item(made)


@given(st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=2, unique=True))
def test_different_keys_stay_different_and_an_items_key_is_its_records(ids: list[str]) -> None:
    mask = table_mask()
    keys = [RecordKey(ITEMS, (id_, "17")) for id_ in ids]
    made = [mask.key(key) for key in keys]
    assert made[0] != made[1]
    assert [ITEMS.of_item(mask.item(key.attributes(), ITEMS) or {}) for key in keys] == made


ITEM = {
    "status": {"S": "open"},
    "total": {"N": "10"},
    "raw": {"B": b"ab"},
    "paid": {"BOOL": True},
    "none": {"NULL": True},
}


@pytest.mark.parametrize(
    ("attribute", "op", "value", "travels"),
    [
        ("status", "equals", {"S": "open"}, True),
        ("status", "equals", {"S": "Open"}, False),
        ("status", "equals", {"N": "1"}, False),
        ("total", "equals", {"N": "10.0"}, True),
        ("paid", "equals", {"BOOL": True}, True),
        ("raw", "equals", {"B": b"ab"}, True),
        ("gone", "equals", {"S": "open"}, False),
        ("status", "not", {"S": "open"}, False),
        ("status", "not", {"S": "done"}, True),
        ("gone", "not", {"S": "done"}, True),
        ("status", "in", [{"S": "done"}, {"S": "open"}], True),
        ("status", "in", [{"S": "done"}], False),
        ("total", "above", {"N": "9"}, True),
        ("total", "above", {"N": "10"}, False),
        ("total", "above", {"S": "1"}, False),
        ("total", "below", {"N": "10.01"}, True),
        ("status", "below", {"S": "opened"}, True),
        ("gone", "below", {"N": "1"}, False),
        ("status", "begins", {"S": "op"}, True),
        ("raw", "begins", {"B": b"a"}, True),
        ("total", "begins", {"S": "1"}, False),
        ("gone", "begins", {"S": ""}, False),
        ("gone", "exists", False, True),
        ("status", "exists", True, True),
        ("none", "exists", True, True),
        ("a.b", "equals", {"S": "x"}, True),
        ("a.c", "exists", True, False),
        ("status.c", "exists", True, False),
    ],
)
def test_an_item_travels_where_its_attributes_are_as_the_policy_asks(
    attribute: str, op: str, value: Any, travels: bool
) -> None:
    mask = table_mask(["*", DROP], where=[{"attribute": attribute, "op": op, "value": value}])
    assert (masked(mask, **ITEM, a={"M": {"b": {"S": "x"}}}) is not None) is travels


def test_all_of_several_conditions_have_to_hold() -> None:
    conditions = [
        {"attribute": "status", "op": "equals", "value": {"S": "open"}},
        {"attribute": "total", "op": "above", "value": {"N": "10"}},
    ]
    assert masked(table_mask(["*", DROP], where=conditions), **ITEM) is None
    assert masked(table_mask(["*", DROP], where=conditions[:1]), **ITEM) == {}


def test_a_sample_has_all_of_a_customers_records_or_none_in_every_dataset() -> None:
    rules = [object_rule("in/{customer}/{file}", customer=CUSTOMER, file=KEEP)]
    orders = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING),))
    key = {"id": CUSTOMER, "timestamp": KEEP}
    mask = mask_of(
        sample={"namespace": "customer", "percent": 25},
        tables={
            "items": {"key": key, "attributes": [["note", CUSTOMER]], "where": [], "deletes": "mirror"},
            "orders": {"key": {"pk": KEEP}, "attributes": [["buyer.id", CUSTOMER]], "where": [], "deletes": "mirror"},
        },
        buckets={"files": {"rules": rules, "tags": [], "deletes": "mirror"}},
    )
    customers = [f"c-{number}" for number in range(400)]

    def travels(customer: str) -> bool:
        order = mask.item({"pk": {"S": "1"}, "buyer": {"M": {"id": {"S": customer}}}}, orders) is not None
        item = mask.item({"id": {"S": customer}, "timestamp": {"N": "1"}, "note": {"S": "c-other"}}, ITEMS) is not None
        assert order is item is mask.object(f"in/{customer}/a.csv", FILES).wants(())
        return item

    assert 70 < sum(map(travels, customers)) < 130
    assert mask.item({"pk": {"S": "1"}, "buyer": {"M": {}}}, orders) is not None
    assert mask.item({"pk": {"S": "1"}, "buyer": {"NULL": True}}, orders) is not None


def object_rule(match: str, **changed: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {name: changed.pop(name, {}) for name in ("headers", "metadata", "tags")}
    return {"match": match, "line": 7, "key": changed, "body": {"opaque": "no person"}, **parts}


def bucket_mask(*rules: dict[str, Any], tags: list[Any] | None = None, **changed: Any) -> Mask:
    return mask_of(buckets={"files": {"rules": [*rules], "tags": tags or [], "deletes": "mirror"}}, **changed)


def test_an_objects_key_has_the_rules_of_its_placeholders() -> None:
    mask = bucket_mask(object_rule("in/{customer}/{file}.csv", customer=CUSTOMER, file=KEEP), object_rule("assets/**"))
    key = f"in/{pseudonym('c-1')}/a.csv"
    assert mask.key(FILES.record("in/c-1/a.csv")) == FILES.record(key)
    assert mask.object("in/c-1/a.csv", FILES).key == key
    assert mask.object("assets/x/y.png", FILES).key == "assets/x/y.png"
    assert mask.object("assets/x/y.png", FILES).is_opaque


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (f"other/{CANARY}", "^no rule is for its key$"),
        (
            f"in/x/{CANARY}@example.com.csv",
            "^file, policy line 1: what is kept holds what looks like an e-mail",
        ),
        (f"assets/{CANARY}@example.com", r"^assets/\*\*, policy line 7: what is kept holds what looks like an e-mail"),
        ("in/" + "x" * 990 + "/" + CANARY, "^in/.* policy line 7: a key is masked to more than 1024 bytes"),
        (f"swap/{CANARY}", "^swap/{name}, policy line 7: a key is masked to one that the rule would not be for"),
    ],
)
def test_a_key_that_no_rule_or_another_one_would_be_for_is_refused(key: str, why: str) -> None:
    long = {"rule": "pseudonym", "line": 3, "namespace": "customer", "prefix": "c" * 32}
    mask = bucket_mask(
        object_rule("in/{dir}/{file}.csv", dir=KEEP, file=KEEP),
        object_rule("in/{dir}/{file}", dir=KEEP, file=long),
        object_rule("assets/**"),
        object_rule("swap/{name}", name={**long, "prefix": "a/"}),
    )
    for asked in (lambda: mask.object(key, FILES), lambda: mask.key(FILES.record(key))):
        with pytest.raises(Unclassified, match=why) as refused:
            asked()
        assert CANARY not in told_by(refused.value)


@pytest.mark.parametrize(
    ("match", "key", "is_sure"),
    [
        ("in/{customer}-{file}.csv", f"in/jane-{CANARY}-1.csv", False),
        ("in/{customer}-*.csv", f"in/jane-{CANARY}-1.csv", False),
        ("in/{customer}-x-{file}.csv", f"in/jane-x-{CANARY}-1.csv", True),
        ("in/{customer}/{file}.csv", f"in/jane-{CANARY}/1-1.csv", True),
        ("in/{file}-{customer}.csv", f"in/1-jane-{CANARY}.csv", True),
        ("in/{customer}/**", f"in/{CANARY}/a/b", True),
        ("in/{customer}-{other}/{file}", f"in/jane-{CANARY}-1/a-b", True),
    ],
)
def test_a_key_is_refused_in_which_what_is_masked_may_end_later(match: str, key: str, *, is_sure: bool) -> None:
    rules = {"customer": CUSTOMER, "other": {**CUSTOMER, "prefix": ""}, "file": KEEP}
    mask = bucket_mask(object_rule(match, **{name: rule for name, rule in rules.items() if f"{{{name}}}" in match}))
    if is_sure:
        mask.object(key, FILES)
        return
    with pytest.raises(Unclassified, match="policy line 7: a key can be read in two ways") as refused:
        mask.object(key, FILES)
    assert CANARY not in told_by(refused.value)


@given(
    st.lists(
        st.from_regex(r"in/[ab]{1,2}(-[ab])?/[ab-]{1,3}(\.csv)?", fullmatch=True), min_size=2, max_size=2, unique=True
    )
)
def test_different_objects_have_different_replicas(keys: list[str]) -> None:
    mask = bucket_mask(
        object_rule("in/{a}-{b}/{file}.csv", a=CUSTOMER, b={**CUSTOMER, "prefix": ""}, file=KEEP),
        object_rule("in/{a}/{file}", a=CUSTOMER, file={**CUSTOMER, "prefix": ""}),
        object_rule("in/a/{file}", file=CUSTOMER),
    )
    made = []
    for key in keys:
        try:
            made.append(mask.object(key, FILES).key)
        except Unclassified:
            return
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [
        ("text/csv; charset=utf-8; header=present", "text/csv; charset=utf-8; header=present"),
        ('text/csv;charset="utf-8"', 'text/csv;charset="utf-8"'),
        (f'application/pdf; name="{CANARY}.pdf"', "application/pdf"),
        (f"text/csv; charset=utf-8; name={CANARY}", "text/csv; charset=utf-8"),
        (f'text/csv; charset=utf-8 "{CANARY}"', "text/csv"),
        ("", ""),
    ],
)
def test_of_a_content_type_what_may_name_a_file_is_left_out(content_type: str, kept: str) -> None:
    made = bucket_mask(object_rule("**")).object("a", FILES)
    assert made.headers({"ContentType": content_type}) == {"ContentType": kept}


def test_headers_metadata_and_tags_have_rules_of_their_own() -> None:
    rule = object_rule(
        "**",
        headers={"ContentDisposition": DROP},
        metadata={"owner": CUSTOMER, "*": DROP},
        tags={"class": KEEP, "*": CUSTOMER},
    )
    made = bucket_mask(rule).object("a", FILES)
    headers = {"ContentType": "text/plain", "ContentEncoding": "gzip", "ContentDisposition": "attachment; filename=x"}
    assert made.headers(headers) == {"ContentType": "text/plain", "ContentEncoding": "gzip"}
    metadata = {"owner": "jane", "note": "x", "replicated-from": "prod", "replicated-policy": "x"}
    assert made.metadata(metadata) == {"owner": pseudonym("jane")}
    tags = (("class", "a"), ("name", "jane"), ("replicated-from", "prod"))
    assert made.tags(tags) == (("class", "a"), ("name", pseudonym("jane")))


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda made: made.headers({"CacheControl": CANARY}), "^headers: has an attribute that no rule is for"),
        (lambda made: made.headers({"ContentType": f"{CANARY}@example.com"}), "^headers.ContentType: .* e-mail"),
        (lambda made: made.metadata({CANARY: "x"}), "^metadata: has an attribute that no rule is for"),
        (lambda made: made.tags(((f"{CANARY}@example.com", "a"),)), r"^tags.\*: .* e-mail address"),
        (lambda made: made.tags((("short", CANARY),)), "^tags, policy line 7: a tag is masked to what no tag may be"),
    ],
)
def test_what_no_rule_of_an_object_is_for_is_refused_in_words_of_the_policy(ask: Any, why: str) -> None:
    short = {"rule": "last", "line": 4, "characters": 1}
    made = bucket_mask(object_rule("**", metadata={"owner": KEEP}, tags={"*": KEEP, "short": short})).object("a", FILES)
    with pytest.raises(Unclassified, match=why) as refused:
        ask(made)
    assert CANARY not in told_by(refused.value)
    dropping = bucket_mask(object_rule("**", metadata={"owner": KEEP}), unclassified="drop").object("a", FILES)
    assert dropping.metadata({"other": "x", "owner": "y"}) == {"owner": "y"}
    assert dropping.headers({"CacheControl": "x"}) == {}


def test_an_object_travels_where_its_tags_are_as_the_policy_asks() -> None:
    tags = [{"attribute": "class", "op": "equals", "value": {"S": "public"}}]
    made = bucket_mask(object_rule("**"), tags=tags).object("a", FILES)
    assert made.wants((("class", "public"),))
    assert not made.wants((("class", "secret"),))
    assert not made.wants(())


def test_a_version_told_by_its_etag_tells_no_hash_of_the_bytes() -> None:
    etag = '"d41d8cd98f00b204e9800998ecf8427e"'
    assert mask_of().version(etag) == token(Pseudonyms(ROOT, 1).digest("~version", "S", etag))


@pytest.mark.parametrize(
    "attributes",
    [
        {CANARY: {"S": "x"}},
        {"address": {"M": {CANARY: {"S": "x"}}}},
        {"address": {"S": CANARY}},
        {"amount": {"M": {CANARY: {"S": CANARY}}}},
        {"amount": {"L": [{"S": CANARY}]}},
        {"amount": {"S": f"{CANARY}@example.com"}},
        {"amount": {CANARY: CANARY}},
        {"mail": {"N": "7"}},
    ],
)
def test_what_no_rule_is_for_is_refused_in_words_of_the_policy_alone(attributes: dict[str, Any]) -> None:
    with pytest.raises(Unclassified) as refused:
        masked(table_mask(["amount", KEEP], ["mail", MAIL], ["address.city", KEEP]), **attributes)
    assert refused.value.permanent
    assert CANARY not in told_by(refused.value)
