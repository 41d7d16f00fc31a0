"""What a change of a policy loosens and tightens, each with its reason."""

import pytest

from masking_policy.differences import Effect, PolicyDifference, differences
from tests.unit.masking_policy.policies import changed, compiled


def between(before: str, after: str) -> list[PolicyDifference]:
    return list(differences(compiled(before).policy, compiled(after).policy))


ORDERS = "datasets.orders"
CSV = "datasets.files[incoming/{customer}/{file}.csv.gz]"
ASSETS = "datasets.files[assets/**]"

LOOSENED = [
    (("unclassified: refuse", "unclassified: drop"), "unclassified"),
    (("percent: 10", "percent: 11"), "sample"),
    (("sample: {namespace: customer, percent: 10}\n", ""), "sample"),
    (("deletes: 1000", "deletes: 1001"), "brake.deletes"),
    (("minutes: 10", "minutes: 5"), "brake.deletes"),
    (("share: 20, ", ""), "brake.share"),
    (("address.*: drop", "address.*: {keep: {reason: why}}"), f"{ORDERS}.attributes.address.*"),
    (("address.*: drop", "address.*: drop\n      address.city: keep"), f"{ORDERS}.attributes.address.city"),
    (("address.*: drop", "address.*: drop\n      new: keep"), f"{ORDERS}.attributes.new"),
    (("email: {email: mail}", "email: keep"), f"{ORDERS}.attributes.email"),
    (("email: {email: mail}", "email: {last: 4}"), f"{ORDERS}.attributes.email"),
    (("email: {email: mail}", "email: {redact: [card]}"), f"{ORDERS}.attributes.email"),
    (('note: {replace: "[removed]"}', "note: {pseudonym: mail}"), f"{ORDERS}.attributes.note"),
    (("keep_last: 3", "keep_last: 4"), f"{ORDERS}.attributes.phone"),
    (("bucket: year", "bucket: day"), f"{ORDERS}.attributes.born"),
    (("type: N, reason", "type: [N, S], reason"), f"{ORDERS}.attributes.amount"),
    (("type: N, reason", "type: S, reason"), f"{ORDERS}.attributes.amount"),
    (("type: N, reason", "type: N, allow: [card], reason"), f"{ORDERS}.attributes.amount"),
    (("names: {pseudonym: customer}, values", "names: keep, values"), f"{ORDERS}.attributes.scores{{}}.names"),
    (("key: {id: {pseudonym: customer, prefix: c_}", "key: {id: keep"), f"{ORDERS}.key.id"),
    (("total: {above: 10}, ", ""), f"{ORDERS}.where.total"),
    (("timestamp: keep, amount", "timestamp: keep, more: keep, amount"), f"{CSV}.body.more"),
    (("    tags: {public: {equals: yes}}\n", ""), "datasets.files.tags.public"),
    (("ContentDisposition: drop", "ContentDisposition: keep"), f"{ASSETS}.headers.ContentDisposition"),
]


@pytest.mark.parametrize(("change", "place"), LOOSENED)
def test_what_lets_more_through_is_looser_and_the_way_back_is_tighter(change: tuple[str, str], place: str) -> None:
    there = [each for each in between(changed(), changed(change)) if each.place == place]
    back = [each for each in between(changed(change), changed()) if each.place == place]
    assert [each.effect for each in there] == [Effect.LOOSER]
    if change[1].count("type: S, reason") == 0:
        assert [each.effect for each in back] == [Effect.TIGHTER]
    assert (there[0].before, there[0].after) == (back[0].after, back[0].before)


@pytest.mark.parametrize(
    ("match", "key", "part"),
    [
        ("incoming/*/{file}.csv.gz", "{file: keep}", "*"),
        ("incoming/*/*.csv.gz", "{}", "*"),
        ("incoming/{who}/{file}.csv.gz", "{who: keep, file: keep}", "who"),
        ("incoming/a*/{file}.csv.gz", "{file: keep}", "*"),
    ],
)
def test_a_part_of_the_key_that_is_kept_from_now_on_is_looser_whatever_it_is_called(
    match: str, key: str, part: str
) -> None:
    rule = (
        "match: incoming/{customer}/{file}.csv.gz\n        key: {customer: {pseudonym: customer}, file: keep}",
        f"match: {match}\n        key: {key}",
    )
    assert (Effect.LOOSER, f"datasets.files[{match}].key.{part}", "keep") in [
        (each.effect, each.place, each.after) for each in between(changed(), changed(rule))
    ]


