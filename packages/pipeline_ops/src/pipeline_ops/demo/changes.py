"""The demo's changes of production: files and items of the kinds that real ones come in.

The changes go in waves, and no wave changes the same object or item twice, so that each change can be watched
until every target has it. All keys carry the run's own prefix: a second run on the same system meets no leftovers.
"""

import gzip
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig

from pipeline_ops.demo.stores import DemoStore, ItemRef, ObjectRef

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

__all__ = ["DemoChange", "Wave", "scenario"]

MEBIBYTE = 1024 * 1024
PART_BYTES = 5 * MEBIBYTE
"""The least that S3 takes for a part that is not the last.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

KEY_LIMIT_BYTES = 1024
"""S3's limit of a key in UTF-8. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

BURST = 5
"""Overwrites in a burst: of them only the last one counts."""


@dataclass(frozen=True)
class DemoChange:
    """One thing done to production: what, to which object or item, and how."""

    title: str
    subject: ObjectRef | ItemRef
    apply: Callable[[DemoStore], None]


@dataclass(frozen=True)
class Wave:
    """Changes of different objects and items that are applied one after another without waiting."""

    title: str
    changes: Sequence[DemoChange]


def scenario(run: str) -> list[Wave]:
    """Return the run's waves: what is created, changed, removed and restored.

    The source's bucket must be versioned: the last wave removes a delete marker.
    """
    prefix = f"demo/{run}/"
    return [
        Wave("created, cold start", _first(prefix, run)),
        Wave("created", [*_created_objects(prefix), *_created_items(run)]),
        Wave("changed", [*_changed_objects(prefix), *_changed_items(run)]),
        Wave("removed", [*_removed_objects(prefix), *_removed_items(run)]),
        Wave("restored", [*_restored(prefix, run)]),
    ]


def _put(title: str, key: str, body: bytes, **headers: Any) -> DemoChange:
    return DemoChange(
        title,
        ObjectRef(key),
        lambda store: _done(store.s3.put_object(Bucket=store.bucket, Key=key, Body=body, **headers)),
    )


def _done(_response: object) -> None:
    """Let a lambda that calls the API return nothing."""


def _table(rows: int, seed: str) -> bytes:
    lines = (f"{seed}-{row},{row * 1.5:.2f},caf\u00e9 {row}\n" for row in range(rows))
    return ("order,amount,place\n" + "".join(lines)).encode()


def _first(prefix: str, run: str) -> list[DemoChange]:
    return [
        _put("object", prefix + "hello.txt", b"hello\n"),
        _put_item("item", ItemRef(f"{run}-hello", "1"), {"greeting": {"S": "hello"}}),
    ]


def _created_objects(prefix: str) -> list[DemoChange]:
    events = "".join(json.dumps({"event": number, "name": "opened"}) + "\n" for number in range(500)).encode()
    long_key = prefix + "long/"
    long_key += "k" * (KEY_LIMIT_BYTES - len(long_key.encode()))
    return [
        _put("text", prefix + "reports/orders.csv", _table(200, "a"), ContentType="text/csv; charset=utf-8"),
        _put("binary", prefix + "models/weights.bin", os.urandom(300_000), ContentType="application/octet-stream"),
        _put(
            "gzip with Content-Encoding",
            prefix + "events/today.jsonl.gz",
            gzip.compress(events),
            ContentType="application/x-ndjson",
            ContentEncoding="gzip",
        ),
        DemoChange("multipart upload, 12 MiB in 3 parts", ObjectRef(prefix + "exports/full.parquet"), _upload(prefix)),
        _put(
            "unicode in the key",
            prefix + "donn\u00e9es/\u00e9t\u00e9 2024/\u65e5\u672c\u8a9e \u2603 \U0001f389.txt",
            b"snow\n",
        ),
        _put("+ % & and more in the key", prefix + "odd/a+b %20 & c=d;e,f%2Bg@h!(i)'j.txt", b"odd\n"),
        _put("key of 1,024 bytes", long_key, b"long\n"),
        _put(
            "ten tags",
            prefix + "tagged/invoice.json",
            b'{"invoice": 1}',
            ContentType="application/json",
            Tagging="&".join(f"tag-{number}=value+%2B+{number}%3D%2F%3A%40" for number in range(10)),
        ),
        _put("user metadata", prefix + "described/scan.tif", os.urandom(2_000), Metadata=_metadata(20)),
        _put(
            "every header",
            prefix + "site/index.html",
            b"<h1>hello</h1>\n",
            ContentType="text/html; charset=utf-8",
            CacheControl="public, max-age=60, stale-while-revalidate=30",
            ContentDisposition='attachment; filename="in\'dex.html"',
            ContentEncoding="identity",
            ContentLanguage="en, de",
            Expires=datetime(2035, 1, 2, 3, 4, 5, tzinfo=UTC),
            WebsiteRedirectLocation="/elsewhere.html",
            Metadata=_metadata(2),
            Tagging="class=page",
        ),
        _put("zero bytes", prefix + "jobs/_SUCCESS", b"", ContentType="text/plain"),
        _put("folder marker", prefix + "incoming/", b""),
        _put("one to be removed", prefix + "old/yesterday.csv", _table(50, "y")),
    ]


