"""Replicas of objects in moto: what is kept, what it costs, and what is refused.

moto ignores CopySourceIfMatch and knows no archive of its own, so that both are seen on the requests.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from processor_lambda.files import FileBucket
from replication_core.comparing.findings import Finding
from replication_core.comparing.objects import look_at_object
from replication_core.datasets import OBJECTS
from replication_core.desired import DEFAULT_LARGE_FROM
from replication_core.object_keys import fits_xml
from replication_core.objects import lean_reads
from replication_core.objects.large_copy import DEFAULT_PART_SIZE
from replication_core.objects.provenance import METADATA_BYTES, replica_metadata, tells_version
from replication_core.objects.states import Head
from replication_core.reconcile import Action, Outcome
from tests.unit.replication_core.cloud import Cloud, answered, refusal
from tests.unit.replication_core.cloud import cloud as fresh_cloud


def with_answer(patch: pytest.MonkeyPatch, cloud: Cloud, method: str, change: Callable[[Any], Any]) -> None:
    """Let a method of the source's client answer otherwise, and be asked each time."""
    patch.setattr(lean_reads, "read_lean", lambda client: client)
    original = getattr(cloud.clients.source_s3, method)
    patch.setattr(cloud.clients.source_s3, method, lambda **arguments: change(original(**arguments)))


COPY = ["s3.HeadObject", "s3.CopyObject", "s3.GetObjectTagging"]
MIB = 1024**2


def reconciled(cloud: Cloud, key: str, **options: Any) -> Outcome:
    return cloud.replicator(**options).reconcile([OBJECTS.record(key)])[OBJECTS.record(key)]


@pytest.mark.parametrize(
    "key",
    [
        "plain.txt",
        "a+b&c=d%20e%2Fä f/ü?#.csv",
        "prefix/",
        "quote'\"<>\\|~`^{}[]",
        "日本語/" + "k" * 1000,
        "é" * 512,
        "a//b",
        "versionId=x?versionId=y",
    ],
)
def test_every_key_is_replicated_as_it_is(cloud: Cloud, key: str) -> None:
    cloud.put(key, b"of " + key.encode())
    assert reconciled(cloud, key).action is Action.COPIED
    assert cloud.replica(key) == cloud.source_object(key)
    assert len(key.encode()) <= 1024


def test_everything_that_a_reader_sees_is_kept(cloud: Cloud) -> None:
    cloud.put(
        "all",
        b"\x00\xff" * 100,
        ContentType="text/csv; charset=utf-8",
        CacheControl="max-age=1",
        ContentDisposition='attachment; filename="a b.csv"',
        ContentEncoding="gzip",
        ContentLanguage="de",
        WebsiteRedirectLocation="/elsewhere",
        Metadata={"owner": "data", "title": "=?UTF-8?B?w6TDtg==?="},
        Tagging="a=b",
    )
    outcome = reconciled(cloud, "all")
    assert (outcome.action, outcome.size) == (Action.COPIED, 200)
    replica = cloud.replica("all")
    assert replica == cloud.source_object("all")
    assert replica is not None
    assert replica["metadata"] == {"owner": "data", "title": "=?UTF-8?B?w6TDtg==?="}


@pytest.mark.parametrize("expires", ["Thu, 01 Dec 1994 16:00:00 GMT", "0", "-1", "2031-01-01T00:00:00Z"])
def test_an_expires_header_is_sent_exactly_as_it_was_stored(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, expires: str
) -> None:
    cloud.put("cached")
    # moto stores no Expires.
    with_answer(monkeypatch, cloud, "head_object", lambda answer: {**answer, "ExpiresString": expires})
    assert reconciled(cloud, "cached").action is Action.COPIED
    request = cloud.requests[cloud.calls.index("s3.CopyObject")]
    assert request.headers["Expires"] in {expires, expires.encode()}


