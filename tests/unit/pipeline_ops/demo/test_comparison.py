"""The comparison finds every kind of planted difference, and nothing where there is none."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.response import StreamingBody
from mypy_boto3_s3.type_defs import TagTypeDef

from pipeline_ops.demo import stores
from pipeline_ops.demo.comparison import compare
from pipeline_ops.demo.stores import DemoStore
from replication_core.datasets import ITEMS, OBJECTS

KEY = "assets/a+b %26 \u2603.csv"
EMPTY = "assets/empty/"
ITEM = ITEMS.record("order-1", "12345678901234567890123456789012345678")
ATTRIBUTES: dict[str, Any] = {
    "state": {"S": "a secret value"},
    "amount": {"N": "0.12345678901234567890123456789012345678"},
    "labels": {"SS": ["a", "b", "c"]},
    "readings": {"M": {"blob": {"B": b"\x00\xff"}, "none": {"S": ""}}},
    "settings": {"M": {"flags": {"L": [{"N": "1"}, {"BOOL": True}]}}},
}


@pytest.fixture
def pair(source: DemoStore, dev: DemoStore, mirror: Callable[[DemoStore], None]) -> tuple[DemoStore, DemoStore]:
    source.s3.put_object(
        Bucket=source.bucket,
        Key=KEY,
        Body=b"one,two\n",
        ContentType="text/csv",
        CacheControl="max-age=60",
        Metadata={"rows": "17"},
        Tagging="class=a%2Bb",
    )
    source.s3.put_object(Bucket=source.bucket, Key=EMPTY, Body=b"")
    source.dynamodb.put_item(TableName=source.table, Item={**ITEM.attributes(), **ATTRIBUTES})
    mirror(dev)
    return source, dev


def found(source: DemoStore, target: DemoStore) -> list[tuple[str, str, str]]:
    [comparison] = compare(source, [target])
    return [(str(one.subject), one.kind, one.detail) for one in comparison.differences]


def replica_of_item(store: DemoStore) -> Any:
    [item] = [item for key, item in store.items() if key.values[-1] == ITEM.values[-1]]
    return item


def rewrite(store: DemoStore, **changes: Any) -> None:
    """Write the object's replica again with something changed; the rest stays."""
    current: dict[str, Any] = {**store.s3.get_object(Bucket=store.bucket, Key=KEY)}
    tags = store.s3.get_object_tagging(Bucket=store.bucket, Key=KEY)["TagSet"]
    kept = {name: current[name] for name in ("ContentType", "CacheControl", "Metadata")}
    store.s3.put_object(Bucket=store.bucket, Key=KEY, **{"Body": current["Body"].read(), **kept, **changes})
    store.s3.put_object_tagging(Bucket=store.bucket, Key=KEY, Tagging={"TagSet": tags})


def change_item(store: DemoStore, **changes: Any) -> None:
    """Change attributes of the item's replica; None removes one."""
    item: dict[str, Any] = {**replica_of_item(store), **changes}
    store.dynamodb.put_item(
        TableName=store.table, Item={name: value for name, value in item.items() if value is not None}
    )