def _metadata(entries: int) -> dict[str, str]:
    return {f"field-{number}": f"value {number}; a=b, c+d%20" for number in range(entries)}


def _upload(prefix: str) -> Callable[[DemoStore], None]:
    def apply(store: DemoStore) -> None:
        store.s3.upload_fileobj(
            io.BytesIO(os.urandom(12 * MEBIBYTE)),
            store.bucket,
            prefix + "exports/full.parquet",
            ExtraArgs={"ContentType": "application/vnd.apache.parquet", "Metadata": {"rows": "100000"}},
            Config=TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES),
        )

    return apply


def _changed_objects(prefix: str) -> list[DemoChange]:
    return [
        _put("overwritten, same size", prefix + "reports/orders.csv", _table(200, "b"), ContentType="text/csv"),
        _put("overwritten, emptied", prefix + "models/weights.bin", b"", ContentType="application/octet-stream"),
        DemoChange("copied onto itself: other metadata", ObjectRef(prefix + "described/scan.tif"), _describe(prefix)),
        _put("overwritten: other tags", prefix + "tagged/invoice.json", b'{"invoice": 2}', Tagging="tag-0=new"),
        DemoChange(
            f"burst of {BURST} overwrites", ObjectRef(prefix + "jobs/_SUCCESS"), _burst(prefix + "jobs/_SUCCESS")
        ),
        DemoChange(
            "deleted and created again at once",
            ObjectRef(prefix + "site/index.html"),
            _recreate(prefix + "site/index.html"),
        ),
        DemoChange("copied in production", ObjectRef(prefix + "exports/copy.parquet"), _copy(prefix)),
    ]


def _describe(prefix: str) -> Callable[[DemoStore], None]:
    key = prefix + "described/scan.tif"
    return lambda store: _done(
        store.s3.copy_object(
            Bucket=store.bucket,
            Key=key,
            CopySource={"Bucket": store.bucket, "Key": key},
            MetadataDirective="REPLACE",
            ContentType="image/tiff",
            Metadata={"field-0": "changed", "scanner": "flat"},
        )
    )


def _copy(prefix: str) -> Callable[[DemoStore], None]:
    return lambda store: _done(
        store.s3.copy_object(
            Bucket=store.bucket,
            Key=prefix + "exports/copy.parquet",
            CopySource={"Bucket": store.bucket, "Key": prefix + "exports/full.parquet"},
        )
    )


def _burst(key: str) -> Callable[[DemoStore], None]:
    def apply(store: DemoStore) -> None:
        for number in range(BURST):
            store.s3.put_object(Bucket=store.bucket, Key=key, Body=f"run {number}\n".encode())

    return apply


def _recreate(key: str) -> Callable[[DemoStore], None]:
    def apply(store: DemoStore) -> None:
        store.s3.delete_object(Bucket=store.bucket, Key=key)
        store.s3.put_object(Bucket=store.bucket, Key=key, Body=b"<h1>again</h1>\n", ContentType="text/html")

    return apply


def _removed_objects(prefix: str) -> list[DemoChange]:
    return [
        _delete("deleted", prefix + "old/yesterday.csv"),
        _delete("deleted, multipart", prefix + "exports/full.parquet"),
        _delete("deleted, odd key", prefix + "odd/a+b %20 & c=d;e,f%2Bg@h!(i)'j.txt"),
    ]


def _delete(title: str, key: str) -> DemoChange:
    return DemoChange(title, ObjectRef(key), lambda store: _done(store.s3.delete_object(Bucket=store.bucket, Key=key)))


def _restored(prefix: str, run: str) -> list[DemoChange]:
    key = prefix + "old/yesterday.csv"
    return [
        DemoChange("delete marker removed", ObjectRef(key), lambda store: _remove_delete_marker(store, key)),
        _put_item("inserted again", ItemRef(f"{run}-gone", "3"), {"state": {"S": "back"}}),
    ]