def test_ten_tags_of_full_length_are_kept_character_by_character(cloud: Cloud) -> None:
    tags: Any = [{"Key": f"{number} +=._:/@-", "Value": "+=/:.@- xy"[number:].strip()} for number in range(9)]
    tags.append({"Key": "k" * 128, "Value": "v" * 256})
    cloud.put("tagged")
    cloud.clients.source_s3.put_object_tagging(
        Bucket=cloud.settings.source_bucket, Key="tagged", Tagging={"TagSet": tags}
    )
    assert reconciled(cloud, "tagged").action is Action.COPIED
    replica = cloud.replica("tagged")
    assert replica is not None
    assert replica["tags"] == sorted((tag["Key"], tag["Value"]) for tag in tags)


def test_tags_that_moto_refuses_are_encoded_for_the_header(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {"a&b": "ä=%&+", "日本": "", "x y": " ;?#"}
    cloud.put("tagged", Tagging="any=tag")
    answer = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
    with_answer(monkeypatch, cloud, "get_object_tagging", lambda original: original | answer)
    cloud.fault_for = lambda operation: refusal("SlowDown", 503) if operation == "s3.CopyObject" else None
    reconciled(cloud, "tagged")
    header = cloud.requests[cloud.calls.index("s3.CopyObject")].headers["x-amz-tagging"]
    text = header.decode() if isinstance(header, bytes) else header
    assert text.isascii()
    assert dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True)) == tags


def test_an_object_costs_three_calls_and_no_bytes(cloud: Cloud) -> None:
    cloud.put("one")
    with cloud.recording() as calls:
        reconciled(cloud, "one")
    assert calls == COPY


def test_a_tagged_object_costs_one_call_more(cloud: Cloud) -> None:
    cloud.put("one", Tagging="a=b")
    with cloud.recording() as calls:
        reconciled(cloud, "one")
    assert calls == ["s3.HeadObject", "s3.GetObjectTagging", "s3.CopyObject", "s3.GetObjectTagging"]


def test_tags_are_kept_also_where_heads_do_not_count_them(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put("one", Tagging="a=b")
    with_answer(monkeypatch, cloud, "head_object", lambda answer: answer | {"TagCount": 0})
    assert reconciled(cloud, "one").rereads == 1
    assert cloud.replica("one") == cloud.source_object("one")


def test_a_copy_is_pinned_to_the_version_that_was_read(cloud: Cloud) -> None:
    cloud.put("one")
    head = cloud.clients.source_s3.head_object(Bucket=cloud.settings.source_bucket, Key="one")
    reconciled(cloud, "one")
    headers = cloud.requests[cloud.calls.index("s3.CopyObject")].headers
    assert headers["x-amz-copy-source"].endswith(f"?versionId={head['VersionId']}".encode())
    assert headers["x-amz-copy-source-if-match"] in {head["ETag"], head["ETag"].encode()}


COPYING = {"CopyObject", "UploadPartCopy"}


def test_what_a_copy_takes_along_by_default_is_all_decided_here(cloud: Cloud) -> None:
    """A directive says whether S3 copies something by itself: a new one is to be thought about before it leaks."""
    cloud.put("one")
    reconciled(cloud, "one")
    headers = cloud.requests[cloud.calls.index("s3.CopyObject")].headers
    model = cloud.clients.copying_s3.meta.service_model
    inputs = {name: model.operation_model(name).input_shape for name in model.operation_names}
    shapes = {name: shape for name, shape in inputs.items() if shape is not None and "CopySource" in shape.members}
    assert shapes.keys() == COPYING
    directives = {
        member: str(headers.get(shape.serialization["name"], b"").decode())
        for each in shapes.values()
        for member, shape in each.members.items()
        if member.endswith("Directive")
    }
    assert directives == {
        "MetadataDirective": "REPLACE",
        "TaggingDirective": "REPLACE",
        "AnnotationDirective": "EXCLUDE",
    }


def test_a_delete_removes_the_replica_with_three_calls(cloud: Cloud) -> None:
    cloud.put("one")
    replicator = cloud.replicator()
    replicator.reconcile([OBJECTS.record("one")])
    cloud.remove("one")
    with cloud.recording() as calls:
        assert replicator.reconcile([OBJECTS.record("one")])[OBJECTS.record("one")].action is Action.DELETED
    assert cloud.replica("one") is None
    assert [call for call in calls if call != "s3.HeadBucket"] == [
        "s3.HeadObject",
        "s3.DeleteObject",
        "s3.HeadObject",
    ]


def test_removing_a_delete_marker_restores_the_replica(cloud: Cloud) -> None:
    cloud.put("one")
    cloud.remove("one")
    reconciled(cloud, "one")
    bucket = cloud.settings.source_bucket
    (marker,) = cloud.clients.source_s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]
    cloud.clients.source_s3.delete_object(Bucket=bucket, Key="one", VersionId=marker["VersionId"])
    assert reconciled(cloud, "one").action is Action.COPIED
    assert cloud.replica("one") == cloud.source_object("one")