def test_nothing_is_different_after_a_faithful_mirror(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    [comparison] = compare(source, [dev])
    assert comparison.differences == []
    assert (comparison.objects, comparison.object_bytes, comparison.items) == (2, 8, 1)


def test_a_missing_object_is_found(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    dev.s3.delete_object(Bucket=dev.bucket, Key=EMPTY)
    assert found(source, dev) == [(EMPTY, "missing", "is in prod and not in dev")]


def test_an_extra_object_is_found(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    dev.s3.put_object(Bucket=dev.bucket, Key="left over", Body=b"")
    assert found(source, dev) == [("left over", "extra", "is in dev and not in prod")]


def test_an_object_whose_source_was_deleted_is_found(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    source.s3.delete_object(Bucket=source.bucket, Key=KEY)
    assert [kind for _, kind, _ in found(source, dev)] == ["extra"]


@pytest.mark.parametrize("body", [b"one,TWO\n", b"one,two\n\n", b""], ids=["same size", "longer", "empty"])
def test_other_bytes_are_found(pair: tuple[DemoStore, DemoStore], body: bytes) -> None:
    source, dev = pair
    rewrite(dev, Body=body)
    assert [kind for _, kind, _ in found(source, dev)] == ["bytes"]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ContentType", "text/plain"),
        ("CacheControl", "max-age=61"),
        ("ContentDisposition", "attachment"),
        ("ContentEncoding", "gzip"),
        ("ContentLanguage", "de"),
        ("Expires", "Tue, 02 Jan 2035 03:04:05 GMT"),
    ],
)
def test_another_header_is_found(pair: tuple[DemoStore, DemoStore], header: str, value: str) -> None:
    source, dev = pair
    rewrite(dev, **{header: value})
    [(subject, kind, detail)] = found(source, dev)
    assert (subject, kind) == (KEY, "header")
    assert header.removesuffix("s") in detail


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"rows": "18"}, "'rows'"),
        ({}, "'rows'"),
        ({"rows": "17", "more": "1"}, "'more'"),
    ],
    ids=["changed", "missing", "extra"],
)
def test_other_user_metadata_is_found(pair: tuple[DemoStore, DemoStore], rows: dict[str, str], words: str) -> None:
    source, dev = pair
    original = dev.object(OBJECTS.record(KEY))
    assert original is not None
    kept = {name: value for name, value in original.metadata.items() if name != "rows"}
    rewrite(dev, Metadata={**kept, **rows})
    [(_, kind, detail)] = found(source, dev)
    assert kind == "metadata"
    assert words in detail


@pytest.mark.parametrize("name", ["replicated-from", "replicated-from-version", "replicated-policy"])
def test_wrong_and_missing_provenance_are_found(pair: tuple[DemoStore, DemoStore], name: str) -> None:
    source, dev = pair
    original = dev.object(OBJECTS.record(KEY))
    assert original is not None
    rewrite(dev, Metadata={**original.metadata, name: "elsewhere"})
    assert [kind for _, kind, _ in found(source, dev)] == ["provenance"]
    rewrite(dev, Metadata={key: value for key, value in original.metadata.items() if key != name})
    assert found(source, dev) == [(KEY, "provenance", f"provenance {name!r} is not what was replicated")]


@pytest.mark.parametrize(
    ("tags", "words"),
    [([("class", "a b")], "'class'"), ([], "'class'"), ([("class", "a+b"), ("more", "")], "'more'")],
    ids=["changed", "missing", "extra"],
)
def test_other_tags_are_found(pair: tuple[DemoStore, DemoStore], tags: list[tuple[str, str]], words: str) -> None:
    source, dev = pair
    dev.s3.delete_object_tagging(Bucket=dev.bucket, Key=KEY)
    if tags:
        tag_set: list[TagTypeDef] = [{"Key": name, "Value": value} for name, value in tags]
        dev.s3.put_object_tagging(Bucket=dev.bucket, Key=KEY, Tagging={"TagSet": tag_set})
    [(_, kind, detail)] = found(source, dev)
    assert kind == "tag"
    assert words in detail


