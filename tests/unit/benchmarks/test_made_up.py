"""What is made up answers as the real one would: every key once, in order, and every call counted."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.made_up import PAGE, SOURCE, TARGET, MadeUpKeys, MadeUpObjects, MadeUpTable
from benchmarks.network import Network
from benchmarks.site import Site
from benchmarks.stand_in import made_up_store, running_stand_in
from replication_core.datasets import ITEMS
from replication_core.items.scans import Segment, scan
from replication_core.objects.listings import KeyRange, KeyRanges, list_objects
from replication_core.parallel import in_parallel

KEYS = 2_345


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_stand_in() as endpoint:
        yield Site.make(endpoint)


def expected(keys: MadeUpKeys) -> list[str]:
    return [keys.key(number) for number in range(keys.count) if keys.has(number)]


def pages(keys: MadeUpKeys, prefix: str = "", after: str = "", delimiter: str = "") -> Iterator[tuple[list[str], Any]]:
    last: str | None = after
    while last is not None:
        listing = keys.page(prefix, last, delimiter)
        yield [keys.key(number) for number in listing.numbers], listing.folders
        last = listing.last


def s3(keys: MadeUpKeys, network: Network | None = None, side: str = SOURCE) -> Any:
    return MadeUpObjects(side, keys, network or Network())


@pytest.mark.parametrize(("missing_every", "count"), [(0, KEYS), (100, KEYS - 24), (2, KEYS // 2), (1, 0)])
def test_every_key_is_listed_once_and_in_order(missing_every: int, count: int) -> None:
    keys = MadeUpKeys(KEYS, missing_every)
    listed = [key for page, _ in pages(keys) for key in page]
    assert listed == sorted(set(listed)) == expected(keys)
    assert len(listed) == count
    assert all(len(page) == PAGE for page, _ in list(pages(keys))[:-1])


@pytest.mark.parametrize("after", ["", "a", "folder-03/", "folder-03/000000250.bin", "folder-03/000000250", "z"])
@pytest.mark.parametrize("prefix", ["", "folder-0", "folder-03/", "folder-03/00000024", "x"])
def test_a_listing_is_of_the_keys_below_the_prefix_and_after_the_key(prefix: str, after: str) -> None:
    keys = MadeUpKeys(KEYS, missing_every=7)
    listed = [key for page, _ in pages(keys, prefix, after) for key in page]
    assert listed == [key for key in expected(keys) if key.startswith(prefix) and key > after]


def test_folders_stand_for_their_keys_and_what_is_in_none_is_listed() -> None:
    keys = MadeUpKeys(KEYS)
    [(none, folders)] = pages(keys, delimiter="/")
    assert none == []
    assert list(folders) == sorted({key.partition("/")[0] + "/" for key in expected(keys)})
    [(within, further)] = pages(keys, prefix="folder-03/", delimiter="/")
    assert within == [key for key in expected(keys) if key.startswith("folder-03/")]
    assert further == []


def test_a_folder_of_more_than_a_page_is_listed_page_by_page() -> None:
    keys = MadeUpKeys(32 * 1_500)
    found = list(pages(keys, prefix="folder-03/", delimiter="/"))
    assert [len(page) for page, _ in found] == [1000, 500]
    assert [key for page, _ in found for key in page] == [key for key in expected(keys) if key.startswith("folder-03/")]


@pytest.mark.parametrize(("pages", "most"), [(1, 1), (10, 10), (60, 66)])
def test_the_replicators_own_listing_finds_every_key_once_in_hardly_more_calls_than_there_are_pages(
    pages: int, most: int
) -> None:
    keys, network = MadeUpKeys(pages * 1000, missing_every=7), Network(0.001)
    client = s3(keys, network)
    readers = KeyRanges(client, "b").readers(8, partial(list_objects, client, "b", ""))
    found = sorted(each.key for each in in_parallel(readers, threads=8))
    assert found == expected(keys)
    assert network.take().calls["ListObjectsV2"] <= most


@pytest.mark.parametrize("only", [ITEMS.attribute_names, ()])
def test_every_item_is_scanned_once_in_pages_of_its_segment(only: tuple[str, ...]) -> None:
    keys, network = MadeUpKeys(KEYS, missing_every=7), Network()
    table: Any = MadeUpTable(SOURCE, keys, network)
    found = [list(scan(table, "t", ITEMS, Segment(number, 2), only=only)) for number in range(2)]
    ids = [item["id"]["S"] for segment in found for page in segment for item in page.items]
    assert sorted(ids) == [f"order-{number:09d}" for number in range(KEYS) if keys.has(number)]
    assert [[len(page.items) for page in segment] for segment in found] == [[1000, 5], [1000, 5]]
    assert network.take().calls == {"Scan": 4}


def test_a_batch_read_finds_what_is_there_and_each_side_has_its_own_items() -> None:
    keys = [{"id": {"S": f"order-{number:09d}"}, "timestamp": {"N": "1"}} for number in (0, 1, 999_999)]
    sides = {}
    for side in (SOURCE, TARGET):
        answer = MadeUpTable(side, MadeUpKeys(10, 5), Network()).batch_get_item(RequestItems={"t": {"Keys": keys}})
        [sides[side]] = answer["Responses"]["t"]
    assert sides[SOURCE]["id"] == sides[TARGET]["id"] == {"S": "order-000000001"}
    assert sides[SOURCE]["lines"] == sides[TARGET]["lines"]
    assert sides[SOURCE]["lines"] is not sides[TARGET]["lines"], "as many objects as of a real answer"
    assert "replicatedFrom" in sides[TARGET].keys() - sides[SOURCE].keys()


def test_a_head_of_a_missing_key_is_refused_as_s3_refuses_it_and_counted() -> None:
    network = Network()
    client = s3(MadeUpKeys(10, 5), network)
    client.head_object(Bucket="b", Key="folder-03/000000001.bin")
    for number in (0, 10):
        with pytest.raises(ClientError, match="404"):
            client.head_object(Bucket="b", Key=f"folder-00/{number:09d}.bin")
    assert network.take().calls == {"HeadObject": 3}


def test_no_call_is_lost_when_many_threads_make_them() -> None:
    network = Network()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: network.request("ab"[number % 2]), range(5_000)))
    assert network.take().calls == Counter(a=2_500, b=2_500)


def test_the_stand_in_lists_over_http_what_is_made_up(site: Site) -> None:
    client, keys = site.client("s3"), MadeUpKeys(KEYS)
    bucket = made_up_store(KEYS, SOURCE)
    listed = list(list_objects(client, bucket))
    assert [each.key for each in listed] == expected(keys)
    made_up = list(list_objects(s3(keys), bucket))
    assert [(each.size, each.etag) for each in listed] == [(each.size, each.etag) for each in made_up]
    after = [each.key for each in list_objects(client, bucket, "", KeyRange(expected(keys)[2]))]
    assert after == expected(keys)[3:]
