"""What a verification finds under a policy, in moto: what differs, is unmasked, stale or extra."""

import gzip
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline_ops.routes.target_deletes import delete_orphan
from replication_core.comparing.findings import DRIFT, SUSPECT, Finding, Verdict
from replication_core.comparing.items import compare_items
from replication_core.comparing.masked_keys import MaskedKeys
from replication_core.comparing.objects import compare_objects
from replication_core.comparing.second_look import look_again
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from tests.made_policies import KEEP, item_policy, made_mask, policy, pseudonym
from tests.unit.replication_core.cloud import Cloud, Fault, cloud

FIELDS = [["id", pseudonym("customer")], ["n", KEEP]]


def bucket(*, masks_keys: bool = True, **changes: Any) -> dict[str, Any]:
    def rule(match: str, body: dict[str, Any]) -> dict[str, Any]:
        key = {"name": pseudonym("name") if masks_keys else KEEP}
        return {
            "match": match,
            "line": 20,
            "key": key,
            "body": body,
            "headers": {},
            "metadata": {"n": KEEP},
            "tags": {},
        }

    rules = [
        rule("data/{name}.txt", {"opaque": "made up"}),
        rule("rows/{name}.jsonl", {"format": "json-lines", "fields": FIELDS}),
    ]
    return {"rules": rules, "tags": [], "deletes": "mirror", **changes}


def both(*, masks_keys: bool = True, **changes: Any) -> dict[str, Any]:
    return policy({"items": item_policy(masks_keys=masks_keys)}, {"objects": bucket(masks_keys=masks_keys)}, **changes)


POLICIES = {"masked keys": both(), "kept keys": both(masks_keys=False)}
ROWS = OBJECTS.record("rows/1.jsonl")
FILE = OBJECTS.record("data/1.txt")
ITEM = ITEMS.record("item-1", "1")