def test_a_missing_item_is_found(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    replica = ITEMS.of_item(replica_of_item(dev))
    dev.dynamodb.delete_item(TableName=dev.table, Key=replica.attributes())
    assert [kind for _, kind, _ in found(source, dev)] == ["missing"]


def test_an_extra_item_is_found(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    dev.dynamodb.put_item(TableName=dev.table, Item=ITEMS.record("order-1", "5").attributes())
    assert found(source, dev) == [("order-1@5", "extra", "is in dev and not in prod")]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("state", {"S": "A secret value"}, "'state'"),
        ("state", None, "'state'"),
        ("more", {"S": ""}, "'more' has no rule"),
        ("amount", {"N": "0.1234567890123456789012345678901234568"}, "'amount'"),
        ("amount", {"S": "0.12345678901234567890123456789012345678"}, "'amount'"),
        ("labels", {"SS": ["a", "b"]}, "'labels'"),
        ("labels", {"L": [{"S": "a"}, {"S": "b"}, {"S": "c"}]}, "'labels'"),
        ("readings", {"M": {"blob": {"B": b"\x00\xfe"}, "none": {"S": ""}}}, "'readings'"),
        ("settings", {"M": {"flags": {"L": [{"N": "1"}, {"BOOL": False}]}}}, "'settings'"),
        ("environment", {"S": "prod"}, "'environment' is not 'dev'"),
        ("environment", {"S": "staging"}, "'environment' is not 'dev'"),
        ("environment", None, "'environment' is not 'dev'"),
        ("replicatedFrom", {"S": "dev"}, "'replicatedFrom' is not 'prod'"),
        ("replicatedPolicy", {"S": "none"}, "'replicatedPolicy' is not"),
        ("replicationTimestamp", {"S": "2024-05-06T07:08:09"}, "'replicationTimestamp' is not"),
        ("replicationTimestamp", {"S": "yesterday"}, "'replicationTimestamp' is not"),
        ("replicationTimestamp", None, "'replicationTimestamp' is not"),
    ],
)
def test_another_attribute_is_found(pair: tuple[DemoStore, DemoStore], name: str, value: Any, words: str) -> None:
    source, dev = pair
    change_item(dev, **{name: value})
    [(subject, kind, detail)] = found(source, dev)
    assert (subject, kind) == (str(ITEM), "attribute")
    assert words in detail


def test_the_order_of_a_set_is_no_difference(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    change_item(dev, labels={"SS": ["c", "a", "b"]})
    assert found(source, dev) == []


def test_the_sources_own_environment_is_replaced_and_not_compared(
    pair: tuple[DemoStore, DemoStore],
) -> None:
    source, dev = pair
    source.dynamodb.put_item(
        TableName=source.table, Item={**ITEM.attributes(), **ATTRIBUTES, "environment": {"S": "x"}}
    )
    assert found(source, dev) == []


def test_a_difference_tells_no_data(pair: tuple[DemoStore, DemoStore]) -> None:
    source, dev = pair
    rewrite(dev, Body=b"TOP,SECRET\n", Metadata={"rows": "a spy"})
    change_item(dev, state={"S": "a spy"})
    text = json.dumps(found(source, dev))
    for data in ("SECRET", "spy", "a secret value", "17", "one,two"):
        assert data not in text


class CutOff:
    """An S3 client whose reads of some objects end early, so many times each."""

    def __init__(self, s3: Any, times: dict[str, int]) -> None:
        self._s3, self._times = s3, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_object(self, **call: Any) -> Any:
        response = self._s3.get_object(**call)
        if self._times.get(call["Key"], 0):
            self._times[call["Key"]] -= 1
            response["Body"] = StreamingBody(io.BytesIO(b"one"), content_length=8)
        return response


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_PAUSE_SECONDS", 0)


def test_a_read_that_is_cut_off_is_tried_again(pair: tuple[DemoStore, DemoStore]) -> None:
    _, dev = pair
    flaky: Any = CutOff(dev.s3, {KEY: 4})
    assert replace(dev, s3=flaky).object(OBJECTS.record(KEY)) == dev.object(OBJECTS.record(KEY))


def test_an_object_that_can_not_be_read_is_told_and_the_rest_is_compared(
    pair: tuple[DemoStore, DemoStore],
) -> None:
    source, dev = pair
    dev.s3.delete_object(Bucket=dev.bucket, Key=EMPTY)
    for one, other in ((source, replace(dev, s3=flaky(dev))), (replace(source, s3=flaky(source)), dev)):
        unreadable, missing = found(one, other)
        assert unreadable[:2] == (KEY, "unreadable")
        assert re.match(r"can't be read in (dev|prod): 3 read, but total bytes expected is 8", unreadable[2])
        assert missing == (EMPTY, "missing", "is in prod and not in dev")


def flaky(store: DemoStore) -> Any:
    return CutOff(store.s3, {KEY: 99})