def test_the_permanent_delete_of_an_old_version_leaves_the_live_replica(cloud: Cloud) -> None:
    cloud.put("one", b"old")
    bucket = cloud.settings.source_bucket
    old = cloud.clients.source_s3.head_object(Bucket=bucket, Key="one")["VersionId"]
    cloud.put("one", b"new")
    reconciled(cloud, "one")
    cloud.clients.source_s3.delete_object(Bucket=bucket, Key="one", VersionId=old)
    assert reconciled(cloud, "one").action is Action.COPIED
    replica = cloud.replica("one")
    assert replica is not None
    assert replica["body"] == b"new"


def test_a_missing_source_bucket_deletes_no_replica(cloud: Cloud) -> None:
    cloud.put("one")
    reconciled(cloud, "one")
    # moto gives heads a body, and with it the code that AWS does not tell.
    cloud.fault_for = lambda operation: refusal("", 404) if operation.startswith("s3.Head") else None
    outcome = reconciled(cloud, "one")
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == ("SourceBucket", False)
    assert cloud.replica("one") is not None


def test_the_source_bucket_is_looked_at_once_for_many_missing_objects(cloud: Cloud) -> None:
    with cloud.recording() as calls:
        cloud.replicator(threads=1).reconcile([OBJECTS.record(str(number)) for number in range(20)])
    assert calls.count("s3.HeadBucket") == 1


@pytest.mark.parametrize("versioned", [True, False])
def test_a_source_overwritten_during_the_copy_is_copied_again(versioned: bool) -> None:
    with fresh_cloud(versioned=versioned) as cloud:
        cloud.put("one", b"first")
        overwritten: list[str] = []

        def overwrite(operation: str) -> None:
            if operation == "s3.CopyObject" and not overwritten:
                overwritten.append(operation)
                cloud.put("one", b"second", Tagging="now=tagged")

        cloud.fault_for = overwrite
        outcome = reconciled(cloud, "one")
        assert (outcome.action, outcome.rereads) == (Action.COPIED, 1)
        assert cloud.replica("one") == cloud.source_object("one")


def test_a_version_that_is_gone_at_the_copy_is_followed_to_the_current_state(cloud: Cloud) -> None:
    cloud.put("one")
    purged: list[str] = []

    def purge(operation: str) -> None:
        if operation == "s3.CopyObject" and not purged:
            purged.append(operation)
            bucket = cloud.settings.source_bucket
            version = cloud.clients.source_s3.head_object(Bucket=bucket, Key="one")["VersionId"]
            cloud.clients.source_s3.delete_object(Bucket=bucket, Key="one", VersionId=version)

    cloud.fault_for = purge
    outcome = reconciled(cloud, "one")
    assert (outcome.action, outcome.rereads) == (Action.DELETED, 1)


def test_a_refused_precondition_means_that_the_source_moved(cloud: Cloud) -> None:
    cloud.put("one")
    refused = [refusal("PreconditionFailed", 412)]
    cloud.fault_for = lambda operation: refused.pop() if operation == "s3.CopyObject" and refused else None
    outcome = reconciled(cloud, "one")
    assert (outcome.action, outcome.rereads) == (Action.COPIED, 1)
    assert cloud.calls.count("s3.CopyObject") == 2
    assert cloud.replica("one") == cloud.source_object("one")


def test_an_archived_object_fails_for_good_and_is_not_copied(cloud: Cloud) -> None:
    cloud.put("cold", StorageClass="DEEP_ARCHIVE")
    outcome = reconciled(cloud, "cold")
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == ("Archived", True)
    assert "s3.CopyObject" not in cloud.calls