def test_where_nothing_of_a_key_was_masked_a_narrower_rule_loosens_nothing_of_it() -> None:
    more = (
        "      - match: assets/**",
        "      - match: assets/img-*/*\n        body: {opaque: {reason: x}}\n      - match: assets/**",
    )
    assert not [each for each in between(changed(), changed(more)) if ".key." in each.place]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("generation: 1", "generation: 2"), "generation"),
        (("prefix: c_}, timestamp: keep}\n    attr", "prefix: x_}, timestamp: keep}\n    attr"), f"{ORDERS}.key.id"),
        (("namespace: customer, percent", "namespace: mail, percent"), "sample"),
        (('"[removed]"', '"[gone]"'), f"{ORDERS}.attributes.note"),
        (("format: csv, columns", "format: json-lines, fields"), f"{CSV}.body.format"),
    ],
)
def test_what_is_masked_in_another_way_is_neither(change: tuple[str, str], place: str) -> None:
    [found] = between(changed(), changed(change))
    assert (found.effect, found.place, found.needs_reason) == (Effect.OTHER, place, False)


def test_what_stands_elsewhere_or_is_explained_otherwise_is_no_difference() -> None:
    moved = changed(
        ("version: 1\n", "# A comment.\nversion: 1\n"), ("type: N, reason: no person", "type: N, reason: x")
    )
    assert between(changed(), moved) == []


def test_what_is_loosened_has_its_reason_or_is_told_to_need_one() -> None:
    with_reason = changed(("email: {email: mail}", "email: {last: 4, reason: for support}"))
    without = changed(("email: {email: mail}", "email: {last: 4}"))
    [told], [untold] = between(changed(), with_reason), between(changed(), without)
    assert (told.reason, told.needs_reason, told.line) == ("for support", False, 10)
    assert (untold.reason, untold.needs_reason) == ("", True)


def test_a_rule_that_another_one_takes_the_place_of_is_compared_with_it() -> None:
    wide = changed(("email: {email: mail}\n", "email: {email: mail}\n      more.*: drop\n      more.one: drop\n"))
    narrow = changed(("email: {email: mail}\n", "email: {email: mail}\n      more.*: drop\n"))
    assert between(wide, narrow) == []


def test_a_pattern_within_another_one_is_compared_with_that_ones_rule() -> None:
    within = (
        "- match: assets/logos/**\n        body: {opaque: {reason: ours}}\n        headers: {ContentDisposition: keep}"
    )
    more = changed(("      - match: assets/**", f"      {within}\n      - match: assets/**"))
    [found] = between(changed(), more)
    assert (found.effect, found.before, found.after) == (Effect.LOOSER, "drop", "keep")
    assert between(more, changed())[0].effect is Effect.TIGHTER


def test_a_dataset_and_objects_that_begin_to_travel_or_end_to_are_told() -> None:
    alone = "version: 1\nnamespaces: {mail: {}}\ndatasets:\n  orders: {key: {id: keep}}\n"
    both = alone + "  files:\n    - {match: 'a/**', body: {opaque: {reason: ours}}}\n"
    [begun], [ended] = between(alone, both), between(both, alone)
    assert (begun.effect, begun.place, begun.reason) == (Effect.LOOSER, "datasets.files[a/**].body", "ours")
    assert (ended.effect, ended.place) == (Effect.TIGHTER, "datasets.files")


def test_what_is_looser_stands_first() -> None:
    after = changed(("email: {email: mail}", "email: drop"), ("bucket: year", "bucket: day"))
    assert [each.effect for each in between(changed(), after)] == [Effect.LOOSER, Effect.TIGHTER]
