"""What a verification finds: planted drift, all of it and nothing else, on moto's S3 and DynamoDB."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication_core.comparing.differences import object_differences
from replication_core.comparing.findings import SUSPECT, Finding, Looked, Verdict
from replication_core.comparing.items import compare_items
from replication_core.comparing.objects import compare_objects
from replication_core.comparing.second_look import look_again
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS, Dataset, RecordKey
from replication_core.desired import desired_item, desired_object
from replication_core.objects import listings
from replication_core.objects.states import Head, ObjectState
from tests.made_datasets import OTHERS, numbered
from tests.made_route import MadeRoute
from tests.unit.replication_core.cloud import Cloud, cloud, refusal, unreadable_instant


@pytest.fixture
def made() -> Iterator[Cloud]:
    with cloud() as one:
        yield one


@pytest.fixture(scope="module")
def shared() -> Iterator[Cloud]:
    with cloud() as one:
        yield one


def first_look(made: Cloud, *, quick: bool = False) -> list[Looked]:
    found: list[Looked] = []
    with ThreadPoolExecutor(4) as executor:
        for routed in made.settings.spec.routed:
            if routed.dataset.is_bucket:
                found += compare_objects(made.sides(), routed, executor, quick=quick)
            else:
                found += compare_items(made.sides(), routed, executor)
    return found


def suspects(made: Cloud, *, quick: bool = False) -> dict[RecordKey, Finding]:
    return {finding.key: finding for looked in first_look(made, quick=quick) for finding in looked.findings}


def final(made: Cloud, found: Iterable[Finding], *, worked_off: bool = True) -> dict[RecordKey, Finding]:
    """What is final after the first look, and of the rest the second one's findings."""
    first = {each.key: each for each in found}
    again = [each for each in first.values() if each.verdict in SUSPECT]
    with ThreadPoolExecutor(4) as executor:
        return first | {each.key: each for each in look_again(made.sides(), executor, again, worked_off=worked_off)}


def verdicts(found: dict[RecordKey, Finding]) -> dict[str, str]:
    return {str(key): finding.verdict.value for key, finding in found.items()}


def replicate(made: Cloud, *keys: RecordKey) -> None:
    outcomes = made.replicator().reconcile(keys)
    assert not any(outcome.error for outcome in outcomes.values())


def edit(made: Cloud, key: str, **changes: Any) -> None:
    """Write a replica anew as it is, with its provenance, but for the changes."""
    s3, bucket = made.clients.target_s3, made.settings.target_bucket
    head = s3.head_object(Bucket=bucket, Key=key)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    whole: dict[str, Any] = {"Body": body, "ContentType": head["ContentType"], "Metadata": head["Metadata"]}
    whole["Tagging"] = "&".join(f"{tag['Key']}={tag['Value']}" for tag in tags)
    s3.put_object(Bucket=bucket, Key=key, **whole | changes)


def edit_item(made: Cloud, id_: str, **attributes: Any) -> None:
    item = made.item(made.settings.target_table, id_) | attributes
    made.clients.target_dynamodb.put_item(TableName=made.settings.target_table, Item=item)


def populate(made: Cloud) -> list[RecordKey]:
    keys: list[RecordKey] = []
    for number in range(6):
        made.put(f"data/{number}.txt", f"body {number}".encode(), ContentType="text/plain", Metadata={"n": str(number)})
        made.put_item(f"item-{number}", value={"N": str(number)}, words={"SS": ["a", "b"]}, raw={"B": b"\x00"})
        keys += [OBJECTS.record(f"data/{number}.txt"), ITEMS.record(f"item-{number}", "1")]
    made.put("empty", b"", Tagging="class=a")
    replicate(made, *keys, OBJECTS.record("empty"))
    return keys


@pytest.mark.parametrize("quick", [False, True])
def test_replicas_as_the_replicator_makes_them_are_equal(made: Cloud, quick: bool) -> None:
    populate(made)
    looked = first_look(made, quick=quick)
    assert [finding for one in looked for finding in one.findings] == []
    assert (sum(one.objects for one in looked), sum(one.items for one in looked)) == (7, 6)