def test_an_archived_object_that_is_restored_is_replicated(cloud: Cloud) -> None:
    cloud.put("cold", StorageClass="GLACIER")
    bucket = cloud.settings.source_bucket
    cloud.clients.source_s3.restore_object(Bucket=bucket, Key="cold", RestoreRequest={"Days": 1})
    assert reconciled(cloud, "cold").action is Action.COPIED
    assert cloud.replica("cold") == cloud.source_object("cold")


def test_a_replica_edited_by_hand_is_made_equal_again(cloud: Cloud) -> None:
    cloud.put("one", b"source", Tagging="a=b")
    reconciled(cloud, "one")
    cloud.clients.target_s3.put_object(Bucket=cloud.settings.target_bucket, Key="one", Body=b"edited")
    assert reconciled(cloud, "one").action is Action.COPIED
    assert cloud.replica("one") == cloud.source_object("one")


LARGE = {"large_from": 6 * MIB, "part_size": 5 * MIB}


def test_a_large_object_is_copied_in_pinned_parts_with_all_that_it_has(cloud: Cloud) -> None:
    body = bytes(range(256)) * (11 * MIB // 256)
    cloud.put("a+b %/large", body, Metadata={"m": "n"}, Tagging="a=b%2Bc", CacheControl="no-cache", ContentType="x/y")
    head = cloud.clients.source_s3.head_object(Bucket=cloud.settings.source_bucket, Key="a+b %/large")
    with cloud.recording() as calls:
        assert reconciled(cloud, "a+b %/large", **LARGE).size == 11 * MIB
    assert cloud.replica("a+b %/large") == cloud.source_object("a+b %/large")
    assert calls.count("s3.UploadPartCopy") == 3
    assert "s3.CopyObject" not in calls
    for operation, request in zip(cloud.calls, cloud.requests, strict=True):
        if operation == "s3.UploadPartCopy":
            assert request.headers["x-amz-copy-source"].endswith(f"?versionId={head['VersionId']}".encode())
            assert request.headers["x-amz-copy-source-if-match"] in {head["ETag"], head["ETag"].encode()}


def test_a_large_object_that_is_there_already_is_not_copied_again(cloud: Cloud) -> None:
    cloud.put("large", b"x" * 7 * MIB, Tagging="a=b")
    reconciled(cloud, "large", **LARGE)
    with cloud.recording() as calls:
        assert reconciled(cloud, "large", **LARGE).size == 0
    assert "s3.CreateMultipartUpload" not in calls


def test_a_large_object_whose_tags_alone_changed_is_tagged_and_not_copied_again(cloud: Cloud) -> None:
    cloud.put("large", b"x" * 7 * MIB, Tagging="a=b")
    reconciled(cloud, "large", **LARGE)
    cloud.clients.source_s3.put_object_tagging(
        Bucket=cloud.settings.source_bucket, Key="large", Tagging={"TagSet": [{"Key": "a", "Value": "c"}]}
    )
    with cloud.recording() as calls:
        outcome = reconciled(cloud, "large", **LARGE)
    assert (outcome.action, outcome.size) == (Action.COPIED, 0)
    assert "s3.PutObjectTagging" in calls
    assert "s3.CreateMultipartUpload" not in calls
    assert cloud.replica("large") == cloud.source_object("large")


def overwrite_replica(cloud: Cloud, key: str, body: bytes) -> None:
    """Put other bytes over a replica, with all else that a reader sees of it."""
    s3, bucket = cloud.clients.target_s3, cloud.settings.target_bucket
    head = s3.head_object(Bucket=bucket, Key=key)
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=head["ContentType"], Metadata=head["Metadata"])
    s3.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": tags})


def differing(cloud: Cloud, key: str) -> Finding | None:
    return look_at_object(cloud.sides(), cloud.objects, OBJECTS.record(key))


