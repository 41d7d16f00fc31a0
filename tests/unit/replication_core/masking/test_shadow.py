"""What a next policy would change of a record, in the words of the two policies and never in a value."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core.datasets import ITEMS, OBJECTS
from replication_core.masking.refusals import Unclassified
from replication_core.masking.shadow import Impact, Shadow, ShadowChange, ShadowCounts, Shadowed
from replication_core.objects.states import Head, ObjectState
from tests.made_policies import ATTRIBUTES, KEEP, item_policy, made_mask, policy, pseudonym

SECRET = "zebra-quartz-7391"
KEY = ITEMS.record(SECRET, "1")
ITEM: dict[str, Any] = {**KEY.attributes(), "mail": {"S": SECRET}, "note": {"S": SECRET}}
DROP: dict[str, Any] = {"rule": "drop", "line": 3}


def with_rules(*changed: tuple[str, Any], **more: Any) -> dict[str, Any]:
    rules = dict(ATTRIBUTES) | dict(changed)
    return policy({"items": item_policy(attributes=[[path, rule] for path, rule in rules.items() if rule])}, **more)


def seen(then: dict[str, Any], item: dict[str, Any] = ITEM, *, now: dict[str, Any] | None = None) -> Shadowed:
    found = Shadow(made_mask(now or with_rules()), made_mask(then)).item(KEY, item)
    assert SECRET not in repr(found.changes)
    return found


def told(found: Shadowed) -> set[tuple[str, str, str]]:
    return {(each.place, each.now, each.then) for each in found.changes}


def test_the_same_policy_on_other_lines_changes_nothing() -> None:
    assert seen(with_rules(("note", DROP))) == Shadowed(Impact.SAME)


def test_another_rule_is_told_by_its_place_and_both_kinds() -> None:
    found = seen(with_rules(("note", KEEP)))
    assert (found.impact, told(found)) == (Impact.DIFFERENT, {("note", "drop", "keep")})


def test_a_new_generation_moves_every_key_and_changes_every_pseudonym() -> None:
    found = seen(with_rules(generation=2))
    assert found.impact is Impact.MOVED
    assert told(found) == {("id", "pseudonym", "pseudonym (others)"), ("mail", "email", "email (others)")}


def test_what_travels_by_one_of_the_policies_alone_is_told_with_the_reason_and_never_with_a_name() -> None:
    no_rule, unknown = with_rules(("note", None)), {**ITEM, SECRET: {"S": "a"}}
    refused = seen(no_rule)
    assert refused.impact is Impact.REFUSED
    assert told(refused) == {
        ("", "travels", "refused"),
        ("the record", "travels", "refused: has an attribute that no rule is for"),
    }
    assert seen(with_rules(), now=no_rule).impact is Impact.ADDED
    assert seen(with_rules(("*", KEEP)), unknown).impact is Impact.ADDED
    conditional = with_rules()
    conditional["tables"]["items"]["where"] = [{"attribute": "note", "op": "exists", "value": False}]
    assert seen(conditional).impact is Impact.LEFT_OUT
    assert seen(conditional, now=conditional) == Shadowed(Impact.SAME)
    assert seen(no_rule, unknown) == Shadowed(Impact.SAME), "neither travels"


def test_places_within_maps_and_lists_are_told_by_the_policies_steps_alone() -> None:
    nested = {
        **ITEM,
        "n": {"M": {SECRET: {"L": [{"M": {"a": {"S": "1"}}}, {"M": {"a": {"S": "2"}, "b": {"S": "3"}}}]}}},
    }
    now = with_rules(("n", None), ("n.*[].a", KEEP), ("n.*[].b", KEEP))
    then = with_rules(("n", None), ("n.*[].a", KEEP), ("n.*[].b", DROP))
    assert told(seen(then, nested, now=now)) == {("n.*[].b", "keep", "drop")}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
RULES = st.sampled_from([KEEP, DROP, None, pseudonym("a"), {"rule": "last", "line": 1, "characters": 1}])


@given(
    st.dictionaries(st.sampled_from(["n", "mail", "note", "x"]), TEXTS.map(lambda text: {"S": text})),
    *[st.fixed_dictionaries({"note": RULES, "x": RULES, "mail": RULES})] * 2,
)
def test_the_verdict_is_what_a_comparison_of_the_two_replicas_says(
    attributes: dict[str, Any], now: dict[str, Any], then: dict[str, Any]
) -> None:
    item = {**KEY.attributes(), **attributes}
    documents = [with_rules(*rules.items()) for rules in (now, then)]
    before, after = (_replica(document, item) for document in documents)
    found = seen(documents[1], item, now=documents[0])
    if before == after:
        assert found == Shadowed(Impact.SAME)
    else:
        expected = Impact.REFUSED if after is None else Impact.DIFFERENT if before else Impact.ADDED
        assert found.impact is expected
        assert found.changes


def _replica(document: dict[str, Any], item: dict[str, Any]) -> str | None:
    try:
        return json.dumps(made_mask(document).item(item, ITEMS), sort_keys=True)
    except Unclassified:
        return None


# --- Objects


def bucket(**changes: Any) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "match": "in/{who}.csv",
        "line": 4,
        "key": {"who": pseudonym("who")},
        "body": {"format": "csv", "fields": [["mail", {"rule": "email", "line": 5, "namespace": "mail"}], ["n", KEEP]]},
        "headers": {},
        "metadata": {"*": DROP},
        "tags": {"*": DROP},
        **changes,
    }
    return policy(buckets={"objects": {"rules": [rule], "tags": [], "deletes": "mirror"}})


STATE = ObjectState(
    Head(
        version_id="v1",
        etag='"e"',
        size=9,
        last_modified="now",
        headers=(("ContentType", "text/csv"),),
        metadata=(("owner", SECRET),),
    ),
    (("team", SECRET),),
)


def seen_object(then: dict[str, Any], key: str = f"in/{SECRET}.csv", state: ObjectState = STATE) -> Shadowed:
    shadow = Shadow(made_mask(bucket()), made_mask(then))
    found = shadow.object(OBJECTS.record(key), state, bucket="prod", environment="prod")
    assert SECRET not in repr(found.changes)
    return found


CSV_OF_ONE = {"format": "csv", "fields": [["mail", KEEP]]}


@pytest.mark.parametrize(
    ("then", "impact", "changes"),
    [
        (bucket(), Impact.SAME, set()),
        (bucket(metadata={"*": KEEP}), Impact.DIFFERENT, {("metadata.*", "drop", "keep")}),
        (bucket(tags={"team": KEEP}), Impact.DIFFERENT, {("tags.team", "drop", "keep")}),
        (bucket(headers={"ContentType": DROP}), Impact.DIFFERENT, {("headers.ContentType", "keep", "drop")}),
        (
            bucket(body=CSV_OF_ONE),
            Impact.DIFFERENT,
            {("body: mail", "email", "keep"), ("body: n", "keep", "no rule")},
        ),
        (bucket(body={"opaque": "made up"}), Impact.DIFFERENT, {("body", "csv", "opaque")}),
        (
            bucket(key={"who": KEEP}),
            Impact.MOVED,
            {("key", "in/{who}.csv", "in/{who}.csv (others)")},
        ),
        (
            {**bucket(), "generation": 2},
            Impact.MOVED,
            {("key", "in/{who}.csv", "in/{who}.csv (others)"), ("body: mail", "email", "email (others)")},
        ),
        (
            bucket(metadata={}),
            Impact.REFUSED,
            {("", "travels", "refused"), ("metadata", "travels", "refused: has an attribute that no rule is for")},
        ),
    ],
)
def test_an_object_is_compared_by_key_headers_metadata_tags_and_the_rules_of_its_body(
    then: dict[str, Any], impact: Impact, changes: set[tuple[str, str, str]]
) -> None:
    found = seen_object(then)
    assert (found.impact, told(found)) == (impact, changes)


def test_an_empty_body_is_the_same_by_any_rules() -> None:
    empty = ObjectState(Head(version_id="v1", etag='"e"', size=0, last_modified="now"), ())
    assert seen_object(bucket(body=CSV_OF_ONE), state=empty) == Shadowed(Impact.SAME)


def test_an_unversioned_sources_token_and_the_mark_itself_are_no_difference() -> None:
    state = ObjectState(Head(version_id=None, etag='"e"', size=0, last_modified="now"), ())
    found = Shadow(made_mask(bucket(key={"who": KEEP})), made_mask({**bucket(key={"who": KEEP}), "generation": 2}))
    assert found.object(OBJECTS.record("in/a.csv"), state, bucket="prod", environment="prod").impact is Impact.SAME


# --- Counts


def test_counts_survive_their_document_and_add_up() -> None:
    counts = ShadowCounts()
    for _ in range(2):
        counts.add("items", Shadowed(Impact.DIFFERENT, frozenset([ShadowChange("items", "note", "drop", "keep")])))
    counts.add("objects", Shadowed(Impact.REFUSED, frozenset([ShadowChange("objects", "", "travels", "refused")])))
    counts.add("objects", Shadowed(Impact.SAME))
    document = json.loads(json.dumps(counts.document()))
    assert document["found"] == {"items": {"different": 2}, "objects": {"refused": 1, "same": 1}}
    assert (document["records"], document["changed"]) == ({"items": 2, "objects": 2}, {"items": 2, "objects": 1})
    again = ShadowCounts()
    for _ in range(2):
        again.add_document(document)
    assert again.changes == {each: 2 * count for each, count in counts.changes.items()}
    assert again.impacts == {each: 2 * count for each, count in counts.impacts.items()}


@pytest.mark.parametrize(
    "document", [None, {}, {"found": []}, {"found": {"items": {"nonsense": 1}}, "verdicts": [], "values": []}]
)
def test_what_is_no_count_is_refused_and_counts_nothing(document: Any) -> None:
    counts = ShadowCounts()
    with pytest.raises(ValueError, match=r"no count|nonsense"):
        counts.add_document(document)
    assert counts == ShadowCounts()
