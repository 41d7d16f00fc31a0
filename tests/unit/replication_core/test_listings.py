"""Listings in ranges: every key in one of them, in order."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication_core.datasets import ITEMS
from replication_core.items.scans import Segment, scan
from replication_core.objects.listings import key_ranges, list_objects
from tests.unit.replication_core.cloud import Cloud, cloud


@pytest.fixture(scope="module")
def made() -> Iterator[Cloud]:
    with cloud(versioned=False) as one:
        yield one


def empty(made: Cloud) -> None:
    for key in made.keys(made.settings.source_bucket):
        made.remove(key)


names = st.text(alphabet="ab/é\N{GRINNING FACE}", min_size=1, max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(names, max_size=12), wanted=st.integers(1, 5), later=names)
def test_every_key_is_in_one_range_whatever_comes_after_the_cuts_were_made(
    made: Cloud, keys: set[str], wanted: int, later: str
) -> None:
    empty(made)
    for key in keys:
        made.put(key, b"")
    s3, bucket = made.clients.source_s3, made.settings.source_bucket
    ranges = key_ranges(s3, bucket, wanted=wanted)
    made.put(later, b"")
    listed = [each.key for one in ranges for each in list_objects(s3, bucket, "", one)]
    assert listed == sorted(keys | {later}, key=str.encode)
    assert len(ranges) <= wanted + 1


def test_a_prefix_is_listed_alone_and_its_folders_are_the_ranges(made: Cloud) -> None:
    empty(made)
    for key in ("a/1", "b/x/1", "b/x/2", "b/y/1", "b/z", "c/1"):
        made.put(key, key.encode())
    s3, bucket = made.clients.source_s3, made.settings.source_bucket
    ranges = key_ranges(s3, bucket, "b/")
    assert len(ranges) == 3
    listed = [[each.key for each in list_objects(s3, bucket, "b/", one)] for one in ranges]
    assert [key for one in listed for key in one] == ["b/x/1", "b/x/2", "b/y/1", "b/z"]
    assert sum(bool(one) for one in listed) > 1


def test_a_scan_goes_on_after_the_key_that_its_page_named(made: Cloud) -> None:
    for number in range(25):
        made.put_item(f"item-{number:02}", "1.50")
    client, table = made.clients.source_dynamodb, made.settings.source_table
    pages = scan(client, table, ITEMS, Segment(0, 1), limit=10)
    first = next(pages)
    assert first.last is not None
    rest = list(scan(client, table, ITEMS, Segment(0, 1), after=first.last, only=ITEMS.attribute_names))
    found = [item["id"]["S"] for page in (first, *rest) for item in page.items]
    assert sorted(found) == [f"item-{number:02}" for number in range(25)]
    assert all(item.keys() == {"id", "timestamp"} for page in rest for item in page.items)
    assert first.last == ITEMS.record(first.last.values[0], "1.5")
