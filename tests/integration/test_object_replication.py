"""Production's objects appear in dev and staging as they are.

The emulator sends no tag and ACL events, no version ids in its events, and enforces no policy: changed tags are
announced here as an operator would, and rights are proven in tests/infra.
"""

import json
from urllib.parse import quote_plus

import pytest

from tests.integration.mirror import TARGETS, Mirror
from tests.polling import eventually

pytestmark = pytest.mark.engine

KEYS = [
    "plain.txt",
    "reports/2026 q1+q2 50%25 & more.csv",
    "unicode/größe/日本語/🦀.txt",
    "odd/=?#;:@$,!'()*~[]{}|^`\"<>.bin",
    "percent/%2F%zz/+",
    "double//slash",
    "a/" + "é" * 511,
]
assert len(KEYS[-1].encode()) == 1024


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_an_object_arrives_whatever_its_key_is(mirror: Mirror, key: str) -> None:
    mirror.put(key, b"under " + key.encode()[:20])
    mirror.wait_until_mirrored(key)
    assert mirror.object("dev", key) is not None


def test_an_empty_object_and_a_folder_marker_arrive(mirror: Mirror) -> None:
    mirror.put("empty.bin", b"")
    mirror.put("folder/", b"", ContentType="application/x-directory")
    mirror.wait_until_mirrored("empty.bin", "folder/")
    assert mirror.object("staging", "folder/") is not None


@pytest.mark.parametrize(("metadata_bytes", "tag_count"), [(2048, 9), (1900, 10)])
def test_headers_metadata_and_long_tags_are_kept_as_long_as_either_has_room_for_a_mark(
    mirror: Mirror, metadata_bytes: int, tag_count: int
) -> None:
    key = f"everything-{tag_count}.json"
    tags = {f"{index}-" + "k" * 126: "v" * 254 + f"+{index}" for index in range(tag_count)}
    mirror.put(
        key,
        b"{}",
        ContentType="application/json; charset=utf-8",
        CacheControl="max-age=60, private",
        ContentDisposition='attachment; filename="a b.json"',
        ContentEncoding="identity",
        ContentLanguage="de-CH, en",
        Metadata={"owner": "data team", "note": "x" * (metadata_bytes - len("ownerdata teamnote"))},
        Tagging="&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in tags.items()),
    )
    mirror.wait_until_mirrored(key)
    seen = mirror.object("dev", key)
    assert seen is not None
    assert seen.tags == tags
    assert seen.headers["CacheControl"] == "max-age=60, private"


def test_an_overwrite_replaces_body_metadata_and_tags(mirror: Mirror) -> None:
    mirror.put("overwritten.txt", b"one", Metadata={"state": "old", "only": "first"}, Tagging="a=1&b=2")
    mirror.wait_until_mirrored("overwritten.txt")
    mirror.put("overwritten.txt", b"two", Metadata={"state": "new"}, Tagging="b=3")
    mirror.wait_until_mirrored("overwritten.txt")
    seen = mirror.object("staging", "overwritten.txt")
    assert seen is not None
    assert (seen.body, seen.metadata, seen.tags) == (b"two", {"state": "new"}, {"b": "3"})