@pytest.mark.parametrize("options", [{}, {"Tagging": "a=b"}, {"ChecksumAlgorithm": "SHA256"}])
def test_a_large_replicas_other_bytes_of_the_same_size_are_copied_again(cloud: Cloud, options: dict[str, str]) -> None:
    cloud.put("large", b"x" * 7 * MIB, **options)
    reconciled(cloud, "large", **LARGE)
    assert differing(cloud, "large") is None
    overwrite_replica(cloud, "large", b"y" * 7 * MIB)
    found = differing(cloud, "large")
    assert found is not None
    assert found.what == ("bytes",)
    assert reconciled(cloud, "large", **LARGE).size == 7 * MIB
    assert cloud.replica("large") == cloud.source_object("large")
    assert differing(cloud, "large") is None
    assert reconciled(cloud, "large", **LARGE).size == 0


def test_a_large_replica_that_proves_nothing_is_copied_once_more_and_proves_its_bytes_then(cloud: Cloud) -> None:
    """Such as one that a former release made, of a source that S3 keeps no checksum of the whole of."""
    cloud.put("large", b"x" * 7 * MIB, Tagging="a=b")
    reconciled(cloud, "large", **LARGE)
    without: Any = {"TagSet": [{"Key": "a", "Value": "b"}]}
    cloud.clients.target_s3.put_object_tagging(Bucket=cloud.settings.target_bucket, Key="large", Tagging=without)
    assert differing(cloud, "large") is None
    assert [reconciled(cloud, "large", **LARGE).size for _ in range(2)] == [7 * MIB, 0]


def test_a_large_replica_whose_checksum_is_that_of_the_whole_source_needs_no_proof(cloud: Cloud) -> None:
    cloud.put("large", b"x" * 7 * MIB)
    crc = {"x-amz-checksum-crc64nvme": "AAAA", "x-amz-checksum-type": "FULL_OBJECT"}

    def tell(_operation: str, _request: Any, send: Any) -> Any:
        answer = send()
        answer.headers.update(crc)
        return answer

    def tell_of_upload(_operation: str, _request: Any, send: Any) -> Any:
        answer = send()
        told = b"<ChecksumCRC64NVME>AAAA</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>"
        end = b"</CompleteMultipartUploadResult>"
        return answered(_request, 200, answer.content.replace(end, told + end).decode())

    faults = {"s3.HeadObject": tell, "s3.CompleteMultipartUpload": tell_of_upload}
    cloud.fault_for = faults.get
    with cloud.recording() as calls:
        assert reconciled(cloud, "large", **LARGE).size == 7 * MIB
    assert "s3.PutObjectTagging" not in calls
    assert reconciled(cloud, "large", **LARGE).size == 0


ODD = "incoming/report\x1e.csv"


def test_a_key_that_no_xml_can_hold_is_copied_whole_however_large(cloud: Cloud) -> None:
    cloud.put(ODD, b"x" * 7 * MIB)
    with cloud.recording() as calls:
        assert reconciled(cloud, ODD, **LARGE).action is Action.COPIED
    assert calls == COPY


def test_one_of_more_than_5_gib_is_given_up_at_once_and_leaves_no_upload(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(ODD)
    with_answer(monkeypatch, cloud, "head_object", lambda answer: {**answer, "ContentLength": 5 * 1024**3 + 1})
    with cloud.recording() as calls:
        error = reconciled(cloud, ODD).error
    assert error is not None
    assert (error.kind, error.permanent) == ("NotCopyable", True)
    assert "5 GiB" in error.message
    assert "key has a character that no XML can hold" in error.message
    assert calls == ["s3.HeadObject"]


@pytest.mark.parametrize("key", ["\x00", "\x1f", "\ufffe", "\uffff", "a\x0bb"])
def test_a_character_that_no_xml_can_hold_is_known(key: str) -> None:
    assert not fits_xml(key)


@pytest.mark.parametrize("key", ["", "a\tb\nc\rd", "\x7f\x85", "日本語 😀", "<&>\"'"])
def test_what_xml_can_hold_is_no_reason(key: str) -> None:
    assert fits_xml(key)


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        ("s3.CopyObject", 404, "NoSuchKey"),
        ("s3.GetObjectTagging", 404, "NoSuchKey"),
        ("s3.GetObjectTagging", 405, "MethodNotAllowed"),
    ],
)
def test_a_refusal_that_quotes_such_a_key_is_understood_by_its_status(
    cloud: Cloud, operation: str, status: int, code: str
) -> None:
    cloud.put(ODD)
    body = f"<Error><Code>{code}</Code><Key>{ODD}</Key></Error>"
    refused = [lambda _operation, request, _send: answered(request, status, body)]
    cloud.fault_for = lambda called: refused.pop() if called == operation and refused else None
    assert reconciled(cloud, ODD).action is Action.COPIED