EDITS: dict[str, tuple[Callable[[Cloud], object], str, Verdict, tuple[str, ...]]] = {
    "bytes": (lambda made: edit(made, "data/1.txt", Body=b"BODY 1"), "data/1.txt", Verdict.DIFFERENT, ("bytes",)),
    "size": (lambda made: edit(made, "data/1.txt", Body=b"longer 1"), "data/1.txt", Verdict.DIFFERENT, ("size",)),
    "header": (
        lambda made: edit(made, "data/1.txt", ContentType="text/csv", CacheControl="no-store"),
        "data/1.txt",
        Verdict.DIFFERENT,
        ("header 'CacheControl'", "header 'ContentType'"),
    ),
    "metadata": (
        lambda made: edit(made, "data/1.txt", Metadata={"n": "other"}),
        "data/1.txt",
        Verdict.DIFFERENT,
        ("provenance", "metadata 'n'"),
    ),
    "tags": (
        lambda made: edit(made, "empty", Tagging="class=b&extra=1"),
        "empty",
        Verdict.DIFFERENT,
        ("tag 'class'", "tag 'extra'"),
    ),
    "deleted": (
        lambda made: made.clients.target_s3.delete_object(Bucket=made.settings.target_bucket, Key="empty"),
        "empty",
        Verdict.MISSING,
        (),
    ),
    "extra": (
        lambda made: made.clients.target_s3.put_object(Bucket=made.settings.target_bucket, Key="data/z", Body=b"mine"),
        "data/z",
        Verdict.EXTRA,
        (),
    ),
    "attribute": (
        lambda made: edit_item(made, "item-2", value={"N": "9"}, words={"SS": ["b", "a"]}),
        "item-2@1",
        Verdict.DIFFERENT,
        ("attribute 'value'",),
    ),
    "mark": (
        lambda made: edit_item(made, "item-2", environment={"S": "mine"}),
        "item-2@1",
        Verdict.DIFFERENT,
        ("attribute 'environment'",),
    ),
    "extra item": (
        lambda made: made.clients.target_dynamodb.put_item(
            TableName=made.settings.target_table, Item={"id": {"S": "mine"}, "timestamp": {"N": "1"}}
        ),
        "mine@1",
        Verdict.EXTRA,
        (),
    ),
    "deleted item": (
        lambda made: made.clients.target_dynamodb.delete_item(
            TableName=made.settings.target_table, Key={"id": {"S": "item-2"}, "timestamp": {"N": "1"}}
        ),
        "item-2@1",
        Verdict.MISSING,
        (),
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_was_done_to_a_replica_by_hand_is_found_named_and_mended_by_a_reconcile(made: Cloud, name: str) -> None:
    populate(made)
    change, key, verdict, what = EDITS[name]
    change(made)
    found = final(made, suspects(made).values())
    assert verdicts(found) == {key: verdict.value}
    assert next(iter(found.values())).what == what
    replicate(made, *found)
    assert suspects(made) == {}


@pytest.mark.parametrize("dataset", OTHERS, ids=lambda dataset: dataset.name)
def test_drift_of_every_dataset_is_found_in_it_and_mended(made: Cloud, dataset: Dataset) -> None:
    made.add(*OTHERS)
    keys = [numbered(each, number) for each in OTHERS for number in range(4)]
    for key in keys:
        made.put_record(key)
    replicate(made, *keys)
    assert suspects(made) == {}
    assert sum(looked.objects + looked.items for looked in first_look(made)) == len(keys)
    missing, different, extra = (numbered(dataset, number) for number in (1, 2, 9))
    target = made.routed(dataset).target
    if dataset.is_bucket:
        made.clients.target_s3.delete_object(Bucket=target, Key=missing.object_key)
        for key in (different, extra):
            made.clients.target_s3.put_object(Bucket=target, Key=key.object_key, Body=b"mine")
    else:
        made.clients.target_dynamodb.delete_item(TableName=target, Key=missing.attributes())
        for key in (different, extra):
            made.clients.target_dynamodb.put_item(TableName=target, Item=key.attributes())
    found = final(made, suspects(made).values())
    assert {key: finding.verdict for key, finding in found.items()} == {
        missing: Verdict.MISSING,
        different: Verdict.DIFFERENT,
        extra: Verdict.EXTRA,
    }
    replicate(made, *found)
    assert suspects(made) == {}


def test_no_finding_tells_a_value(made: Cloud) -> None:
    populate(made)
    edit(made, "data/1.txt", Metadata={"n": "secret-1"}, Tagging="t=secret-2", ContentType="secret/3")
    edit_item(made, "item-2", value={"S": "secret-4"})
    told = repr(final(made, suspects(made).values()))
    assert "secret" not in told
    assert "body" not in told


def test_a_quick_look_believes_the_listing_and_asks_where_it_differs(made: Cloud) -> None:
    populate(made)
    edit(made, "data/1.txt", ContentType="text/csv")
    edit(made, "data/2.txt", Body=b"BODY 2")
    with made.recording() as calls:
        found = suspects(made, quick=True)
    assert verdicts(found) == {"data/2.txt": "different"}
    assert calls.count("s3.HeadObject") == 2


@dataclass
class Listing:
    """An S3 client that lists these ETags by their keys, so many of them a page, and does nothing else."""

    etags: dict[str, str]
    page: int

    def list_objects_v2(
        self,
        *,
        Prefix: str,  # noqa: N803 - boto3's, and the others
        Delimiter: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        after = ContinuationToken or StartAfter
        keys = sorted(key for key in self.etags if key.startswith(Prefix) and key > after)
        if Delimiter:
            rests = (key.removeprefix(Prefix) for key in keys)
            folders = {Prefix + rest.partition(Delimiter)[0] + Delimiter for rest in rests if Delimiter in rest}
            return {"IsTruncated": False, "CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]}
        some = [{"Key": key, "Size": 1, "ETag": self.etags[key]} for key in keys[: self.page]]
        entries = [{"LastModified": datetime(2026, 1, 1, tzinfo=UTC), **entry} for entry in some]
        more = len(keys) > self.page
        return {"IsTruncated": more, "NextContinuationToken": some[-1]["Key"] if more else None, "Contents": entries}


contents = st.dictionaries(st.text("ab/", min_size=1, max_size=4), st.sampled_from("xy"), max_size=20)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=contents, others=contents, gone=st.sets(st.text("ab/", max_size=4)), page=st.integers(1, 5))
def test_wherever_pages_and_ranges_end_a_quick_look_compares_every_key_once(
    monkeypatch: pytest.MonkeyPatch, source: dict[str, str], others: dict[str, str], gone: set[str], page: int
) -> None:
    monkeypatch.setattr(listings, "_PAGES_AT_FIRST", 2)
    monkeypatch.setattr(listings, "_PAGES_A_SPLIT", 2)
    target = {key: etag for key, etag in {**others, **source}.items() if key not in gone}
    both: Any = (Listing(source, page), Listing(target, page))
    none: Any = None
    spec = MadeRoute(source_bucket="source", source_table="").spec
    sides = Sides(route=spec, source_s3=both[0], target_s3=both[1], source_dynamodb=none, target_dynamodb=none)
    with ThreadPoolExecutor(4) as executor:
        looked = list(compare_objects(sides, spec.datasets[0], executor, quick=True))
    found = sorted(str(finding.key) for each in looked for finding in each.findings)
    assert found == sorted(key for key in {*source, *target} if source.get(key) != target.get(key))
    assert sum(each.objects for each in looked) == len(source)


def test_what_the_route_leaves_out_is_expected_and_what_a_target_has_of_its_own_there_is_not_looked_at(
    made: Cloud,
) -> None:
    populate(made)
    made.with_settings(object_exclude=("own/",))
    made.put("own/of-prod", b"x")
    made.clients.target_s3.put_object(Bucket=made.settings.target_bucket, Key="own/of-dev", Body=b"y")
    assert verdicts(final(made, suspects(made).values())) == {"own/of-prod": "outside"}


def test_items_that_the_source_does_not_answer_for_are_unknown_and_not_passed_over(made: Cloud) -> None:
    item: Any = {"id": {"S": "mine"}, "timestamp": {"N": "1"}}
    made.clients.target_dynamodb.put_item(TableName=made.settings.target_table, Item=item)
    made.fault_for = lambda operation: refusal("AccessDenied", 403) if operation == "dynamodb.BatchGetItem" else None
    assert verdicts(suspects(made)) == {"mine@1": "unknown"}
    made.fault_for = lambda _: None
    assert verdicts(final(made, suspects(made).values())) == {"mine@1": "extra"}


def test_an_extra_one_is_the_targets_own_unless_the_route_made_it(made: Cloud) -> None:
    populate(made)
    made.remove("data/1.txt")
    made.remove_item("item-1")
    made.clients.target_s3.put_object(Bucket=made.settings.target_bucket, Key="mine", Body=b"")
    item: Any = {"id": {"S": "mine"}, "timestamp": {"N": "1"}}
    made.clients.target_dynamodb.put_item(TableName=made.settings.target_table, Item=item)
    found = final(made, suspects(made).values())
    assert {str(key): finding.own for key, finding in found.items()} == {
        "data/1.txt": False,
        "item-1@1": False,
        "mine": True,
        "mine@1": True,
    }


def test_an_archived_object_is_expected_to_be_missing(made: Cloud) -> None:
    made.put("archived", b"x", StorageClass="GLACIER")
    assert verdicts(suspects(made)) == {"archived": "outside"}


@pytest.mark.parametrize(("expires", "verdict"), [(-1, "outside"), (1, "missing")])
def test_an_object_that_has_expired_is_expected_to_be_missing(made: Cloud, expires: int, verdict: str) -> None:
    made.put("expiring", b"x")
    when = format_datetime(datetime.now(UTC) + timedelta(days=expires), usegmt=True)

    def tell(_operation: str, request: Any, send: Any) -> Any:
        answer = send()
        if answer is not None and "prod-data" in request.url:
            answer.headers["x-amz-expiration"] = f'expiry-date="{when}", rule-id="retention"'
        return answer

    made.fault_for = lambda operation: tell if operation == "s3.HeadObject" else None
    assert verdicts(final(made, suspects(made).values())) == {"expiring": verdict}


def test_what_arrives_while_it_is_looked_for_is_in_flight(made: Cloud) -> None:
    made.put("late", b"x")
    made.put_item("late")
    found = suspects(made)
    assert verdicts(found) == {"late": "missing", "late@1": "missing"}
    replicate(made, *found)
    assert set(verdicts(final(made, found.values())).values()) == {"in flight"}


def test_what_the_source_changes_meanwhile_is_in_flight(made: Cloud) -> None:
    populate(made)
    edit(made, "data/1.txt", Body=b"BODY 1")
    edit_item(made, "item-1", value={"N": "9"})
    found = suspects(made)
    made.put("data/1.txt", b"of prod, anew")
    made.put_item("item-1", value={"N": "10"})
    assert verdicts(final(made, found.values())) == {"data/1.txt": "in flight", "item-1@1": "in flight"}


def test_nothing_is_called_drift_while_the_route_has_changes_before_it(made: Cloud) -> None:
    made.put("waits", b"x")
    made.put_item("waits")
    found = final(made, suspects(made).values(), worked_off=False)
    assert set(verdicts(found).values()) == {"in flight"}


def test_what_cannot_be_read_is_told_with_the_reason_and_hides_nothing_else(made: Cloud) -> None:
    populate(made)
    edit(made, "data/1.txt", Body=b"BODY 1")
    made.fault_for = lambda operation: refusal("AccessDenied", 403) if operation == "s3.GetObjectTagging" else None
    found = suspects(made)
    made.fault_for = lambda _: None
    assert set(verdicts(found).values()) == {"unknown"}
    assert {finding.what for finding in found.values()} == {("AccessDenied: GetObjectTagging: refused",)}
    assert len(found) == 7


def test_a_key_whose_head_can_not_be_read_is_told_by_name_and_hides_nothing_else(made: Cloud) -> None:
    populate(made)
    edit(made, "data/2.txt", Body=b"BODY 2")
    made.fault_for = unreadable_instant("data/1.txt")
    found = final(made, suspects(made).values())
    assert verdicts(found) == {"data/1.txt": "unknown", "data/2.txt": "different"}
    (what,) = found[OBJECTS.record("data/1.txt")].what
    assert what.startswith("ValueError: HeadObject: the answer can't be read, at botocore.")


@pytest.mark.parametrize("broken", [KeyError("ETag"), RuntimeError("the data itself"), RecursionError()])
def test_whatever_is_raised_for_a_key_is_told_with_its_name_and_without_its_data(
    made: Cloud, broken: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(made)

    def differences(one: ObjectState, *others: Any, **more: Any) -> Any:
        if dict(one.head.metadata).get("n") == "1":
            raise broken
        return object_differences(one, *others, **more)

    monkeypatch.setattr("replication_core.comparing.objects.object_differences", differences)
    found = final(made, suspects(made).values())
    assert verdicts(found) == {"data/1.txt": "unknown"}
    assert "the data itself" not in str(found)


def test_an_item_that_can_not_be_compared_hides_no_other(made: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    populate(made)
    made.put_item("missing")

    def wanted(item: Any, *others: Any, **more: Any) -> Any:
        if item["id"]["S"] == "item-1":
            raise RuntimeError("the data itself")
        return desired_item(item, *others, **more)

    monkeypatch.setattr("replication_core.comparing.items.desired_item", wanted)
    found = final(made, suspects(made).values())
    assert verdicts(found) == {"item-1@1": "unknown", "missing@1": "missing"}
    assert "the data itself" not in str(found)


def test_a_batch_of_items_that_can_not_be_read_hides_no_object(made: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    populate(made)
    edit(made, "data/2.txt", Body=b"BODY 2")
    made.put_item("missing")

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("replication_core.comparing.items.read_items", broken)
    found = verdicts(final(made, suspects(made).values()))
    assert found == {"data/2.txt": "different", "missing@1": "unknown"}


class TextTable:
    """A table that keeps numbers as DynamoDB spells them, and compares them as text."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = items

    def scan(self, **_: Any) -> Any:
        return {"Items": self.items}

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - boto3's own name
        ((table, asked),) = RequestItems.items()
        keys = [(key["id"], key["timestamp"]) for key in asked["Keys"]]
        found = [item for item in self.items if (item["id"], item["timestamp"]) in keys]
        return {"Responses": {table: found}, "UnprocessedKeys": {}}


@pytest.mark.parametrize(
    "timestamp", ["11" + "0" * 38, "-" + "1" * 38 + "0" * 60, "0." + "0" * 60 + "1", "1" + "0" * 125]
)
def test_a_missing_replica_of_a_long_sort_key_is_missing(made: Cloud, timestamp: str) -> None:
    item = {"id": {"S": "long"}, "timestamp": {"N": timestamp}}
    source: Any = TextTable(item)
    target: Any = TextTable()
    sides = replace(made.sides(), source_dynamodb=source, target_dynamodb=target)
    with ThreadPoolExecutor(4) as executor:
        first = {finding for looked in compare_items(sides, made.items, executor) for finding in looked.findings}
        again = list(look_again(sides, executor, first, worked_off=True))
    assert [(str(each.key), each.verdict) for each in again] == [(f"long@{timestamp}", Verdict.MISSING)]


def test_what_neither_side_has_any_more_is_not_called_equal(made: Cloud) -> None:
    populate(made)
    made.put("waits")
    made.put_item("waits")
    found = suspects(made)
    made.remove("waits")
    made.remove_item("waits")
    assert {finding.what for finding in final(made, found.values()).values()} == {("neither side has it any more",)}
    assert set(verdicts(final(made, found.values())).values()) == {"in flight"}


def test_an_extra_one_whose_mark_is_a_tag_is_not_the_targets_own(made: Cloud) -> None:
    made.put("full", b"x", Metadata={"k": "v" * 2040})
    replicate(made, OBJECTS.record("full"))
    made.remove("full")
    made.clients.target_s3.put_object(Bucket=made.settings.target_bucket, Key="mine", Body=b"", Tagging="a=b")
    found = final(made, suspects(made).values())
    assert {str(key): finding.own for key, finding in found.items()} == {"full": False, "mine": True}


def test_a_replica_that_a_former_release_left_unmarked_is_found_and_marked_by_a_reconcile(made: Cloud) -> None:
    made.put("full", b"x", Metadata={"k": "v" * 2040})
    replicate(made, OBJECTS.record("full"))
    edit(made, "full", Tagging="")
    found = final(made, suspects(made).values())
    assert [finding.what for finding in found.values()] == [("provenance",)]
    replicate(made, *found)
    assert suspects(made) == {}


def test_a_replica_that_has_no_room_for_a_mark_differs_in_it(made: Cloud) -> None:
    made.put("full", b"x", Metadata={"k": "v" * 2039}, Tagging="&".join(f"t{number}=v" for number in range(10)))
    s3, source, target = made.clients.target_s3, made.settings.source_bucket, made.settings.target_bucket
    s3.copy_object(Bucket=target, Key="full", CopySource={"Bucket": source, "Key": "full"})
    found = final(made, suspects(made).values())
    assert [(str(each.key), each.verdict, each.what) for each in found.values()] == [
        ("full", Verdict.DIFFERENT, ("provenance",))
    ]
    outcome = made.replicator().reconcile(found.keys())[OBJECTS.record("full")]
    assert outcome.error is not None
    assert outcome.error.kind == "NoRoomForMark"


def clear(made: Cloud, keys: Iterable[str]) -> None:
    settings, clients = made.settings, made.clients
    for key in keys:
        made.remove(key)
        made.remove_item(key)
        clients.target_s3.delete_object(Bucket=settings.target_bucket, Key=key)
        named: Any = {"id": {"S": key}, "timestamp": {"N": "1"}}
        clients.target_dynamodb.delete_item(TableName=settings.target_table, Key=named)


def plant_object(made: Cloud, key: str, original: tuple[str, str] | None, replica: tuple[str, str] | None) -> None:
    """Put a source of this body and these tags, and a replica as the replicator makes it, or edited into another."""
    s3, bucket = made.clients.target_s3, made.settings.target_bucket
    if original is not None:
        made.put(key, original[0].encode(), Tagging=original[1])
        replicate(made, OBJECTS.record(key))
    if replica is None:
        s3.delete_object(Bucket=bucket, Key=key)
    elif original is None:
        s3.put_object(Bucket=bucket, Key=key, Body=replica[0].encode(), Tagging=replica[1])
    elif replica != original:
        edit(made, key, Body=replica[0].encode(), Tagging=replica[1])


STATES = st.none() | st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", "c=d"]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.dictionaries(st.sampled_from("pqrst"), st.tuples(STATES, STATES), max_size=4),
    items=st.dictionaries(st.sampled_from("pqrst"), st.tuples(st.none() | st.text(max_size=1), st.booleans())),
)
def test_all_that_differs_is_found_and_a_reconcile_of_what_is_found_leaves_nothing(
    shared: Cloud,
    objects: dict[str, tuple[tuple[str, str] | None, tuple[str, str] | None]],
    items: dict[str, tuple[str | None, bool]],
) -> None:
    clear(shared, "pqrst")
    wrong: set[RecordKey] = {OBJECTS.record(key) for key, (original, replica) in objects.items() if original != replica}
    wrong |= {
        ITEMS.record(key, "1") for key, (value, replicated) in items.items() if value is not None and not replicated
    }
    for key, (original, replica) in objects.items():
        plant_object(shared, key, original, replica)
    for key, (value, replicated) in items.items():
        if value is not None:
            shared.put_item(key, value={"S": value})
            if replicated:
                replicate(shared, ITEMS.record(key, "1"))
    found = final(shared, suspects(shared).values())
    assert found.keys() == wrong
    replicate(shared, *found)
    assert suspects(shared) == {}


def head(**fields: Any) -> Head:
    whole: dict[str, Any] = {"version_id": "v1", "etag": '"' + "0" * 32 + '"', "size": 5, "last_modified": "2026"}
    return Head(**whole | fields)


def copied(original: Head, **fields: Any) -> tuple[str, ...]:
    where: Any = {"bucket": "b", "key": OBJECTS.record("k"), "environment": "prod"}
    state = ObjectState(original, ())
    desired = desired_object(state, **where)
    assert desired is not None
    tags = fields.pop("tags", desired.telling.tags)
    replica = head(**{"metadata": tuple(desired.telling.metadata.items())} | fields)
    return object_differences(state, ObjectState(replica, tags), **where)


PARTS = '"' + "1" * 32 + '-2"'


def test_bytes_whose_etags_cannot_be_compared_are_compared_by_checksum() -> None:
    crc = {"checksum_algorithm": "CRC64NVME", "checksum_type": "FULL_OBJECT"}
    original = head(checksum="same", **crc)
    assert copied(original, etag=PARTS, checksum="same", **crc) == ()
    assert copied(original, etag=PARTS, checksum="other", **crc) == ("bytes",)


def test_bytes_that_nothing_tells_of_are_those_of_the_version_that_the_provenance_names() -> None:
    original = head()
    assert copied(original, etag=PARTS) == ()
    assert copied(original, etag=PARTS, metadata=(("replicated-from-version", "v0"),)) == ("bytes", "provenance")


def test_an_etag_of_an_object_encrypted_by_a_key_of_ones_own_is_no_digest() -> None:
    assert copied(head(), etag='"' + "1" * 32 + '"', encryption="aws:kms") == ()
    assert copied(head(), etag='"' + "1" * 32 + '"', encryption="AES256") == ("bytes",)


def test_bytes_that_nothing_can_tell_of_are_those_of_the_same_size() -> None:
    no_version = head(headers=(("ContentDisposition", "r\u00e9sum\u00e9"),))
    replica = {"etag": PARTS, "headers": no_version.headers}
    assert copied(no_version, **replica) == ()
    assert copied(no_version, **replica, size=6) == ("size",)
    assert copied(no_version, **replica | {"etag": '"' + "1" * 32 + '"'}) == ("bytes",)


def test_metadata_that_can_not_be_told_has_to_be_there_on_both_sides() -> None:
    assert copied(head(missing_metadata=True)) == ("metadata that can't be told",)
    assert copied(head(missing_metadata=True), missing_metadata=True) == ()


def test_a_replica_without_the_mark_that_it_is_to_have_differs() -> None:
    full = head(metadata=(("k", "v" * 2040),))
    assert copied(full) == ()
    assert copied(full, tags=()) == ("provenance",)
    assert copied(full, tags=(("replicated-from", "other"),)) == ("provenance",)
    # As a release made it that had the version before the environment.
    former = (("k", "v" * 1984), ("replicated-from-version", "v1"))
    assert copied(head(metadata=former[:1]), metadata=former) == ("provenance",)


def test_bytes_that_nothing_else_tells_of_are_those_of_the_etag_that_the_replica_was_made_with() -> None:
    made = (("replicated-from", "prod " + PARTS.strip('"')),)
    assert copied(head(), etag=PARTS, tags=made) == ()
    assert copied(head(), etag=PARTS.replace("1", "2"), tags=made) == ("bytes",)


def test_the_marks_tag_is_no_difference() -> None:
    assert copied(head(), tags=(("replicated-from", "prod"),)) == ()
