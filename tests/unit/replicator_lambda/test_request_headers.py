"""What becomes of headers, metadata and tags on the wire: a replica has its source's bytes, however they are sent."""

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from lambda_common.clients import client_config
from lambda_common.replicas import PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION
from replicator_lambda.large_copy import LargeCopy
from replicator_lambda.object_states import ObjectStore
from replicator_lambda.objects import S3Objects
from replicator_lambda.reconcile import Action, Outcome, reconcile
from replicator_lambda.request_headers import HEADER_BYTES, copy_source_bytes
from tests.unit.replicator_lambda.raw_s3 import META, REDIRECT, RawObject, RawS3, running_raw_s3

SOURCE, TARGET = "p" * 63, "d" * 63
"""Buckets of the longest names."""

PROVENANCE = {META + PROVENANCE_VERSION, META + PROVENANCE_ENVIRONMENT}
TOKEN = "t" * 1700
"""Longer than the tokens that Lambda gives its functions."""


@pytest.fixture
def s3() -> Iterator[RawS3]:
    """A real server, empty."""
    with running_raw_s3() as running:
        yield running


def reconciled(s3: RawS3, key: str, **options: Any) -> Outcome:
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name="ap-southeast-1",
        aws_access_key_id="A" * 20,
        aws_secret_access_key="secret",
        aws_session_token=TOKEN,
        config=client_config(4, path_style=True),
    )
    with ThreadPoolExecutor(1) as executor:
        objects = S3Objects(
            source=client,
            source_bucket=SOURCE,
            source_environment="prod",
            target=client,
            copying=client,
            target_bucket=TARGET,
            large_copy=LargeCopy(client=client, executor=executor),
            **options,
        )
        return reconcile([key], ObjectStore(objects))[key]


def replica(s3: RawS3, key: str) -> RawObject:
    """Return the replica without provenance."""
    found = s3.objects[TARGET, key]
    headers = {name: value for name, value in found.headers.items() if name not in PROVENANCE}
    return RawObject(headers, found.tags, found.unprintable)


def metadata(size: int, names: int) -> dict[str, bytes]:
    """Return so many entries whose names and values are so many bytes together."""
    keys = [f"n{number:02}" for number in range(names)]
    each, rest = divmod(size - sum(map(len, keys)), names)
    return {META + key: b"v" * (each + (rest if key == keys[0] else 0)) for key in keys}


@pytest.mark.parametrize(
    "stored",
    [
        {"content-disposition": "attachment; filename=Übersicht-日本.csv".encode()},
        {"content-disposition": "attachment; filename=Übersicht.csv".encode("latin-1")},
        {"cache-control": b"no-cache", "x-amz-meta-title": "Straße".encode()},
        {"content-type": "text/plain; x=é".encode(), REDIRECT: b"/elsewhere"},
        {"expires": "né".encode()},
    ],
    ids=["UTF-8", "Latin-1", "metadata", "with a redirect", "Expires"],
)
def test_stored_bytes_beyond_ascii_arrive_as_they_are(s3: RawS3, stored: dict[str, bytes]) -> None:
    source = RawObject({"content-type": b"text/csv", **stored}, (("a", "b"),))
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert replica(s3, "k") == source


def test_metadata_that_a_head_leaves_out_is_kept(s3: RawS3) -> None:
    source = RawObject({"content-type": b"x/y", "x-amz-meta-a": b"b"}, (), {"x-amz-meta-odd": b"\x01\xff"})
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert replica(s3, "k") == source


def short_entries(number: int) -> dict[str, bytes]:
    """Return so many entries of five bytes each."""
    return {f"{META}{entry:03}": b"vv" for entry in range(number)}


@pytest.mark.parametrize("number", [80, 85, 100, 409])
def test_more_metadata_entries_than_a_python_client_takes_headers_are_replicated(
    s3: RawS3, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(http.client, "_MAXHEADERS", 100)
    source = RawObject({"content-type": b"text/csv", **short_entries(number)})
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert replica(s3, "k") == source


def test_a_redirect_beyond_ascii_is_given_up_with_the_reason(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({REDIRECT: "/ü".encode()})
    error = reconciled(s3, "k").error
    assert error is not None
    assert (error.kind, error.permanent) == ("NotCopyable", True)
    assert (TARGET, "k") not in s3.objects


def test_a_large_object_with_bytes_beyond_ascii_is_given_up_with_the_reason(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({"content-disposition": "ü".encode()})
    error = reconciled(s3, "k", large_from=-1).error
    assert error is not None
    assert (error.kind, error.permanent) == ("NotCopyable", True)


def test_ascii_headers_are_told_with_provenance(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({"content-type": b"text/csv"})
    reconciled(s3, "k")
    assert set(s3.objects[TARGET, "k"].headers) >= PROVENANCE
    assert s3.calls == ["head", "copy", "tags"]


FULL_TAGS = tuple((f"{number}" + "é" * 127, "日" * 256) for number in range(10))


def test_ten_tags_of_full_length_beyond_ascii_are_kept(s3: RawS3) -> None:
    source = RawObject({"content-type": b"text/csv"}, FULL_TAGS)
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert replica(s3, "k") == source
    assert s3.calls == ["head", "tags", "copy", "put tags", "tags"]


def test_tags_that_fit_are_sent_with_the_copy(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({}, (("k" * 128, "v" * 256), ("l" * 128, "w" * 256)))
    reconciled(s3, "k")
    assert s3.calls == ["head", "tags", "copy", "tags"]


@pytest.mark.parametrize("tags", [(), (("k" * 100, "v" * 250),) * 1, FULL_TAGS[:1], FULL_TAGS], ids=len)
@pytest.mark.parametrize(("size", "names"), [(0, 0), (1000, 5), (2048, 1), (2048, 60)])
@pytest.mark.parametrize("key", ["k", "k" * 1024, "é" * 512], ids=["short", "long", "long beyond ASCII"])
def test_no_request_is_larger_than_s3_takes(
    s3: RawS3, key: str, size: int, names: int, tags: tuple[tuple[str, str], ...]
) -> None:
    source = RawObject({"content-type": b"text/csv", **(metadata(size, names) if names else {})}, tags)
    s3.objects[SOURCE, key] = source
    assert reconciled(s3, key).action is Action.COPIED
    assert replica(s3, key) == source
    assert s3.largest <= HEADER_BYTES


def test_the_room_of_the_source_is_counted_as_it_is_sent() -> None:
    assert copy_source_bytes("b", "a/é+~", "v") == len("b/a/%C3%A9%2B~?versionId=v")


def test_headers_that_fit_no_request_fail_for_good(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({REDIRECT: b"/" + b"r" * 7500})
    error = reconciled(s3, "k").error
    assert error is not None
    assert (error.kind, error.permanent) == ("RequestHeaderSectionTooLarge", True)