def put_with_long_tags(cloud: Cloud, key: str, body: bytes = b"body") -> None:
    tags: Any = [{"Key": f"{number}" + "k" * 127, "Value": "v" * 256} for number in range(10)]
    cloud.put(key, body)
    cloud.clients.source_s3.put_object_tagging(Bucket=cloud.settings.source_bucket, Key=key, Tagging={"TagSet": tags})


def test_a_large_objects_long_tags_are_put_after_the_copy(cloud: Cloud) -> None:
    put_with_long_tags(cloud, "large", b"x" * 7 * MIB)
    with cloud.recording() as calls:
        assert reconciled(cloud, "large", **LARGE).action is Action.COPIED
    assert calls.index("s3.PutObjectTagging") == calls.index("s3.CompleteMultipartUpload") + 1
    assert cloud.replica("large") == cloud.source_object("large")


def test_tags_that_could_not_be_put_fail_the_key_until_they_are(cloud: Cloud) -> None:
    put_with_long_tags(cloud, "one")
    cloud.fault_for = lambda operation: refusal("SlowDown", 503) if operation == "s3.PutObjectTagging" else None
    outcome = reconciled(cloud, "one")
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == ("SlowDown", False)
    cloud.fault_for = lambda _: None
    assert reconciled(cloud, "one").action is Action.COPIED
    assert cloud.replica("one") == cloud.source_object("one")


@pytest.mark.parametrize("versioned", [True, False])
def test_a_replica_that_is_gone_between_its_copy_and_its_tags_is_written_again(cloud: Cloud, versioned: bool) -> None:
    put_with_long_tags(cloud, "one")
    s3, bucket = cloud.clients.target_s3, cloud.settings.target_bucket
    if not versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    deleted: list[str] = []

    def delete(operation: str) -> None:
        if operation == "s3.PutObjectTagging" and not deleted:
            deleted.append(operation)
            named: Any = {"VersionId": s3.head_object(Bucket=bucket, Key="one")["VersionId"]} if versioned else {}
            s3.delete_object(Bucket=bucket, Key="one", **named)

    cloud.fault_for = delete
    outcome = reconciled(cloud, "one")
    assert (outcome.action, outcome.rereads) == (Action.COPIED, 1)
    assert cloud.replica("one") == cloud.source_object("one")


@pytest.mark.parametrize("options", [{}, LARGE], ids=["whole", "in parts"])
@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_tags_that_come_late_take_no_mark_from_the_replica_that_another_reconciler_made_meanwhile(
    cloud: Cloud, status: Any, options: dict[str, int]
) -> None:
    cloud.clients.target_s3.put_bucket_versioning(
        Bucket=cloud.settings.target_bucket, VersioningConfiguration={"Status": status}
    )
    cloud.put("one", b"x" * 7 * MIB)
    tags: Any = [{"Key": f"{number}", "Value": "v" * 250} for number in range(9)]
    cloud.clients.source_s3.put_object_tagging(Bucket=cloud.settings.source_bucket, Key="one", Tagging={"TagSet": tags})
    bucket = FileBucket(s3=cloud.clients.target_s3, name=cloud.settings.target_bucket)
    marked: list[bool] = []

    def late(_operation: str, _request: Any, send: Any) -> Any:
        cloud.fault_for = lambda _: None
        cloud.put("one", b"y" * 7 * MIB, Metadata={"k": "v" * 2039})
        assert reconciled(cloud, "one", **options).action is Action.COPIED
        answer = send()
        marked.append(bucket.is_replica(bucket.head("one")))
        return answer

    cloud.fault_for = lambda operation: late if operation == "s3.PutObjectTagging" else None
    assert reconciled(cloud, "one", **options).rereads == 1
    assert marked == [True]
    assert cloud.replica("one") == cloud.source_object("one")


