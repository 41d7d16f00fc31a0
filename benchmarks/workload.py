"""What changes in production during a measurement."""

import os
from collections.abc import Sequence
from typing import Any

from benchmarks.site import SOURCE, TARGETS, Site
from replication_core.datasets import ITEMS, OBJECTS, RecordKey

__all__ = ["OBJECT_BYTES", "check_level", "delete_objects", "put_items", "put_objects"]

OBJECT_BYTES = 16 * 1024
_WRITES_PER_CALL = 25


def put_objects(site: Site, count: int, *, size: int = OBJECT_BYTES, tags: str = "", start: int = 0) -> list[RecordKey]:
    """Write so many objects to the source, and return their keys."""
    s3, body = site.client("s3"), os.urandom(size)
    keys = [f"object/{number:07d}.bin" for number in range(start, start + count)]
    tagged: dict[str, Any] = {"Tagging": tags} if tags else {}
    for key in keys:
        s3.put_object(
            Bucket=site.bucket(SOURCE),
            Key=key,
            Body=body,
            ContentType="application/octet-stream",
            Metadata={"owner": "benchmark"},
            **tagged,
        )
    return [OBJECTS.record(key) for key in keys]


def delete_objects(site: Site, keys: Sequence[RecordKey]) -> None:
    """Delete these objects from the source."""
    s3 = site.client("s3")
    for key in keys:
        s3.delete_object(Bucket=site.bucket(SOURCE), Key=str(key))


def put_items(site: Site, count: int) -> list[RecordKey]:
    """Write so many items of about 300 bytes to the source, and return their keys."""
    dynamodb = site.client("dynamodb")
    keys = [ITEMS.record(f"order-{number:07d}", "1700000000") for number in range(count)]
    for start in range(0, count, _WRITES_PER_CALL):
        requests = [{"PutRequest": {"Item": _item(key)}} for key in keys[start : start + _WRITES_PER_CALL]]
        dynamodb.batch_write_item(RequestItems={site.table(SOURCE): requests})
    return keys


def _item(key: RecordKey) -> dict[str, Any]:
    return {
        **key.attributes(),
        "environment": {"S": SOURCE},
        "total": {"N": "12345678901234567890.12345678901234567"},
        "lines": {"L": [{"M": {"sku": {"S": f"sku-{number}"}, "count": {"N": "2"}}} for number in range(5)]},
        "note": {"S": os.urandom(50).hex()},
    }


def check_level(site: Site, keys: Sequence[RecordKey]) -> None:
    """Check that the last key's replica is right in every target, so that no design is fast by doing nothing."""
    key = keys[-1]
    for target in TARGETS:
        original, replica = _read(site, SOURCE, key), _read(site, target, key)
        if original != replica:
            raise RuntimeError(f"{key} in {target} is not as in {SOURCE}")


def _read(site: Site, environment: str, key: RecordKey) -> Any:
    if key.dataset.is_bucket:
        answer = site.client("s3").get_object(Bucket=site.bucket(environment), Key=key.object_key)
        return answer["Body"].read(), answer["ContentType"], answer["Metadata"]["owner"]
    item = site.client("dynamodb").get_item(TableName=site.table(environment), Key=key.attributes())["Item"]
    added = ("environment", "replicatedFrom", "replicationTimestamp")
    return {name: value for name, value in item.items() if name not in added}