def test_copies_and_multipart_uploads_arrive(mirror: Mirror) -> None:
    mirror.put("copied-from.txt", b"copy me")
    mirror.s3.copy_object(
        Bucket=mirror.bucket(),
        Key="copied-to.txt",
        CopySource={"Bucket": mirror.bucket(), "Key": "copied-from.txt"},
    )
    upload = mirror.s3.create_multipart_upload(Bucket=mirror.bucket(), Key="parts.bin", Metadata={"kind": "multipart"})
    parts = []
    for number, body in enumerate((b"a" * 5 * 1024 * 1024, b"the end"), start=1):
        part = mirror.s3.upload_part(
            Bucket=mirror.bucket(), Key="parts.bin", UploadId=upload["UploadId"], PartNumber=number, Body=body
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    mirror.s3.complete_multipart_upload(
        Bucket=mirror.bucket(), Key="parts.bin", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    mirror.wait_until_mirrored("copied-to.txt", "parts.bin")


def test_a_deleted_object_disappears_and_returns_when_its_delete_marker_is_removed(mirror: Mirror) -> None:
    mirror.put("deleted.txt", b"for a while")
    mirror.wait_until_mirrored("deleted.txt")
    marker = mirror.s3.delete_object(Bucket=mirror.bucket(), Key="deleted.txt")["VersionId"]
    mirror.wait_until_mirrored("deleted.txt")
    assert mirror.object("dev", "deleted.txt") is None
    mirror.s3.delete_object(Bucket=mirror.bucket(), Key="deleted.txt", VersionId=marker)
    mirror.announce("deleted.txt")  # S3 reports a removed delete marker as Object Deleted; not every emulator does
    mirror.wait_until_mirrored("deleted.txt")
    assert mirror.object("staging", "deleted.txt") is not None


def test_deleting_an_old_version_for_good_leaves_the_replica_alone(mirror: Mirror) -> None:
    old = mirror.put("versions.txt", b"old")
    mirror.put("versions.txt", b"current")
    mirror.wait_until_mirrored("versions.txt")
    mirror.s3.delete_object(Bucket=mirror.bucket(), Key="versions.txt", VersionId=old)
    mirror.announce("versions.txt")
    mirror.put("after-versions.txt")
    mirror.wait_until_mirrored("versions.txt", "after-versions.txt")
    seen = mirror.object("dev", "versions.txt")
    assert seen is not None
    assert seen.body == b"current"


def test_changed_tags_arrive_without_a_new_version(mirror: Mirror) -> None:
    mirror.put("tagged.txt", b"same", Tagging="stage=raw")
    mirror.wait_until_mirrored("tagged.txt")
    mirror.s3.put_object_tagging(
        Bucket=mirror.bucket(), Key="tagged.txt", Tagging={"TagSet": [{"Key": "stage", "Value": "+ = / @ ü"}]}
    )
    mirror.announce("tagged.txt")
    mirror.wait_until_mirrored("tagged.txt")
    mirror.s3.delete_object_tagging(Bucket=mirror.bucket(), Key="tagged.txt")
    mirror.announce("tagged.txt")
    mirror.wait_until_mirrored("tagged.txt")


def test_twenty_quick_overwrites_and_deletes_end_in_the_last_state(mirror: Mirror) -> None:
    for round_ in range(20):
        mirror.put("busy.txt", f"round {round_}".encode())
        if round_ % 3 == 2:
            mirror.s3.delete_object(Bucket=mirror.bucket(), Key="busy.txt")
    mirror.wait_until_mirrored("busy.txt")
    seen = mirror.object("dev", "busy.txt")
    assert seen is not None
    assert seen.body == b"round 19"


def test_notices_repeated_late_and_form_encoded_change_nothing_that_is_right(mirror: Mirror) -> None:
    key = "again/1+1 = 2%.txt"
    mirror.put(key, b"state")
    mirror.wait_until_mirrored(key)
    record = {
        "eventSource": "aws:s3",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": "ObjectRemoved:Delete",
        "s3": {"bucket": {"name": mirror.bucket()}, "object": {"key": quote_plus(key)}},
    }
    for target in TARGETS:
        mirror.send_notice(target, json.dumps({"Records": [record]}))
    for _ in range(5):
        mirror.announce(key)
    mirror.put("again/after.txt")
    mirror.wait_until_mirrored("again/after.txt", key)
    assert mirror.object("dev", key) is not None


def test_a_replica_edited_by_hand_is_mended_by_the_next_notice(mirror: Mirror) -> None:
    mirror.put("edited.txt", b"right", Metadata={"by": "prod"})
    mirror.wait_until_mirrored("edited.txt")
    mirror.s3.put_object(Bucket=mirror.bucket("dev"), Key="edited.txt", Body=b"wrong")
    assert mirror.object("dev", "edited.txt") != mirror.object("prod", "edited.txt")
    mirror.announce("edited.txt")
    mirror.wait_until_mirrored("edited.txt")


def test_a_replica_says_where_it_came_from(mirror: Mirror) -> None:
    version = mirror.put("provenance.txt")
    mirror.wait_until_mirrored("provenance.txt")
    metadata = eventually(
        lambda: mirror.s3.head_object(Bucket=mirror.bucket("dev"), Key="provenance.txt")["Metadata"],
        what="metadata of the replica",
    )
    assert metadata["replicated-from"] == "prod"
    assert metadata["replicated-from-version"] == version


def test_a_change_in_a_replica_never_reaches_production(mirror: Mirror) -> None:
    mirror.s3.put_object(Bucket=mirror.bucket("dev"), Key="developers-own.txt", Body=b"mine")
    mirror.put("after-developers-own.txt")
    mirror.wait_until_mirrored("after-developers-own.txt")
    assert mirror.object("prod", "developers-own.txt") is None
    assert mirror.object("staging", "developers-own.txt") is None
    mirror.s3.delete_object(Bucket=mirror.bucket("dev"), Key="developers-own.txt")
