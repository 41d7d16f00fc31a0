"""What becomes of headers, metadata and tags on the wire: a replica has its source's bytes, however they are sent."""

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from replication_core.aws.clients import client_config
from replication_core.datasets import OBJECTS
from replication_core.objects.heads import keep_empty_expires
from replication_core.objects.large_copy import LargeCopy
from replication_core.objects.masked_copy import MaskedCopy
from replication_core.objects.request_headers import HEADER_BYTES, copy_source_bytes
from replication_core.objects.s3 import ObjectStore, S3Objects
from replication_core.reconcile import Action, Outcome, reconcile
from replication_core.replicas import PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION, REPLICA_TAG, is_replica
from replication_core.route_spec import RoutedDataset
from tests.made_route import MadeRoute
from tests.unit.replication_core.raw_s3 import META, REDIRECT, RawObject, RawS3, running_raw_s3

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
    keep_empty_expires(client)
    with ThreadPoolExecutor(1) as executor:
        clients: Any = SimpleNamespace(source_s3=client, target_s3=client, copying_s3=client)
        objects = S3Objects(
            clients=clients,
            route=MadeRoute(source_bucket=SOURCE, source_table="").spec,
            routed=RoutedDataset(dataset=OBJECTS, source=SOURCE, target=TARGET),
            large_copy=LargeCopy(client=client, executor=executor),
            masked_copy=lambda: MaskedCopy(client=client),
            **options,
        )
        return reconcile([key], ObjectStore(objects))[key]


def replica(s3: RawS3, key: str) -> RawObject:
    """Return the replica without provenance."""
    found = s3.objects[TARGET, key]
    headers = {name: value for name, value in found.headers.items() if name not in PROVENANCE}
    tags = tuple(tag for tag in found.tags if tag[0] != REPLICA_TAG)
    return RawObject(headers, tags, found.unprintable)


def is_marked(found: RawObject) -> bool:
    """Tell what the processor tells by."""
    names = {name.removeprefix(META) for name in found.headers if name.startswith(META)}
    return is_replica(dict.fromkeys(names, ""), lambda: dict(found.tags))


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
        {"expires": b""},
    ],
    ids=["UTF-8", "Latin-1", "metadata", "with a redirect", "Expires", "Expires without a value"],
)
def test_stored_bytes_of_any_kind_arrive_as_they_are(s3: RawS3, stored: dict[str, bytes]) -> None:
    source = RawObject({"content-type": b"text/csv", **stored}, (("a", "b"),))
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert replica(s3, "k") == source


def test_metadata_that_a_head_leaves_out_is_kept(s3: RawS3) -> None:
    source = RawObject({"content-type": b"x/y", "x-amz-meta-a": b"b"}, (), {"x-amz-meta-odd": b"\x01\xff"})
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert replica(s3, "k") == source


def test_metadata_that_s3_alone_can_copy_is_given_up_where_it_tells_of_a_policy(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({f"{META}title": "Straße".encode(), f"{META}replicated-policy": b"0123"})
    error = reconciled(s3, "k").error
    assert error is not None
    assert (error.kind, error.permanent) == ("NotCopyable", True)
    assert s3.objects.keys() == {(SOURCE, "k")}


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


def test_a_large_object_with_bytes_beyond_ascii_is_copied_whole(s3: RawS3) -> None:
    source = RawObject({"content-disposition": "ü".encode()})
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k", large_from=-1).action is Action.COPIED
    assert replica(s3, "k") == source


def test_one_of_more_than_s3_copies_whole_is_given_up_with_the_reason(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({"content-disposition": "ü".encode()}, size=5 * 1024**3 + 1)
    error = reconciled(s3, "k").error
    assert error is not None
    assert (error.kind, error.permanent) == ("NotCopyable", True)
    assert error.message == "an object of more than 5 GiB whose headers or metadata are too long, or not ASCII"
    assert "copy" not in s3.calls


MARKED: dict[str, dict[str, bytes]] = {
    "ordinary": {"content-type": b"text/csv"},
    "1,985 bytes of metadata": {META + "k": b"v" * 1984},
    "2,040 bytes of metadata": {META + "k": b"v" * 2039},
    "2,048 bytes of metadata": {META + "k": b"v" * 2047},
    "UTF-8": {"content-disposition": 'attachment; filename="Ü.csv"'.encode()},
    "Latin-1": {"content-disposition": 'attachment; filename="Ü.csv"'.encode("latin-1")},
    "metadata beyond ASCII": {META + "title": "Straße".encode()},
    "many entries": {f"{META}{entry:03}": b"vv" for entry in range(400)},
}


@pytest.mark.parametrize(
    "tags", [(), (("a", "b"),), tuple((f"{number}" + "é" * 100, "日" * 200) for number in range(9))]
)
@pytest.mark.parametrize("name", MARKED)
def test_a_replica_is_marked_from_its_first_moment(s3: RawS3, name: str, tags: tuple[tuple[str, str], ...]) -> None:
    source = RawObject(MARKED[name], tags)
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert all(is_marked(copied) for copied in s3.copied)
    assert is_marked(s3.objects[TARGET, "k"])
    assert not is_marked(s3.objects[SOURCE, "k"])
    assert replica(s3, "k") == source


def test_one_whose_metadata_and_ten_tags_leave_no_room_for_a_mark_is_given_up_with_the_reason(s3: RawS3) -> None:
    s3.objects[SOURCE, "k"] = RawObject({META + "k": b"v" * 2040}, tuple((str(number), "") for number in range(10)))
    error = reconciled(s3, "k").error
    assert error is not None
    assert (error.kind, error.permanent) == ("NoRoomForMark", True)
    assert "10 tags" in error.message
    assert (TARGET, "k") not in s3.objects


def test_ten_tags_are_kept_where_the_metadata_has_the_mark(s3: RawS3) -> None:
    source = RawObject({META + "k": b"v" * 1900}, tuple((str(number), "") for number in range(10)))
    s3.objects[SOURCE, "k"] = source
    assert reconciled(s3, "k").action is Action.COPIED
    assert s3.objects[TARGET, "k"].tags == source.tags


@pytest.mark.parametrize("others", [0, 9])
@pytest.mark.parametrize("headers", [{}, {META + "k": b"v" * 2047}], ids=["room", "no room"])
def test_a_sources_own_tag_of_the_marks_name_is_not_replicated_and_confuses_nothing(
    s3: RawS3, others: int, headers: dict[str, bytes]
) -> None:
    own = tuple((str(number), "") for number in range(others))
    s3.objects[SOURCE, "k"] = RawObject(headers, (*own, (REPLICA_TAG, "hostile 0123")))
    assert reconciled(s3, "k").action is Action.COPIED
    mark = ((REPLICA_TAG, "prod"),) if headers else ()
    assert s3.objects[TARGET, "k"].tags == (*own, *mark)


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


@pytest.mark.parametrize("tags", [(), (("k" * 100, "v" * 250),) * 1, FULL_TAGS[:1], FULL_TAGS[:9]], ids=len)
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