def test_a_large_objects_tags_are_brought_level_on_the_version_that_was_seen_there(cloud: Cloud) -> None:
    cloud.put("large", b"x" * 7 * MIB, Tagging="a=a")
    reconciled(cloud, "large", **LARGE)
    there = cloud.clients.target_s3.head_object(Bucket=cloud.settings.target_bucket, Key="large")
    tags: Any = {"TagSet": [{"Key": "a", "Value": "b"}]}
    cloud.clients.source_s3.put_object_tagging(Bucket=cloud.settings.source_bucket, Key="large", Tagging=tags)
    with cloud.recording() as calls:
        reconciled(cloud, "large", **LARGE)
    assert "s3.CreateMultipartUpload" not in calls
    put = cloud.requests[len(cloud.requests) - len(calls) + calls.index("s3.PutObjectTagging")]
    assert f"versionId={there['VersionId']}" in put.url


def test_a_copy_that_s3s_own_checksum_contradicts_is_no_copy(cloud: Cloud) -> None:
    cloud.put("large", b"x" * 7 * MIB)
    end = b"</CompleteMultipartUploadResult>"
    told = b"<ChecksumCRC64NVME>BBBB</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>"

    def tell(_operation: str, request: Any, send: Any) -> Any:
        answer = send()
        if "prod-data" in request.url:
            answer.headers.update({"x-amz-checksum-crc64nvme": "AAAA", "x-amz-checksum-type": "FULL_OBJECT"})
        return answer

    def tell_of_upload(_operation: str, request: Any, send: Any) -> Any:
        return answered(request, 200, send().content.replace(end, told + end).decode())

    cloud.fault_for = {"s3.HeadObject": tell, "s3.CompleteMultipartUpload": tell_of_upload}.get
    error = reconciled(cloud, "large", **LARGE).error
    assert error is not None
    assert (error.kind, error.permanent) == ("OtherBytes", False)


def test_tags_put_on_a_version_below_a_delete_marker_leave_no_replica_behind(cloud: Cloud) -> None:
    put_with_long_tags(cloud, "one")
    bucket = cloud.settings.source_bucket

    def late(_operation: str, _request: Any, send: Any) -> Any:
        cloud.fault_for = lambda _: None
        marker = cloud.clients.source_s3.delete_object(Bucket=bucket, Key="one")
        assert reconciled(cloud, "one").action is Action.DELETED
        cloud.clients.source_s3.delete_object(Bucket=bucket, Key="one", VersionId=marker["VersionId"])
        return send()

    cloud.fault_for = lambda operation: late if operation == "s3.PutObjectTagging" else None
    assert reconciled(cloud, "one").action is Action.COPIED
    assert reconciled(cloud, "one").action is Action.COPIED, "the restored one's own notice"
    assert cloud.replica("one") == cloud.source_object("one")


def test_a_copy_leaves_the_checksum_to_s3_and_an_upload_names_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put("whole")
    cloud.put("parts", b"x" * 7 * MIB)
    with_answer(monkeypatch, cloud, "head_object", lambda answer: answer | {"ChecksumSHA256": "sum"})
    reconciled(cloud, "whole")
    reconciled(cloud, "parts", **LARGE)
    named = {
        operation: request.headers.get("x-amz-checksum-algorithm")
        for operation, request in zip(cloud.calls, cloud.requests, strict=True)
    }
    assert named["s3.CopyObject"] is None
    assert named["s3.CreateMultipartUpload"] in {"SHA256", b"SHA256"}


def test_a_copy_of_more_than_a_part_is_not_begun_when_the_time_is_up(cloud: Cloud) -> None:
    cloud.put("some", b"x" * 6 * MIB)
    cloud.put("little")
    replicator = cloud.replicator(part_size=5 * MIB)

    def use_up(operation: str) -> None:
        if operation == "s3.HeadObject":
            replicator.deadline.start(0)

    cloud.fault_for = use_up
    error = replicator.reconcile([OBJECTS.record("some")])[OBJECTS.record("some")].error
    assert error is not None
    assert (error.kind, error.permanent) == ("OutOfTime", False)
    assert "s3.CopyObject" not in cloud.calls
    replicator.deadline.start(None)
    assert replicator.reconcile([OBJECTS.record("little")])[OBJECTS.record("little")].action is Action.COPIED