def _remove_delete_marker(store: DemoStore, key: str) -> None:
    versions = store.s3.list_object_versions(Bucket=store.bucket, Prefix=key)
    marker = next(entry for entry in versions["DeleteMarkers"] if entry["Key"] == key and entry["IsLatest"])
    store.s3.delete_object(Bucket=store.bucket, Key=key, VersionId=marker["VersionId"])


def _put_item(title: str, ref: ItemRef, attributes: "dict[str, AttributeValueTypeDef]") -> DemoChange:
    item = {**ref.key, "environment": {"S": "prod"}, **attributes}
    return DemoChange(title, ref, lambda store: _done(store.dynamodb.put_item(TableName=store.table, Item=item)))


def _created_items(run: str) -> list[DemoChange]:
    digits = "12345678901234567890123456789012345678"
    return [
        _put_item("item", ItemRef(f"{run}-order", "1700000000000"), {"state": {"S": "new"}, "total": {"N": "10.5"}}),
        _put_item(
            "item with numbers of 38 digits",
            ItemRef(f"{run}-numbers", digits),
            {
                "whole": {"N": digits},
                "negative": {"N": "-" + digits},
                "fraction": {"N": "0." + digits},
                "large": {"N": "9.9999999999999999999999999999999999999E+125"},
                "small": {"N": "1E-130"},
                "set": {"NS": [digits, "-1", "0.1"]},
            },
        ),
        _put_item(
            "item with binary and empty values",
            ItemRef(f"{run}-binary", "0"),
            {
                "blob": {"B": bytes(range(256))},
                "blobs": {"BS": [b"\x00", b"\xff\xfe", b"text"]},
                "no-text": {"S": ""},
                "no-bytes": {"B": b""},
                "names": {"SS": ["b", "a", "\u00fc"]},
            },
        ),
        _put_item(
            "item, nested", ItemRef(f"{run}-nested", "-5"), {"tree": _tree(depth=8), "unicode-\u2603": {"BOOL": True}}
        ),
        _put_item(
            "item of 300 KB", ItemRef(f"{run}-large", "2"), {f"column-{n}": {"S": "x" * 30_000} for n in range(10)}
        ),
        _put_item("one to be removed", ItemRef(f"{run}-gone", "3"), {"state": {"S": "here"}}),
    ]


def _tree(depth: int) -> "AttributeValueTypeDef":
    leaf: AttributeValueTypeDef = {
        "L": [{"NULL": True}, {"BOOL": False}, {"N": "1.10"}, {"S": "leaf"}, {"SS": ["x", "y"]}, {"B": b"\x01"}]
    }
    return {"M": {"leaf": leaf, "next": _tree(depth - 1)}} if depth else {"M": {"leaf": leaf, "empty": {"M": {}}}}


def _changed_items(run: str) -> list[DemoChange]:
    order = ItemRef(f"{run}-order", "1700000000000")
    numbers = ItemRef(f"{run}-numbers", "12345678901234567890123456789012345678")
    return [
        DemoChange("item updated: set, add, remove", order, lambda store: _update_order(store, order)),
        DemoChange(f"burst of {BURST} updates", numbers, lambda store: _count(store, numbers)),
        _put_item(
            "item replaced: types changed", ItemRef(f"{run}-binary", "0"), {"blob": {"S": "text"}, "names": {"L": []}}
        ),
    ]


def _update_order(store: DemoStore, ref: ItemRef) -> None:
    store.dynamodb.update_item(
        TableName=store.table,
        Key=ref.key,
        UpdateExpression="SET #state = :paid, positions = :positions ADD visits :one REMOVE #total",
        ExpressionAttributeNames={"#state": "state", "#total": "total"},
        ExpressionAttributeValues={":paid": {"S": "paid"}, ":one": {"N": "1"}, ":positions": {"L": [{"N": "2"}]}},
    )


def _count(store: DemoStore, ref: ItemRef) -> None:
    for _ in range(BURST):
        store.dynamodb.update_item(
            TableName=store.table,
            Key=ref.key,
            UpdateExpression="ADD visits :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )


def _removed_items(run: str) -> list[DemoChange]:
    return [_remove_item(ItemRef(f"{run}-gone", "3")), _remove_item(ItemRef(f"{run}-large", "2"))]


def _remove_item(ref: ItemRef) -> DemoChange:
    return DemoChange(
        "item removed", ref, lambda store: _done(store.dynamodb.delete_item(TableName=store.table, Key=ref.key))
    )
