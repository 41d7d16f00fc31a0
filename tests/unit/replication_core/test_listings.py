"""Listings in ranges: every key in one of them, in order."""

from collections.abc import Iterator
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication_core.datasets import ITEMS
from replication_core.items.scans import Segment, scan
from replication_core.objects import listings
from replication_core.objects.listings import KeyRange, KeyRanges, list_objects, list_pages
from replication_core.parallel import in_parallel
from tests.unit.replication_core.cloud import Cloud, cloud


@pytest.fixture(scope="module")
def made() -> Iterator[Cloud]:
    with cloud(versioned=False) as one:
        yield one


def empty(made: Cloud) -> None:
    while keys := made.keys(made.settings.source_bucket):
        for key in keys:
            made.remove(key)


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pages of two keys, and a part split off for every second one."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    monkeypatch.setattr(listings, "_PAGES_AT_FIRST", 2)
    monkeypatch.setattr(listings, "_PAGES_A_SPLIT", 2)


def read(made: Cloud, prefix: str = "", readers: int = 3) -> tuple[list[str], int]:
    """Read all keys below a prefix, and return them and how many ranges they were in."""
    s3, bucket = made.clients.source_s3, made.settings.source_bucket
    parts: list[KeyRange] = []
    ranges = KeyRanges(s3, bucket, prefix, on_split=lambda _, rest: parts.append(rest))
    each = ranges.readers(readers, lambda one: list_objects(s3, bucket, prefix, one))
    return sorted((one.key for one in in_parallel(each, threads=readers)), key=str.encode), 1 + len(parts)


names = st.text(alphabet="ab/é\N{GRINNING FACE}", min_size=1, max_size=6)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(names, max_size=12), readers=st.integers(1, 4), prefix=st.sampled_from(["", "a", "a/", "b/a/"]))
def test_every_key_is_read_once_however_many_read(
    made: Cloud, short_pages: None, keys: set[str], readers: int, prefix: str
) -> None:
    empty(made)
    for key in keys:
        made.put(key, b"")
    found, _ = read(made, prefix, readers)
    assert found == sorted((key for key in keys if key.startswith(prefix)), key=str.encode)


@pytest.mark.parametrize("folder", ["", "a/", "deep/down/"])
def test_readers_take_folders_of_what_another_reads(made: Cloud, short_pages: None, folder: str) -> None:
    empty(made)
    keys = [f"{folder}{name}/{number}" for name in "pqrstu" for number in range(4)]
    for key in keys:
        made.put(key, b"")
    s3, bucket = made.clients.source_s3, made.settings.source_bucket
    is_split = Event()
    ranges = KeyRanges(s3, bucket, on_split=lambda _, __: is_split.set())

    def read_until_it_is_split(one: KeyRange) -> Iterator[str]:
        for page in list_pages(s3, bucket, "", one):
            yield from page.keys
            assert one.pages < 5 or is_split.wait(10)

    readers = ranges.readers(2, read_until_it_is_split)
    assert sorted(in_parallel(readers, threads=2)) == keys


def test_a_few_pages_are_one_range(made: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "1")
    empty(made)
    for name in "pqrstuv":
        made.put(f"{name}/1", b"")
    assert read(made) == ([f"{name}/1" for name in "pqrstuv"], 1)


def test_who_stops_taking_ends_the_readers_that_wait_for_a_part(made: Cloud) -> None:
    s3, bucket = made.clients.source_s3, made.settings.source_bucket
    ranges = KeyRanges(s3, bucket)
    keys = in_parallel(ranges.readers(3, lambda _: iter(range(10_000))), threads=3, ahead=1)
    assert next(keys) == 0
    keys.close()  # type: ignore[attr-defined] # it is a generator; a reader that waited on would never let it end


def test_a_scan_ends_at_its_limit_and_another_goes_on_after_the_key_that_its_page_named(made: Cloud) -> None:
    for number in range(25):
        made.put_item(f"item-{number:02}", "1.50")
    client, table = made.clients.source_dynamodb, made.settings.source_table
    pages = scan(client, table, ITEMS, Segment(0, 1), limit=10)
    first = next(pages)
    assert first.last is not None
    assert list(pages) == []
    rest = list(scan(client, table, ITEMS, Segment(0, 1), after=first.last, only=ITEMS.attribute_names))
    found = [item["id"]["S"] for page in (first, *rest) for item in page.items]
    assert sorted(found) == [f"item-{number:02}" for number in range(25)]
    assert all(item.keys() == {"id", "timestamp"} for page in rest for item in page.items)
    assert first.last == ITEMS.record(first.last.values[0], "1.5")
