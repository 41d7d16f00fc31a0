"""Replicas of objects under a policy, in moto: what they are, what is refused, and what an interruption leaves."""

import base64
import gzip
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from replication_core.datasets import OBJECTS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.reconcile import Action, Outcome
from replication_core.replicator import Replicator
from tests.unit.replication_core.cloud import Cloud, object_notice, record, refusal
from tests.unit.replication_core.cloud import cloud as fresh_cloud

KEEP = {"rule": "keep", "line": 1, "types": ["S", "N"], "reason": "no person"}
DROP = {"rule": "drop", "line": 2}
CUSTOMER = {"rule": "pseudonym", "line": 3, "namespace": "customer", "prefix": "c_"}
MAIL = {"rule": "email", "line": 4, "namespace": "mail"}
FIELDS = [["id", CUSTOMER], ["email", MAIL], ["amount", KEEP]]


def rule(match: str, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    named = {
        "key": {"customer": CUSTOMER, "file": KEEP},
        "headers": {},
        "metadata": {"owner": KEEP},
        "tags": {"a": KEEP},
    }
    return {"match": match, "line": 9, "body": body, **named, **changes}


def policy(*, generation: int = 1, **changes: Any) -> dict[str, Any]:
    rules = [
        rule("incoming/{customer}/{file}.csv", {"format": "csv", "fields": FIELDS}),
        rule("incoming/{customer}/{file}.csv.gz", {"format": "csv", "fields": FIELDS}),
        rule("incoming/{customer}/{file}.jsonl", {"format": "json-lines", "fields": FIELDS}),
        rule("assets/**", {"opaque": "no person"}, key={}, metadata={"owner": KEEP, "*": DROP}),
    ]
    bucket = {"rules": rules, "tags": [], "deletes": "mirror", **changes}
    return {
        "version": 1,
        "generation": generation,
        "unclassified": "refuse",
        "namespaces": ["customer", "mail"],
        "tables": {},
        "buckets": {"objects": bucket},
        "sample": None,
        "brake": None,
    }


def mask_of(document: dict[str, Any]) -> Mask:
    known = MaskingPolicy.parse(document)
    return Mask(known, Pseudonyms(bytes(32), known.generation))


MASK = mask_of(policy())
CSV = "incoming/jane/orders.csv"
SECRETS = ("jane", "doe")


def place(key: str, mask: Mask = MASK) -> str:
    return mask.key(OBJECTS.record(key)).object_key


def masking(replicator: Replicator, mask: Mask = MASK, **changes: Any) -> Replicator:
    """Have a replicator mask, and its masked copies be as changed."""
    calls = replicator.objects[OBJECTS.name].calls
    calls.mask = lambda: mask
    calls.masked_copy = replace(calls.masked_copy, **changes)
    return replicator


def reconciled(cloud: Cloud, key: str, mask: Mask = MASK) -> Outcome:
    return masking(cloud.replicator(), mask).reconcile([OBJECTS.record(key)])[OBJECTS.record(key)]


def rows(count: int) -> bytes:
    lines = [f"jane{number},jane.doe{number}@example.com,{number}.50" for number in range(count)]
    return "\r\n".join(["id,email,amount", *lines, ""]).encode()


def as_masked(body: bytes, key: str = CSV, mask: Mask = MASK) -> bytes:
    made = b"".join(block.data for block in mask.object(key, OBJECTS).body().blocks([body]))
    assert not any(secret in made.decode(errors="replace") for secret in SECRETS)
    return made


def head(cloud: Cloud, key: str) -> Any:
    return cloud.clients.target_s3.head_object(Bucket=cloud.settings.target_bucket, Key=key, ChecksumMode="ENABLED")


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


# What a replica is


@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz", "orders.jsonl"])
def test_a_body_of_records_is_masked_and_put_whole_under_its_masked_key(cloud: Cloud, name: str) -> None:
    body = rows(3)
    if name.endswith("jsonl"):
        body = b"".join(
            json.dumps({"id": f"jane{n}", "email": "jane@doe.com", "amount": n}).encode() + b"\n" for n in range(3)
        )
    key = f"incoming/jane/{name}"
    cloud.put(key, gzip.compress(body) if name.endswith("gz") else body, Metadata={"owner": "data"}, Tagging="a=b")
    with cloud.recording() as calls:
        outcome = reconciled(cloud, key)
    assert calls == ["s3.HeadObject", "s3.GetObjectTagging", "s3.GetObject", "s3.PutObject", "s3.GetObjectTagging"]
    replica = cloud.replica(place(key))
    assert replica is not None
    stored = replica["body"]
    masked = gzip.decompress(stored) if name.endswith("gz") else stored
    assert masked == as_masked(body, key.removesuffix(".gz"))
    assert (outcome.action, outcome.size) == (Action.COPIED, len(stored))
    assert (replica["metadata"], replica["tags"]) == ({"owner": "data"}, [("a", "b")])
    assert cloud.keys(cloud.settings.target_bucket) == {place(key)}
    assert head(cloud, place(key))["ChecksumCRC32"] == crc32(stored)


def test_a_replica_always_tells_of_what_and_by_which_rules_it_was_made(cloud: Cloud) -> None:
    forged = {"replicated-from": "me", "replicated-from-version": "mine", "replicated-policy": "none"}
    cloud.put(CSV, rows(1), Metadata=forged)
    reconciled(cloud, CSV)
    version = cloud.clients.source_s3.head_object(Bucket=cloud.settings.source_bucket, Key=CSV)["VersionId"]
    fingerprint = MASK.policy.fingerprint("objects", MASK.policy.buckets["objects"].rules[0])
    assert head(cloud, place(CSV))["Metadata"] == {
        "replicated-from": "prod",
        "replicated-from-version": version,
        "replicated-policy": fingerprint,
    }


def test_without_versions_the_source_is_told_by_a_pseudonym_of_its_etag() -> None:
    with fresh_cloud(versioned=False) as cloud:
        cloud.put(CSV, rows(1))
        etag = cloud.clients.source_s3.head_object(Bucket=cloud.settings.source_bucket, Key=CSV)["ETag"]
        reconciled(cloud, CSV)
        told = head(cloud, place(CSV))["Metadata"]["replicated-from-version"]
    assert told == MASK.version(etag)
    assert etag.strip('"') not in told


def test_an_opaque_object_is_copied_by_s3_with_what_the_policy_makes_of_the_rest(cloud: Cloud) -> None:
    cloud.put(
        "assets/logo", b"\x00", ContentType="image/png", Metadata={"owner": "data", "author": "jane"}, Tagging="a=b"
    )
    with cloud.recording() as calls:
        assert reconciled(cloud, "assets/logo").action is Action.COPIED
    assert calls == ["s3.HeadObject", "s3.GetObjectTagging", "s3.CopyObject", "s3.GetObjectTagging"]
    assert cloud.requests[-2].headers["x-amz-metadata-directive"] in {"REPLACE", b"REPLACE"}
    replica = cloud.replica("assets/logo")
    assert replica is not None
    assert (replica["body"], replica["ContentType"], replica["metadata"]) == (b"\x00", "image/png", {"owner": "data"})


def test_a_deleted_object_is_deleted_by_its_key_alone(cloud: Cloud) -> None:
    cloud.put(CSV, rows(1))
    reconciled(cloud, CSV)
    cloud.remove(CSV)
    assert reconciled(cloud, CSV).action is Action.DELETED
    assert cloud.keys(cloud.settings.target_bucket) == set()


def test_where_the_policy_keeps_what_is_deleted_the_replica_stays(cloud: Cloud) -> None:
    cloud.put(CSV, rows(1))
    keeping = mask_of(policy(deletes="keep"))
    reconciled(cloud, CSV, keeping)
    cloud.remove(CSV)
    assert reconciled(cloud, CSV, keeping).action is Action.IGNORED
    assert cloud.keys(cloud.settings.target_bucket) == {place(CSV)}


def test_an_object_whose_tags_no_longer_let_it_travel_leaves_the_target(cloud: Cloud) -> None:
    shared = mask_of(policy(tags=[{"attribute": "a", "op": "equals", "value": {"S": "shared"}}]))
    cloud.put("assets/logo", Tagging="a=shared")
    assert reconciled(cloud, "assets/logo", shared).action is Action.COPIED
    cloud.put("assets/logo", Tagging="a=own")
    assert reconciled(cloud, "assets/logo", shared).action is Action.DELETED
    assert cloud.keys(cloud.settings.target_bucket) == set()


def test_tags_decide_whether_an_object_travels_also_where_heads_do_not_count_them(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = mask_of(policy(tags=[{"attribute": "a", "op": "equals", "value": {"S": "shared"}}]))
    cloud.put("assets/logo", Tagging="a=shared")
    original = cloud.clients.source_s3.head_object
    monkeypatch.setattr(cloud.clients.source_s3, "head_object", lambda **asked: original(**asked) | {"TagCount": 0})
    assert reconciled(cloud, "assets/logo", shared).action is Action.COPIED


# What is refused

REFUSED: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "a key that no rule is for": ("elsewhere/jane", b"", {}),
    "metadata without a rule": (CSV, rows(1), {"Metadata": {"jane": "doe"}}),
    "a tag without a rule": (CSV, rows(1), {"Tagging": "jane=doe"}),
    "a header without a rule": (CSV, rows(1), {"ContentDisposition": "attachment; filename=jane-doe.csv"}),
    "metadata in encoded words": (CSV, rows(1), {"Metadata": {"owner": "=?UTF-8?B?w6TDtg==?="}}),
    "metadata that leaves the provenance no room": (CSV, rows(1), {"Metadata": {"owner": "x" * 1990}}),
    "a column without a rule": (CSV, b"id,jane\r\n1,doe\r\n", {}),
    "a body that is none of records": (CSV, b'id\r\n"jane doe', {}),
    "a coding that nobody reads": (CSV, rows(1), {"ContentEncoding": "br"}),
    "an address in what is kept": (CSV, b"id,email,amount\r\n1,a@b.com,jane@doe.com\r\n", {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_classified_is_a_dead_letter_at_once_and_nothing_is_written(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    key, body, options = REFUSED[name]
    cloud.put(key, body, **options)
    route = cloud.route()
    masking(route.replicator)
    assert route.process({"Records": [record(object_notice(key))]}) == {"batchItemFailures": []}
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == "Unclassified"
    assert cloud.keys(cloud.settings.target_bucket) == set()
    told = json.dumps([letter["error"], cloud.notifications()]) + capsys.readouterr().out
    assert not any(secret in told.replace(key, "") for secret in SECRETS)


def put_replica(cloud: Cloud, key: str, **metadata: str) -> None:
    cloud.clients.target_s3.put_object(Bucket=cloud.settings.target_bucket, Key=key, Body=b"jane", Metadata=metadata)


CURRENT = MASK.policy.fingerprint("objects", MASK.policy.buckets["objects"].rules[0])


@pytest.mark.parametrize(
    ("where", "metadata", "stays"),
    [
        (place(CSV), {"replicated-from": "prod", "replicated-policy": CURRENT}, True),
        (place(CSV), {"replicated-from": "prod", "replicated-policy": "older"}, False),
        (place(CSV), {"replicated-from": "prod"}, False),
        (place(CSV), {}, True),
        (CSV, {"replicated-from": "prod"}, False),
        (CSV, {"replicated-from": "prod", "replicated-policy": CURRENT}, True),
        (CSV, {}, True),
    ],
)
def test_of_a_refused_object_only_what_another_policy_has_made_is_deleted(
    cloud: Cloud, where: str, metadata: dict[str, str], *, stays: bool
) -> None:
    put_replica(cloud, where, **metadata)
    cloud.put(CSV, b"unknown\r\n1\r\n")
    outcome = reconciled(cloud, CSV)
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == ("Unclassified", True)
    assert (where in cloud.keys(cloud.settings.target_bucket)) is stays


@pytest.mark.parametrize("is_there", [True, False])
def test_what_was_copied_unmasked_under_a_key_that_no_rule_is_for_is_deleted(cloud: Cloud, *, is_there: bool) -> None:
    put_replica(cloud, "elsewhere", **{"replicated-from": "prod"})
    if is_there:
        cloud.put("elsewhere")
    outcome = reconciled(cloud, "elsewhere")
    assert outcome.action is (Action.FAILED if is_there else Action.DELETED)
    assert cloud.keys(cloud.settings.target_bucket) == set()


@pytest.mark.parametrize("operation", ["s3.HeadObject", "s3.DeleteObject"])
def test_a_refused_object_whose_older_replica_can_not_be_deleted_is_tried_again(cloud: Cloud, operation: str) -> None:
    put_replica(cloud, place(CSV), **{"replicated-from": "prod"})
    cloud.put(CSV, b"unknown\r\n1\r\n")

    def fault(_operation: str, request: Any, send: Any) -> Any:
        is_target = cloud.settings.target_bucket in request.url
        return refusal("AccessDenied", 403)(operation, request, send) if is_target else send()

    cloud.fault_for = lambda called: fault if called == operation else None
    outcome = reconciled(cloud, CSV)
    assert outcome.error is not None
    assert (outcome.error.permanent, outcome.error.kind == "Unclassified") == (False, False)
    cloud.fault_for = lambda _: None
    assert reconciled(cloud, CSV).action is Action.FAILED
    assert cloud.keys(cloud.settings.target_bucket) == set()


def test_a_refused_object_that_is_mended_before_its_older_replica_is_deleted_is_replicated(cloud: Cloud) -> None:
    put_replica(cloud, place(CSV), **{"replicated-from": "prod"})
    cloud.put(CSV, b"unknown\r\n1\r\n")

    def mended(_operation: str, _request: Any, send: Any) -> Any:
        cloud.fault_for = lambda _: None
        cloud.put(CSV, rows(2))
        assert reconciled(cloud, CSV).action is Action.COPIED
        return send()

    cloud.fault_for = lambda called: mended if called == "s3.DeleteObject" else None
    assert reconciled(cloud, CSV).action is Action.COPIED
    replica = cloud.replica(place(CSV))
    assert replica is not None
    assert replica["body"] == as_masked(rows(2))
