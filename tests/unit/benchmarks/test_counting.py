"""What the benchmarks count is what goes over the network."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.counting import CallCounter, Traffic
from benchmarks.latency import add_latency
from benchmarks.site import SOURCE, Site
from benchmarks.stand_in import running_stand_in

BODY = b"x" * 1000


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_stand_in() as endpoint:
        yield Site.make(endpoint)


def test_calls_are_counted_by_operation_and_begin_again_once_taken(site: Site) -> None:
    counter = CallCounter()
    s3 = site.client("s3", counter=counter)
    for _ in range(3):
        s3.put_object(Bucket=site.bucket(SOURCE), Key="a", Body=BODY)
    s3.head_object(Bucket=site.bucket(SOURCE), Key="a")
    traffic = counter.take()
    assert traffic.calls == {"PutObject": 3, "HeadObject": 1}
    assert traffic.total == 4
    assert counter.take() == Traffic()


def test_an_objects_bytes_are_counted_on_the_way_in_and_on_the_way_out(site: Site) -> None:
    counter = CallCounter()
    s3 = site.client("s3", counter=counter)
    s3.put_object(Bucket=site.bucket(SOURCE), Key="a", Body=BODY)
    assert counter.take().object_bytes == len(BODY)
    s3.get_object(Bucket=site.bucket(SOURCE), Key="a")["Body"].read()
    traffic = counter.take()
    assert (traffic.object_bytes, traffic.received, traffic.sent) == (len(BODY), len(BODY), 0)


def test_what_a_head_announces_and_what_a_copy_moves_are_no_bytes_of_the_callers(site: Site) -> None:
    counter = CallCounter()
    s3 = site.client("s3", counter=counter)
    s3.put_object(Bucket=site.bucket(SOURCE), Key="a", Body=BODY)
    counter.take()
    s3.head_object(Bucket=site.bucket(SOURCE), Key="a")
    s3.copy_object(Bucket=site.bucket(SOURCE), Key="b", CopySource={"Bucket": site.bucket(SOURCE), "Key": "a"})
    traffic = counter.take()
    assert traffic.object_bytes == 0
    assert 0 < traffic.received < len(BODY)


def test_items_bytes_are_counted_and_are_no_objects(site: Site) -> None:
    counter = CallCounter()
    dynamodb = site.client("dynamodb", counter=counter)
    item: dict[str, Any] = {"id": {"S": "a"}, "timestamp": {"N": "1"}, "text": {"S": "x" * 1000}}
    dynamodb.put_item(TableName=site.table(SOURCE), Item=item)
    traffic = counter.take()
    assert traffic.sent > 1000
    assert traffic.object_bytes == 0


def test_a_client_that_is_not_watched_is_not_counted(site: Site) -> None:
    counter = CallCounter()
    site.client("s3", counter=counter)
    site.client("s3").put_object(Bucket=site.bucket(SOURCE), Key="a", Body=BODY)
    assert counter.take() == Traffic()


def test_latency_is_added_to_each_call(site: Site) -> None:
    s3 = site.client("s3")
    add_latency(s3, 0.05)
    begin = time.monotonic()
    for _ in range(3):
        s3.put_object(Bucket=site.bucket(SOURCE), Key="a", Body=b"")
    assert time.monotonic() - begin >= 0.15