@pytest.fixture(params=POLICIES)
def made(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """A source and its masked replicas, by policies with masked and with kept keys."""
    with cloud() as one:
        one.with_policy(POLICIES[request.param])
        populate(one)
        yield one


@pytest.fixture
def masked() -> Iterator[Cloud]:
    """A source and its replicas under masked keys."""
    with cloud() as one:
        one.with_policy(POLICIES["masked keys"])
        populate(one)
        yield one


def populate(made: Cloud) -> None:
    keys: list[RecordKey] = []
    for number in range(12):
        made.put(f"data/{number}.txt", f"body {number}".encode(), Metadata={"n": str(number)})
        made.put(f"rows/{number}.jsonl", f'{{"id": "ann-{number}", "n": {number}}}\n'.encode())
        made.put_item(f"item-{number}", n={"N": str(number)}, words={"SS": ["a", "b"]})
        keys += [OBJECTS.record(f"data/{number}.txt"), OBJECTS.record(f"rows/{number}.jsonl")]
        keys.append(ITEMS.record(f"item-{number}", "1"))
    replicate(made, *keys)


def replicate(made: Cloud, *keys: RecordKey) -> None:
    outcomes = made.replicator().reconcile(keys)
    assert not any(outcome.error for outcome in outcomes.values())


def place(made: Cloud, key: RecordKey) -> RecordKey:
    return made_mask(made.settings.masking).key(key)


def without_checksums(operation: str) -> Fault | None:
    """Have no head tell a checksum."""

    def fault(_operation: str, _request: Any, send: Any) -> Any:
        answer = send()
        for name in [name for name in answer.headers if name.lower().startswith("x-amz-checksum")]:
            del answer.headers[name]
        return answer

    return fault if operation == "s3.HeadObject" else None


def first_look(made: Cloud, **how: Any) -> list[Finding]:
    sides = made.sides()
    with ThreadPoolExecutor(4) as executor:
        looked = [
            *compare_objects(sides, made.objects, executor, **how),
            *compare_items(sides, made.items, executor),
        ]
    return [finding for each in looked for finding in each.findings]


def found(made: Cloud, **how: Any) -> list[Finding]:
    """Return what is final after both looks."""
    first = first_look(made, **how)
    suspects = [finding for finding in first if finding.verdict in SUSPECT]
    with ThreadPoolExecutor(4) as executor:
        again = list(look_again(made.sides(), executor, suspects, worked_off=True, deep=how.get("deep", False)))
    return [*(finding for finding in first if finding.verdict not in SUSPECT), *again]


def verdicts(made: Cloud, **how: Any) -> dict[tuple[RecordKey, bool], Verdict]:
    return {(each.key, each.orphan): each.verdict for each in found(made, **how)}


def repair(made: Cloud) -> None:
    """Do what `verify --repair` does."""
    drift = [finding for finding in found(made) if finding.verdict in DRIFT]
    replicate(made, *(finding.key for finding in drift if not finding.orphan))
    for finding in drift:
        if finding.orphan:
            assert delete_orphan(made.sides(), datetime.now(UTC) + timedelta(seconds=2), finding.key)


def put_replica(made: Cloud, key: RecordKey, **changes: Any) -> None:
    """Write what the target has of a key anew, otherwise, with its provenance."""
    if not key.dataset.is_bucket:
        client, table = made.clients.target_dynamodb, made.items.target
        item = client.get_item(TableName=table, Key=key.attributes()).get("Item", key.attributes())
        client.put_item(TableName=table, Item={**item, **changes})
        return
    s3, name = made.clients.target_s3, made.settings.target_bucket
    head = s3.head_object(Bucket=name, Key=key.object_key)
    whole = {"Body": b"other", "ContentType": head["ContentType"], "Metadata": head["Metadata"]}
    s3.put_object(Bucket=name, Key=key.object_key, **{**whole, **changes})


def delete_replica(made: Cloud, key: RecordKey) -> None:
    if key.dataset.is_bucket:
        made.clients.target_s3.delete_object(Bucket=made.settings.target_bucket, Key=key.object_key)
    else:
        made.clients.target_dynamodb.delete_item(TableName=made.items.target, Key=key.attributes())


def by(made: Cloud, document: dict[str, Any], *keys: RecordKey) -> None:
    """Have another policy make the replicas of these records, and then the present one be the route's again."""
    current = made.settings.masking
    made.with_policy(document)
    replicate(made, *keys)
    made.with_policy(current)


@pytest.mark.parametrize("how", [{}, {"quick": True}, {"deep": True}], ids=str)
def test_replicas_as_the_policy_has_them_are_equal(made: Cloud, how: dict[str, bool]) -> None:
    assert first_look(made, **how) == []


def test_a_masked_body_that_was_changed_by_hand_is_found_by_masking_its_source_again(made: Cloud) -> None:
    put_replica(made, place(made, ROWS), Body=b'{"id": "ann-1", "n": 1}\n', ChecksumAlgorithm="CRC32")
    assert found(made) == []
    with made.recording() as calls:
        (finding,) = found(made, deep=True)
    assert (finding.key, finding.verdict, finding.what) == (ROWS, Verdict.DIFFERENT, ("bytes",))
    read = [str(each.url) for each in made.requests if each.method == "GET" and "rows/" in str(each.url)]
    assert "s3.GetObject" in calls
    assert not any("dev-data" in url and "tagging" not in url for url in read), "the replica itself is never read"
    replicate(made, ROWS)
    assert found(made, deep=True) == []


def test_a_gzip_body_that_another_compressor_has_written_is_read_and_equal(made: Cloud) -> None:
    key = OBJECTS.record("rows/big.jsonl")
    body = b"".join(f'{{"id": "ann-{number}", "n": {number}}}\n'.encode() for number in range(500))
    made.put(key.object_key, gzip.compress(body))
    replicate(made, key)
    where = place(made, key)
    stored = made.clients.target_s3.get_object(Bucket=made.settings.target_bucket, Key=where.object_key)["Body"].read()
    put_replica(made, where, Body=gzip.compress(gzip.decompress(stored), 1), ChecksumAlgorithm="CRC32")
    assert found(made, deep=True) == []
    for other in (gzip.compress(gzip.decompress(stored)[:-2]), stored[:-20], b"no gzip"):
        put_replica(made, where, Body=other, ChecksumAlgorithm="CRC32")
        assert verdicts(made, deep=True) == {(key, False): Verdict.DIFFERENT}


def test_a_body_of_whose_whole_nothing_tells_a_checksum_is_read(made: Cloud) -> None:
    put_replica(made, place(made, ROWS), Body=b'{"id": "ann-1", "n": 1}\n')
    made.fault_for = without_checksums
    assert verdicts(made, deep=True) == {(ROWS, False): Verdict.DIFFERENT}


def test_a_body_that_the_policy_refuses_is_missing_until_it_is_read(made: Cloud) -> None:
    made.put("rows/new.jsonl", b'{"id": "ann", "surprise": "secret"}\n')
    new = OBJECTS.record("rows/new.jsonl")
    assert verdicts(made) == {(new, False): Verdict.MISSING}
    (finding,) = found(made, deep=True)
    assert (finding.key, finding.verdict) == (new, Verdict.REFUSED)
    assert not {word for word in ("surprise", "secret", "ann") if word in str(finding.what)}


def test_what_was_done_to_a_masked_replica_is_found_by_its_sources_key_and_mended(made: Cloud) -> None:
    put_replica(made, place(made, ITEM), n={"N": "99"})
    put_replica(made, place(made, FILE))
    delete_replica(made, place(made, ROWS))
    differing = found(made)
    assert {finding.key: (finding.verdict, finding.what) for finding in differing} == {
        ITEM: (Verdict.DIFFERENT, ("attribute 'n'",)),
        FILE: (Verdict.DIFFERENT, ("size",)),
        ROWS: (Verdict.MISSING, ()),
    }
    assert not any(finding.orphan for finding in differing)
    repair(made)
    assert found(made) == []


def test_a_replica_of_another_version_of_a_masked_body_is_found(made: Cloud) -> None:
    made.put(ROWS.object_key, b'{"id": "ann-1", "n": 2}\n')
    assert verdicts(made) == {(ROWS, False): Verdict.DIFFERENT}
    replicate(made, ROWS)
    assert found(made) == []


def test_what_is_missing_or_older_than_its_source_is_found_by_the_listings(made: Cloud) -> None:
    delete_replica(made, place(made, ROWS))
    delete_replica(made, place(made, FILE))
    assert verdicts(made, quick=True) == {(ROWS, False): Verdict.MISSING, (FILE, False): Verdict.MISSING}


@pytest.mark.parametrize("quick", [False, True])
def test_what_has_no_source_any_more_is_found_and_deleted_and_the_targets_own_is_left(made: Cloud, quick: bool) -> None:
    keys = [ITEM, FILE, ROWS]
    places = [place(made, key) for key in keys]
    made.remove_record(ITEM)
    for key in (FILE, ROWS):
        made.remove(key.object_key)
    own = [
        ITEMS.record("own", "1"),
        OBJECTS.record("data/own.txt"),
        ITEMS.record("eu", "1"),
        OBJECTS.record("data/eu.txt"),
    ]
    put_replica(made, own[0])
    put_replica(made, own[2], replicatedFrom={"S": "another source"})
    for name, marks in (("data/own.txt", {}), ("data/eu.txt", {"replicated-from": "another-source"})):
        made.clients.target_s3.put_object(Bucket=made.settings.target_bucket, Key=name, Body=b"", Metadata=marks)
    extra = verdicts(made, quick=quick)
    orphan = places != keys
    assert extra == {
        **{(each, orphan): Verdict.EXTRA for each in places},
        **{(each, orphan): Verdict.OUTSIDE if orphan else Verdict.EXTRA for each in own},
    }
    repair(made)
    left = verdicts(made)
    assert left == ({(each, True): Verdict.OUTSIDE for each in own} if orphan else {})


def test_what_no_policy_has_made_is_unmasked_before_anything_else(made: Cloud) -> None:
    by(made, {}, ITEM, FILE, ROWS)
    told = verdicts(made)
    assert {(key, place(made, key) != key) for key in (ITEM, FILE, ROWS)} == {
        each for each, verdict in told.items() if verdict is Verdict.UNMASKED
    }
    repair(made)
    assert found(made) == []


def test_what_another_policy_has_made_is_stale_and_made_anew(made: Cloud) -> None:
    by(made, {**made.settings.masking, "unclassified": "drop"}, ITEM, FILE, ROWS)
    assert verdicts(made) == {(key, False): Verdict.STALE for key in (ITEM, FILE, ROWS)}
    repair(made)
    assert found(made) == []


def test_a_replaced_key_makes_every_replica_stale_also_where_the_policy_is_the_same(made: Cloud) -> None:
    former = {(place(made, key), place(made, key) != key) for key in (ITEM, FILE, ROWS)}
    made.with_policy(made.settings.masking).root = bytes(32)
    told = verdicts(made)
    assert {told[each] for each in former} == {Verdict.STALE}
    assert Verdict.UNMASKED not in told.values()
    repair(made)
    assert found(made) == []


def test_a_mark_that_was_copied_to_another_key_proves_nothing_and_is_alarmed_on(made: Cloud) -> None:
    """Who may write to the target can read the marks there, and put production's data under them."""
    mask = made_mask(made.settings.masking)
    forged = mask.mark(place(made, ITEMS.record("item-2", "1")))
    put_replica(made, place(made, ITEM), replicatedPolicy={"S": forged})
    forged = mask.mark(place(made, OBJECTS.record("rows/2.jsonl")))
    bucket, key = made.settings.target_bucket, place(made, ROWS).object_key
    told = made.clients.target_s3.head_object(Bucket=bucket, Key=key)["Metadata"]
    put_replica(made, place(made, ROWS), Metadata={**told, "replicated-policy": forged})
    assert {each.key: (each.verdict, each.what) for each in found(made)} == dict.fromkeys(
        (ITEM, ROWS), (Verdict.UNMASKED, ("its mark is forged, or was copied from another key",))
    )
    repair(made)
    assert found(made) == []


def test_what_somebody_has_put_over_a_replica_is_told_so(made: Cloud) -> None:
    put_replica(made, place(made, FILE), Metadata={})
    delete_replica(made, place(made, ITEM))
    put_replica(made, place(made, ITEM))
    assert {each.key: (each.verdict, each.what) for each in found(made)} == dict.fromkeys(
        (FILE, ITEM), (Verdict.UNMASKED, ("it has no mark: it is somebody else's, or was written over",))
    )


def test_what_another_generation_has_left_under_its_keys_is_stale_and_deleted(masked: Cloud) -> None:
    former = both(generation=7)
    by(masked, former, ITEM, FILE, ROWS)
    left = {(made_mask(former).key(key), True) for key in (ITEM, FILE, ROWS)}
    assert verdicts(masked) == dict.fromkeys(left, Verdict.STALE)
    repair(masked)
    assert found(masked) == []


def test_what_the_policy_refuses_is_told_and_no_drift(made: Cloud) -> None:
    made.put_record(ITEM, surprise={"S": "secret"})
    made.put(FILE.object_key, b"x", Metadata={"surprise": "secret"})
    unknown = OBJECTS.record("unknown/ann@example.com")
    made.put(unknown.object_key)
    refused = found(made)
    assert {(each.key, each.verdict) for each in refused} == {(each, Verdict.REFUSED) for each in (ITEM, FILE, unknown)}
    assert not {word for word in ("surprise", "secret") if word in repr([each.what for each in refused])}


def test_what_the_policy_refuses_and_none_has_made_is_unmasked_and_goes_with_a_reconcile(made: Cloud) -> None:
    by(made, {}, ITEM)
    made.put_record(ITEM, surprise={"S": "secret"})
    told = verdicts(made)
    assert Verdict.UNMASKED in told.values()
    made.replicator().reconcile([ITEM])
    assert verdicts(made) == {(ITEM, False): Verdict.REFUSED}


def test_what_does_not_travel_and_what_is_kept_is_no_drift() -> None:
    where = [{"attribute": "status", "op": "equals", "value": {"S": "open"}}]
    table = item_policy(where=where, deletes="keep")
    with cloud() as made:
        made.with_policy(policy({"items": table}, {"objects": bucket(deletes="keep")}))
        made.put_item("open", status={"S": "open"})
        made.put_item("closed", status={"S": "closed"})
        made.put("data/1.txt")
        replicate(made, ITEMS.record("open", "1"), ITEMS.record("closed", "1"), FILE)
        assert found(made) == []
        made.remove_item("open")
        made.remove("data/1.txt")
        assert set(verdicts(made).values()) == {Verdict.OUTSIDE}
        assert len(found(made)) == 2


def test_a_replica_whose_source_comes_meanwhile_is_no_orphan(masked: Cloud) -> None:
    for key in (ITEM, FILE):
        masked.remove_record(key) if key is ITEM else masked.remove(key.object_key)
    suspects = first_look(masked)
    assert {finding.verdict for finding in suspects} == {Verdict.EXTRA}
    masked.put_item("item-1", n={"N": "1"})
    masked.put("data/1.txt")
    with ThreadPoolExecutor(4) as executor:
        again = list(look_again(masked.sides(), executor, suspects, worked_off=True))
    assert {finding.verdict for finding in again} == {Verdict.IN_FLIGHT}


def test_an_orphan_that_was_written_since_stays(masked: Cloud) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    for key in (ITEM, FILE):
        assert not delete_orphan(masked.sides(), before, place(masked, key))
    put_replica(masked, ITEMS.record("own", "1"))
    assert not delete_orphan(masked.sides(), datetime.now(UTC) + timedelta(seconds=2), ITEMS.record("own", "1"))
    assert verdicts(masked) == {(ITEMS.record("own", "1"), True): Verdict.OUTSIDE}


def test_a_set_of_keys_knows_those_that_were_added_in_about_eight_bytes_each() -> None:
    tracemalloc.start()
    keys = MaskedKeys.of(ITEMS.record(f"item-{number}", str(number)) for number in range(50_000))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 10 * 50_000
    assert all(ITEMS.record(f"item-{number}", str(number)) in keys for number in range(50_000))
    assert not any(ITEMS.record(f"item-{number}", str(number + 1)) in keys for number in range(50_000))


def test_nobody_can_look_for_a_key_that_passes_for_another_since_each_process_has_digests_of_its_own() -> None:
    key = ITEMS.record("item", "1")
    told = {bytes(part) for part in MaskedKeys.of([key])._parts if part}
    command = (
        "from replication_core.comparing.masked_keys import MaskedKeys\n"
        "from replication_core.datasets import ITEMS\n"
        "print(*[bytes(part).hex() for part in MaskedKeys.of([ITEMS.record('item', '1')])._parts if part])"
    )
    others = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert len(told) == 1
    assert {bytes.fromhex(other) for other in others.split()}.isdisjoint(told)


def test_what_was_copied_unmasked_is_of_no_policy_whatever_its_source_says() -> None:
    document = POLICIES["kept keys"]
    with cloud() as one:
        one.with_policy(document)
        mask = one.sides().mask()
        assert mask
        copied = {"replicated-policy": mask.mark(ROWS), "own": "1"}
    with cloud() as one, ThreadPoolExecutor(2) as executor:
        one.put(ROWS.object_key, b'{"id": "ann", "n": 1}\n', Metadata=copied)
        one.put_item("item-1", replicatedPolicy={"S": mask.mark(ITEM)})
        one.replicator().reconcile([ROWS, ITEM])
        assert all(not looked.findings for looked in compare_objects(one.sides(), one.objects, executor))
        one.with_policy(document)
        found = [*compare_objects(one.sides(), one.objects, executor)]
        found += compare_items(one.sides(), one.items, executor)
        assert {finding.verdict for looked in found for finding in looked.findings} == {Verdict.UNMASKED}
