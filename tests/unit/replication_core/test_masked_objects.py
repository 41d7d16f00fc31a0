"""Replicas of objects under a policy, in moto: what they are, what is refused, and what an interruption leaves."""

import base64
import gzip
import json
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication_core.datasets import OBJECTS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.objects.pinned import PinnedObject
from replication_core.reconcile import Action, Outcome
from replication_core.replicator import Replicator
from tests.made_policies import made_mask
from tests.unit.replication_core.cloud import Cloud, Fault, object_notice, record, refusal, timeout_after_effect
from tests.unit.replication_core.cloud import cloud as fresh_cloud
from tests.unit.replication_core.interleaving import Crash

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
    changed = replace(calls.masked_copy(), **changes)
    calls.masked_copy = lambda: changed
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
    assert head(cloud, place(CSV))["Metadata"] == {
        "replicated-from": "prod",
        "replicated-from-version": version,
        "replicated-policy": MASK.mark(OBJECTS.record(place(CSV))),
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


@pytest.mark.parametrize("key", [CSV, "assets/logo"])
def test_a_header_that_a_rule_keeps_is_sent_as_it_was_stored(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    rules = [{**each, "headers": {"Expires": KEEP}} for each in policy()["buckets"]["objects"]["rules"]]
    cloud.put(key, rows(1))
    # moto stores no Expires.
    original = cloud.clients.source_s3.head_object
    monkeypatch.setattr(
        cloud.clients.source_s3, "head_object", lambda **asked: original(**asked) | {"ExpiresString": "0"}
    )
    assert reconciled(cloud, key, mask_of(policy(rules=rules))).action is Action.COPIED
    written = "s3.PutObject" if key == CSV else "s3.CopyObject"
    at = max(place_ for place_, called in enumerate(cloud.calls) if called == written)
    assert cloud.requests[at].headers["Expires"] in {"0", b"0"}


@pytest.mark.parametrize("key", [CSV, f"{CSV}.gz", "incoming/jane/orders.jsonl"])
def test_an_empty_body_of_records_has_an_empty_replica(cloud: Cloud, key: str) -> None:
    cloud.put(key, gzip.compress(b"") if key.endswith("gz") else b"")
    assert reconciled(cloud, key).action is Action.COPIED
    replica = cloud.replica(place(key))
    assert replica is not None
    assert (gzip.decompress(replica["body"]) if key.endswith("gz") else replica["body"]) == b""


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


@pytest.mark.parametrize("by", [None, "another policy"])
def test_what_the_policy_keeps_of_a_deleted_object_is_what_it_has_made(cloud: Cloud, by: str | None) -> None:
    put_replica(cloud, CSV, **{"replicated-from": "prod"}, **({"replicated-policy": by} if by else {}))
    assert reconciled(cloud, CSV, mask_of(policy(deletes="keep"))).action is Action.IGNORED
    assert cloud.keys(cloud.settings.target_bucket) == set()


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


def test_a_routes_function_masks_by_what_its_specification_says(cloud: Cloud) -> None:
    kms = cloud.with_policy(policy())
    cloud.put(CSV, rows(2))
    assert cloud.route().process({"Records": [record(object_notice(CSV))]}) == {"batchItemFailures": []}
    mask = made_mask(policy())
    replica = cloud.replica(place(CSV, mask))
    assert replica is not None
    assert replica["body"] == as_masked(rows(2), mask=mask)
    assert cloud.keys(cloud.settings.target_bucket) == {place(CSV, mask)}
    assert kms.calls == 1


def test_while_the_key_is_away_nothing_is_written_or_deleted_and_all_is_tried_again(cloud: Cloud) -> None:
    kms = cloud.with_policy(policy())
    kms.away = True
    put_replica(cloud, "assets/gone", **{"replicated-from": "prod"})
    cloud.put(CSV, rows(2))
    notices = [record(object_notice(key), id_=key) for key in (CSV, "assets/gone")]
    assert len(cloud.route().process({"Records": notices})["batchItemFailures"]) == len(notices)
    assert cloud.keys(cloud.settings.target_bucket) == {"assets/gone"}
    assert cloud.letters() == []


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


EXISTS = {"attribute": "a", "op": "exists", "value": True}


def sealed(where: str, mask: Mask = MASK) -> dict[str, str]:
    """Return the marks of a replica there."""
    return {"replicated-from": "prod", "replicated-policy": mask.mark(OBJECTS.record(where))}


@pytest.mark.parametrize(
    ("where", "metadata", "stays"),
    [
        (place(CSV), sealed(place(CSV)), True),
        (place(CSV), sealed(place(CSV), mask_of(policy(tags=[EXISTS]))), False),
        (place(CSV), sealed(place("incoming/doe/orders.csv")), False),
        (place(CSV), {"replicated-from": "prod", "replicated-policy": sealed(CSV)["replicated-policy"][:24]}, False),
        (place(CSV), {"replicated-from": "prod"}, False),
        (place(CSV), {}, True),
        (CSV, {"replicated-from": "prod"}, False),
        (CSV, sealed(place(CSV)), False),
        (CSV, sealed(CSV), True),
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


# What an interruption leaves

BODY = rows(150)
PART = 1500


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have blocks, chunks and parts be so small that some kilobytes have many."""
    monkeypatch.setattr("replication_core.masking.bodies.BLOCK_BYTES", 400)
    monkeypatch.setattr("replication_core.objects.pinned.CHUNK_BYTES", 100)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


class Invocations:
    """A route whose every invocation has time for so many parts, and the messages that wait for it."""

    def __init__(self, cloud: Cloud, parts: int, mask: Mask = MASK) -> None:
        self.cloud, self.parts, self.started_at, self.count = cloud, parts, 0, 0
        self.route = cloud.route()
        masking(self.route.replicator, mask, part_size=PART, out_of_time=self._is_over)
        self.waiting: list[str] = []

    def _uploaded(self) -> int:
        return self.cloud.calls.count("s3.UploadPart")

    def _is_over(self) -> bool:
        return self._uploaded() - self.started_at >= self.parts

    def deliver(self, body: str, attempts: int = 1) -> list[str]:
        """Deliver a message; return those that wait then, that one too if it comes back."""
        self.count += 1
        self.started_at = self._uploaded()
        answer = self.route.process({"Records": [record(body, attempts=attempts)]})
        sent = [json.dumps(told) for told in self.cloud._take(self.cloud.settings.queue_url)]
        return [*sent, *([body] if answer["batchItemFailures"] else [])]

    def drain(self, *bodies: str) -> None:
        """Deliver messages, and what comes of them, until none is left."""
        waiting = list(bodies)
        while waiting:
            waiting += self.deliver(waiting.pop(0))
            assert self.count < 100


def unfinished_uploads(cloud: Cloud) -> list[Any]:
    answer = cloud.clients.target_s3.list_multipart_uploads(Bucket=cloud.settings.target_bucket)
    return list(answer.get("Uploads", ()))


def abort_uploads(cloud: Cloud) -> None:
    for upload in unfinished_uploads(cloud):
        named = {"Bucket": cloud.settings.target_bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        cloud.clients.target_s3.abort_multipart_upload(**named)


def check(cloud: Cloud, body: bytes = BODY, key: str = CSV, mask: Mask = MASK) -> None:
    """Assert that the replica is the masked body, whole, and that nothing else is left."""
    replica = cloud.replica(place(key, mask))
    assert replica is not None
    stored = replica["body"]
    expected = b"".join(block.data for block in mask.object(key, OBJECTS).body().blocks([body]))
    assert stored == expected
    told = head(cloud, place(key, mask))
    assert told["ChecksumCRC32"] == crc32(stored)
    assert told.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    assert unfinished_uploads(cloud) == []
    assert cloud.letters() == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("parts", [1, 2, 3, 100])
@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz", "orders.jsonl"])
def test_a_large_body_is_gone_on_with_from_part_to_part_until_its_replica_is_whole(
    cloud: Cloud, name: str, parts: int
) -> None:
    body = b'{"id": "jane", "email": "jane@doe.com", "amount": 1.50}\n' * 300 if "jsonl" in name else rows(400)
    key = f"incoming/jane/{name}"
    cloud.put(key, body := gzip.compress(body) if name.endswith("gz") else body)
    invocations = Invocations(cloud, parts)
    invocations.drain(object_notice(key))
    check(cloud, body, key)
    assert (invocations.count > 2) is (parts < 100)


@pytest.mark.usefixtures("small")
def test_a_message_that_goes_on_tells_nothing_of_the_data_and_a_former_release_begins_anew_by_it(cloud: Cloud) -> None:
    cloud.put(CSV, BODY)
    (body,) = Invocations(cloud, 1).deliver(object_notice(CSV))
    told = json.loads(body)
    begun = told.pop("begun")
    assert told.keys() == {"schema", "kind", "key", "reason"}
    assert (told["kind"], told["key"]) == ("object", CSV)
    assert begun["size"] >= PART
    etag = cloud.clients.source_s3.head_object(Bucket=cloud.settings.source_bucket, Key=CSV)["ETag"].strip('"')
    assert not any(secret in json.dumps(begun) for secret in (*SECRETS, etag, "c_"))
    former = Invocations(cloud, 100)
    former.drain(json.dumps(told))
    former.drain(body)
    check(cloud)


@pytest.mark.usefixtures("small")
def test_a_replica_is_not_seen_before_all_of_it_is_there(cloud: Cloud) -> None:
    cloud.put(CSV, BODY)
    seen: set[bool] = set()

    def look(_operation: str, _request: Any, send: Any) -> Any:
        seen.add(place(CSV) in cloud.keys(cloud.settings.target_bucket))
        return send()

    cloud.fault_for = lambda called: look if called in {"s3.UploadPart", "s3.CompleteMultipartUpload"} else None
    Invocations(cloud, 2).drain(object_notice(CSV))
    cloud.fault_for = lambda _: None
    assert seen == {False}
    check(cloud)


UPLOADING = ("CreateMultipartUpload", "UploadPart", "ListParts", "CompleteMultipartUpload", "GetObject")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("fault", [refusal("SlowDown", 503), timeout_after_effect], ids=["throttled", "timed out"])
@pytest.mark.parametrize("operation", [*UPLOADING, "PutObjectTagging"])
@pytest.mark.parametrize("occasion", [1, 2])
def test_what_fails_in_passing_is_made_up_for_when_its_message_comes_back(
    cloud: Cloud, operation: str, fault: Fault, occasion: int
) -> None:
    cloud.put(CSV, BODY)
    made = 0

    def fault_for(called: str) -> Fault | None:
        nonlocal made
        made += called == f"s3.{operation}"
        return fault if called == f"s3.{operation}" and made == occasion else None

    cloud.fault_for = fault_for
    Invocations(cloud, 2).drain(object_notice(CSV))
    cloud.fault_for = lambda _: None
    if (operation, fault) == ("CreateMultipartUpload", timeout_after_effect):
        abort_uploads(cloud)  # nobody has been told its name
    check(cloud)


@pytest.mark.usefixtures("small")
def test_a_connection_that_is_reset_in_the_middle_of_a_body_is_opened_again_there(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(CSV, BODY)
    original = PinnedObject._open

    class Breaking:
        def __init__(self, inner: Any) -> None:
            self.inner, self.reads = inner, 0

        def read(self, size: int) -> Any:
            self.reads += 1
            if self.reads == 4:
                raise ConnectionResetError
            return self.inner.read(size)

        def close(self) -> None:
            self.inner.close()

    monkeypatch.setattr(PinnedObject, "_open", lambda *arguments: Breaking(original(*arguments)))
    Invocations(cloud, 3).drain(object_notice(CSV))
    check(cloud)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("part", [1, 3, 4])
def test_after_a_crash_the_message_that_comes_back_goes_on_from_where_it_was(cloud: Cloud, part: int) -> None:
    cloud.put(CSV, BODY)
    invocations = Invocations(cloud, 2)
    waiting = [object_notice(CSV)]

    made = 0

    def fault_for(called: str) -> Fault | None:
        nonlocal made
        made += called == "s3.UploadPart"
        return crash if called == "s3.UploadPart" and made == part else None

    cloud.fault_for = fault_for
    crashed = False
    while waiting:
        body = waiting.pop(0)
        try:
            waiting += invocations.deliver(body)
        except Crash:
            crashed = True
            waiting.append(body)
    assert crashed
    check(cloud)
    assert cloud.calls.count("s3.CreateMultipartUpload") == (2 if part == 1 else 1)


def broken_off(cloud: Cloud, mask: Mask = MASK) -> str:
    """Return the message that goes on with the first part of the body."""
    cloud.put(CSV, BODY)
    (body,) = Invocations(cloud, 1, mask).deliver(object_notice(CSV))
    return body


@pytest.mark.usefixtures("small")
def test_a_message_that_is_delivered_again_and_again_and_out_of_order_does_no_harm(cloud: Cloud) -> None:
    first = broken_off(cloud)
    invocations = Invocations(cloud, 1)
    (second,) = invocations.deliver(first)
    (third,) = invocations.deliver(second)
    invocations.drain(first, third, second, first, third, object_notice(CSV))
    check(cloud)
    with cloud.recording() as calls:
        assert invocations.deliver(third) == []
    assert "s3.GetObject" not in calls
    check(cloud)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("parts", [1, 100])
def test_what_was_begun_of_another_version_is_given_up(cloud: Cloud, parts: int) -> None:
    body = broken_off(cloud)
    cloud.put(CSV, newer := rows(160))
    Invocations(cloud, parts).drain(body)
    check(cloud, newer)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("why", ["deleted", "refused"])
def test_of_what_was_begun_of_an_object_that_is_no_more_or_is_refused_nothing_is_left(cloud: Cloud, why: str) -> None:
    body = broken_off(cloud)
    if why == "deleted":
        cloud.remove(CSV)
    else:
        cloud.put(CSV, BODY, Metadata={"unknown": "any"})
    Invocations(cloud, 1).drain(body)
    assert cloud.keys(cloud.settings.target_bucket) == set()
    assert unfinished_uploads(cloud) == []


@pytest.mark.usefixtures("small")
def test_what_was_begun_by_another_policy_is_given_up(cloud: Cloud) -> None:
    rules = policy()["buckets"]["objects"]["rules"]
    rules[0]["body"]["fields"] = [["id", CUSTOMER], ["email", DROP], ["amount", KEEP]]
    newer = mask_of(policy(rules=rules))
    body = broken_off(cloud)
    Invocations(cloud, 1, newer).drain(body)
    check(cloud, mask=newer)


@pytest.mark.usefixtures("small")
def test_what_was_begun_and_aborted_by_somebody_is_begun_anew(cloud: Cloud) -> None:
    body = broken_off(cloud)
    abort_uploads(cloud)
    Invocations(cloud, 1).drain(body)
    check(cloud)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["position", "size", "crc", "fingerprint", "seal"])
def test_what_somebody_else_says_was_begun_is_not_gone_on_with(cloud: Cloud, name: str) -> None:
    """A position within a record would have its cells be taken for those of other columns."""
    told = json.loads(broken_off(cloud))
    value = told["begun"][name]
    forged = {**value, "offset": 30} if name == "position" else value + 1 if isinstance(value, int) else value + "x"
    told["begun"][name] = forged
    Invocations(cloud, 100).drain(json.dumps(told))
    assert len(unfinished_uploads(cloud)) == 1  # the real one, which nobody who may not may abort
    abort_uploads(cloud)
    check(cloud)


@pytest.mark.usefixtures("small")
def test_a_version_that_is_gone_in_the_middle_is_followed_by_the_one_that_is_there(cloud: Cloud) -> None:
    cloud.put(CSV, BODY)
    bucket = cloud.settings.source_bucket
    first = cloud.clients.source_s3.head_object(Bucket=bucket, Key=CSV)["VersionId"]

    def replaced(_operation: str, _request: Any, send: Any) -> Any:
        cloud.fault_for = lambda _: None
        cloud.put(CSV, rows(170))
        cloud.clients.source_s3.delete_object(Bucket=bucket, Key=CSV, VersionId=first)
        return send()

    cloud.fault_for = lambda called: replaced if called == "s3.GetObject" else None
    Invocations(cloud, 100).drain(object_notice(CSV))
    check(cloud, rows(170))


@pytest.mark.usefixtures("small")
def test_a_large_replica_that_is_level_is_not_made_again_and_one_edited_by_hand_is(cloud: Cloud) -> None:
    cloud.put(CSV, BODY)
    invocations = Invocations(cloud, 100)
    invocations.drain(object_notice(CSV))
    with cloud.recording() as calls:
        invocations.drain(object_notice(CSV))
    assert [call for call in calls if call.startswith("s3.")] == [
        *("s3.HeadObject", "s3.HeadObject", "s3.GetObjectTagging", "s3.GetObjectTagging")
    ]
    there = head(cloud, place(CSV))
    put_replica(cloud, place(CSV), **there["Metadata"])
    invocations.drain(object_notice(CSV))
    check(cloud)


@pytest.mark.usefixtures("small")
def test_a_body_that_no_invocation_has_time_for_a_part_of_is_given_up_at_last(cloud: Cloud) -> None:
    cloud.put(CSV, BODY)
    invocations = Invocations(cloud, 100)
    asked = 0

    def is_over() -> bool:
        nonlocal asked
        asked += 1
        return asked % 3 == 0

    masking(invocations.route.replicator, out_of_time=is_over)
    invocations.drain(object_notice(CSV))
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == "Endless"
    assert unfinished_uploads(cloud) == []


def test_a_message_that_can_not_be_sent_leaves_the_one_before_it(cloud: Cloud, small: None) -> None:
    first = broken_off(cloud)
    invocations = Invocations(cloud, 1)
    cloud.fault_for = lambda called: refusal("ServiceUnavailable", 503) if called == "sqs.SendMessageBatch" else None
    assert invocations.deliver(first) == [first]
    cloud.fault_for = lambda _: None
    invocations.drain(first)
    check(cloud)


@pytest.mark.usefixtures("small")
def test_a_store_that_ignores_ranges_is_read_on_from_the_right_byte(cloud: Cloud) -> None:
    cloud.put(CSV, BODY)
    ranges: list[Any] = []

    def whole(_operation: str, request: Any, send: Any) -> Any:
        ranges.append(request.headers.pop("Range", None))
        return send()

    cloud.fault_for = lambda called: whole if called == "s3.GetObject" else None
    Invocations(cloud, 2).drain(object_notice(CSV))
    cloud.fault_for = lambda _: None
    assert any(ranges)
    check(cloud)


# Any history

OTHER_RULES = policy()["buckets"]["objects"]["rules"]
OTHER_RULES[0]["body"]["fields"] = [["id", CUSTOMER], ["email", DROP], ["amount", KEEP]]
OTHER = mask_of(policy(rules=OTHER_RULES))


def crash(*_: Any) -> Any:
    raise Crash


FAULTS = {"throttled": refusal("SlowDown", 503), "crashed": crash}
DELIVERY = st.tuples(st.just("deliver"), st.integers(0, 9), st.integers(1, 3), st.sampled_from([MASK, OTHER]))
STEPS = st.one_of(
    *(DELIVERY, DELIVERY, DELIVERY),
    st.tuples(st.just("repeat"), st.integers(0, 9)),
    st.tuples(st.just("put"), st.integers(0, 120)),
    st.tuples(st.just("remove")),
    st.tuples(st.just("fail"), st.sampled_from(UPLOADING), st.sampled_from(sorted(FAULTS))),
)


@dataclass
class History:
    """A source that changes, and messages that functions of two policies are delivered."""

    cloud: Cloud
    waiting: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    source: bytes | None = None

    def fault_for(self, called: str) -> Fault | None:
        for name, kind in self.faults:
            if called == f"s3.{name}":
                self.faults.remove((name, kind))
                return FAULTS[kind]
        return None

    def deliver(self, place: int, parts: int, mask: Mask) -> None:
        if self.waiting:
            body = self.waiting.pop(place % len(self.waiting))
            try:
                self.waiting += Invocations(self.cloud, parts, mask).deliver(body)
            except Crash:
                self.waiting.append(body)

    def repeat(self, place: int) -> None:
        self.waiting += self.waiting[place % len(self.waiting) :][:1] if self.waiting else []

    def put(self, size: int) -> None:
        self.source = rows(size)
        self.cloud.put(CSV, self.source)
        self.waiting.append(object_notice(CSV))

    def remove(self) -> None:
        self.source = None
        self.cloud.remove(CSV)
        self.waiting.append(object_notice(CSV))

    def fail(self, operation: str, kind: str) -> None:
        self.faults.append((operation, kind))


@pytest.mark.usefixtures("small")
@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=4, max_size=14))
def test_after_any_history_the_replica_is_what_the_source_is_masked_to_and_nothing_else_is_left(
    steps: list[Any],
) -> None:
    with fresh_cloud() as cloud:
        history = History(cloud)
        cloud.fault_for = history.fault_for
        history.put(100)
        for name, *arguments in steps:
            getattr(history, name)(*arguments)
        history.faults.clear()
        # The last word is the present policy's: after a deploy that is `mask apply`'s.
        Invocations(cloud, 2).drain(*history.waiting, object_notice(CSV))
        if history.source is not None:
            check(cloud, history.source)
        else:
            assert cloud.keys(cloud.settings.target_bucket) == set()
            assert unfinished_uploads(cloud) == []
