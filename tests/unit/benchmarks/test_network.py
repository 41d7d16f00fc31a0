"""What the benchmarks count is what goes over the network."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.network import Network, Traffic
from benchmarks.site import SOURCE, Site
from benchmarks.stand_in import running_stand_in

BODY = b"x" * 1000


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_stand_in() as endpoint:
        yield Site.make(endpoint)


def test_calls_are_counted_by_operation_and_begin_again_once_taken(site: Site) -> None:
    network = Network()
    s3 = site.client("s3", network)
    for _ in range(3):
        s3.put_object(Bucket=site.name(SOURCE), Key="a", Body=BODY)
    s3.head_object(Bucket=site.name(SOURCE), Key="a")
    traffic = network.take()
    assert traffic.calls == {"PutObject": 3, "HeadObject": 1}
    assert traffic.calls.total() == 4
    assert network.take() == Traffic()


def test_an_objects_bytes_are_counted_on_the_way_in_and_on_the_way_out(site: Site) -> None:
    network = Network()
    s3 = site.client("s3", network)
    s3.put_object(Bucket=site.name(SOURCE), Key="a", Body=BODY)
    assert network.take().object_bytes == len(BODY)
    s3.get_object(Bucket=site.name(SOURCE), Key="a")["Body"].read()
    traffic = network.take()
    assert (traffic.object_bytes, traffic.received, traffic.sent) == (len(BODY), len(BODY), 0)


def test_what_a_head_announces_and_what_a_copy_moves_are_no_bytes_of_the_callers(site: Site) -> None:
    network = Network()
    s3 = site.client("s3", network)
    s3.put_object(Bucket=site.name(SOURCE), Key="a", Body=BODY)
    network.take()
    s3.head_object(Bucket=site.name(SOURCE), Key="a")
    s3.copy_object(Bucket=site.name(SOURCE), Key="b", CopySource={"Bucket": site.name(SOURCE), "Key": "a"})
    traffic = network.take()
    assert traffic.object_bytes == 0
    assert 0 < traffic.received < len(BODY)


def test_items_bytes_are_counted_and_are_no_objects(site: Site) -> None:
    network = Network()
    dynamodb = site.client("dynamodb", network)
    item: dict[str, Any] = {"id": {"S": "a"}, "timestamp": {"N": "1"}, "text": {"S": "x" * 1000}}
    dynamodb.put_item(TableName=site.name(SOURCE), Item=item)
    traffic = network.take()
    assert traffic.sent > 1000
    assert traffic.object_bytes == 0


def test_a_client_that_is_not_watched_is_not_counted(site: Site) -> None:
    network = Network()
    site.client("s3", network)
    site.client("s3").put_object(Bucket=site.name(SOURCE), Key="a", Body=BODY)
    assert network.take() == Traffic()


def test_latency_is_added_to_each_call(site: Site) -> None:
    s3 = site.client("s3", Network(0.05))
    begin = time.monotonic()
    for _ in range(3):
        s3.put_object(Bucket=site.name(SOURCE), Key="a", Body=b"")
    assert time.monotonic() - begin >= 0.15
