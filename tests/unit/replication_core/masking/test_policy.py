"""The compiled policy: a document that is read back as it was written, and its fingerprints."""

import copy
import json
from typing import Any

import pytest

from replication_core.masking.policy import MaskingPolicy, PolicyError, Rule

KEEP = {"rule": "keep", "line": 3}
CUSTOMER = {"rule": "pseudonym", "line": 4, "namespace": "customer", "prefix": "c_"}

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "generation": 2,
    "unclassified": "refuse",
    "namespaces": ["customer", "mail"],
    "tables": {
        "orders": {
            "key": {"id": CUSTOMER, "timestamp": KEEP},
            "attributes": [
                ["amount", {"rule": "keep", "line": 7, "types": ["N"], "reason": "no person"}],
                ["scores{}", KEEP, CUSTOMER],
            ],
            "where": [{"attribute": "status", "op": "in", "value": [{"S": "open"}, {"S": "paid"}]}],
            "deletes": "mirror",
        }
    },
    "buckets": {
        "files": {
            "rules": [
                {
                    "match": "incoming/{customer}/{file}.csv.gz",
                    "line": 12,
                    "key": {"customer": CUSTOMER, "file": KEEP},
                    "body": {"format": "csv", "fields": [["id", CUSTOMER]]},
                    "headers": {},
                    "metadata": {"reason": KEEP, "*": {"rule": "drop", "line": 15}},
                    "tags": {},
                },
                {
                    "match": "assets/**",
                    "line": 17,
                    "key": {},
                    "body": {"opaque": "no person"},
                    "headers": {},
                    "metadata": {},
                    "tags": {},
                },
            ],
            "tags": [],
            "deletes": "keep",
        }
    },
    "sample": {"namespace": "customer", "percent": 10},
    "brake": {"deletes": 1000, "share": 20, "minutes": 10},
}


def changed(*path: str | int, to: Any) -> MaskingPolicy:
    document = copy.deepcopy(DOCUMENT)
    at: Any = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    return MaskingPolicy.parse(document)


def fingerprints(policy: MaskingPolicy) -> tuple[str, ...]:
    files = policy.buckets["files"].rules
    return (policy.fingerprint("orders"), *(policy.fingerprint("files", rule) for rule in files))


def test_a_compiled_policy_is_read_back_as_it_was_written() -> None:
    assert MaskingPolicy.parse(DOCUMENT).document() == DOCUMENT
    assert MaskingPolicy.parse(json.loads(json.dumps(DOCUMENT))) == MaskingPolicy.parse(DOCUMENT)


def test_a_policy_that_came_through_a_stacks_outputs_with_floats_is_the_same() -> None:
    through_the_engine = json.loads(json.dumps(DOCUMENT), parse_int=float)
    assert MaskingPolicy.parse(through_the_engine).document() == DOCUMENT
    assert fingerprints(MaskingPolicy.parse(through_the_engine)) == fingerprints(MaskingPolicy.parse(DOCUMENT))


def test_a_fingerprint_tells_nothing_of_lines_reasons_and_other_datasets() -> None:
    before = fingerprints(MaskingPolicy.parse(DOCUMENT))
    amount = ("tables", "orders", "attributes", 0)
    assert [len(each) for each in before] == [24, 24, 24]
    assert fingerprints(changed(*amount, 1, "line", to=99)) == before
    assert fingerprints(changed(*amount, 1, "reason", to="a better one")) == before
    assert fingerprints(changed("buckets", "files", "rules", 1, "body", to={"opaque": "another"})) == before
    assert fingerprints(changed("tables", "orders", "deletes", to="keep")) == before


@pytest.mark.parametrize(
    ("path", "to", "which"),
    [
        (("generation",), 3, {0, 1, 2}),
        (("unclassified",), "drop", {0, 1, 2}),
        (("sample",), None, {0, 1, 2}),
        (("tables", "orders", "attributes", 0, 1, "types"), ["S"], {0}),
        (("tables", "orders", "where"), [], {0}),
        (("buckets", "files", "rules", 0, "body", "format"), "json-lines", {1}),
        (("buckets", "files", "rules", 1, "tags"), {"*": KEEP}, {2}),
        (("buckets", "files", "tags"), [{"attribute": "public", "op": "exists", "value": True}], {1, 2}),
    ],
)
def test_a_fingerprint_tells_of_all_that_makes_another_replica(
    path: tuple[str | int, ...], to: Any, which: set[int]
) -> None:
    before, after = fingerprints(MaskingPolicy.parse(DOCUMENT)), fingerprints(changed(*path, to=to))
    assert {place for place in range(3) if before[place] != after[place]} == which


def test_a_recorded_policys_fingerprints_are_those_of_every_later_release() -> None:
    assert fingerprints(MaskingPolicy.parse(DOCUMENT)) == RECORDED


RECORDED = (
    "581969ec044c54c201511b69",
    "f82959d748fe1bf20c073ab0",
    "6b13e50eedd685c3870aa309",
)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("version",), 2),
        (("unclassified",), "keep"),
        (("generation",), None),
        (("tables", "orders", "key"), {"id": "keep"}),
        (("tables", "orders", "attributes"), [["a..b", KEEP]]),
        (("buckets", "files", "rules", 0, "match"), "incoming/{other}/{file}.csv.gz"),
        (("buckets", "files", "rules", 0, "body"), {}),
        (("sample",), {"namespace": "customer"}),
    ],
)
def test_what_is_no_compiled_policy_is_refused(path: tuple[str | int, ...], to: Any) -> None:
    with pytest.raises(PolicyError):
        changed(*path, to=to)


@pytest.mark.parametrize("document", [None, [], "policy", {}, {"version": 1}])
def test_what_is_no_document_at_all_is_refused(document: Any) -> None:
    with pytest.raises(PolicyError):
        MaskingPolicy.parse(document)


def test_a_rule_says_its_reason() -> None:
    assert Rule("keep", {"reason": "no person"}).reason == "no person"