def test_a_part_and_a_whole_copy_end_within_a_deadlines_reserve_at_the_documented_speeds() -> None:
    deadline_reserve = 15
    assert 4.3 * MIB * deadline_reserve >= DEFAULT_PART_SIZE
    assert 35 * MIB * deadline_reserve >= DEFAULT_LARGE_FROM
    assert 5 * MIB <= DEFAULT_PART_SIZE <= DEFAULT_LARGE_FROM


@pytest.mark.parametrize("operation", ["s3.UploadPartCopy", "s3.CompleteMultipartUpload"])
def test_a_large_copy_that_fails_is_aborted(cloud: Cloud, operation: str) -> None:
    cloud.put("large", b"x" * 11 * MIB)
    cloud.fault_for = lambda called: refusal("InternalError", 500) if called == operation else None
    outcome = reconciled(cloud, "large", **LARGE)
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == ("InternalError", False)
    assert "Uploads" not in cloud.clients.target_s3.list_multipart_uploads(Bucket=cloud.settings.target_bucket)
    cloud.fault_for = lambda _: None
    assert reconciled(cloud, "large", **LARGE).action is Action.COPIED
    assert cloud.replica("large") == cloud.source_object("large")


def test_a_large_copy_stops_and_is_aborted_when_the_time_is_up(cloud: Cloud) -> None:
    cloud.put("large", b"x" * 11 * MIB)
    replicator = cloud.replicator(**LARGE)

    def use_up(operation: str) -> None:
        if operation == "s3.CreateMultipartUpload":
            replicator.deadline.start(0)

    cloud.fault_for = use_up
    outcome = replicator.reconcile([OBJECTS.record("large")])[OBJECTS.record("large")]
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.permanent) == ("OutOfTime", False)
    assert "s3.UploadPartCopy" not in cloud.calls
    assert "s3.AbortMultipartUpload" in cloud.calls


@pytest.mark.parametrize("size", [0, 1984, 1985, 2004, 2040, 2048])
def test_the_processor_takes_a_replica_for_one_and_its_source_for_none(cloud: Cloud, size: int) -> None:
    cloud.put("incoming/x.csv", b"id,timestamp", Metadata={"k": "v" * (size - 1)} if size else {})
    assert reconciled(cloud, "incoming/x.csv").action is Action.COPIED
    told = {}
    for name in (cloud.settings.source_bucket, cloud.settings.target_bucket):
        bucket = FileBucket(s3=cloud.clients.target_s3, name=name)
        told[name] = bucket.is_replica(bucket.head("incoming/x.csv"))
    assert told == {cloud.settings.source_bucket: False, cloud.settings.target_bucket: True}


def head_with(metadata: dict[str, str], version: str | None = "v1") -> Head:
    return Head(version_id=version, etag='"e"', size=1, last_modified="", metadata=tuple(metadata.items()))


def test_provenance_names_the_version_and_the_environment() -> None:
    metadata = replica_metadata(head_with({"a": "b"}), "prod")
    assert metadata == {"a": "b", "replicated-from": "prod", "replicated-from-version": "v1"}


def test_provenance_names_the_etag_where_there_is_no_version() -> None:
    assert replica_metadata(head_with({}, None), "prod")["replicated-from-version"] == "e"
    assert replica_metadata(head_with({}, "null"), "prod")["replicated-from-version"] == "e"


def test_provenance_gives_way_where_the_sources_metadata_fills_the_room() -> None:
    full = {"k": "v" * (METADATA_BYTES - 1)}
    assert replica_metadata(head_with(full), "prod") == full
    room_for_the_mark = {"k": "v" * (METADATA_BYTES - 1 - len("replicated-from") - len("prod"))}
    metadata = replica_metadata(head_with(room_for_the_mark), "prod")
    assert set(metadata) == {"k", "replicated-from"}


def test_the_sources_own_metadata_of_the_same_name_is_kept_and_proves_nothing() -> None:
    head = head_with({"replicated-from-version": "v1"})
    metadata = replica_metadata(head, "prod")
    assert metadata["replicated-from-version"] == "v1"
    assert not tells_version(metadata, head)
