"""The demo's changes of production: files and items of the kinds that real ones come in.

The changes go in waves, and no wave changes the same object or item twice, so that each change can be watched
until every target has it. All keys carry the run's own prefix: a second run on the same system meets no leftovers.
"""

import gzip
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from boto3.s3.transfer import TransferConfig

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.demo.stores import DemoStore
from pipeline_ops.errors import OperatorError
from processor_lambda.files import FileBucket
from processor_lambda.results import Results
from processor_lambda.settings import REJECTED_PREFIX
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.object_keys import KEY_BYTES

__all__ = ["DemoChange", "Wave", "processed", "scenario"]

MEBIBYTE = 1024 * 1024
PART_BYTES = 5 * MEBIBYTE
"""The least that S3 takes for a part that is not the last.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

BURST = 5
"""Overwrites in a burst: of them only the last one counts."""

PROCESSED_SECONDS = 120.0
"""How long the demo waits for its file to be processed, a cold start included."""

_POLL_SECONDS = 0.2
_FIRST_TIMESTAMP = 1_700_000_000
_ROWS = 3
_DIGITS = "12345678901234567890123456789012345678"


@dataclass(frozen=True)
class DemoChange:
    """One thing done to production: what, to which object or item, and how."""

    title: str
    subject: RecordKey
    apply: Callable[[DemoStore], object]


@dataclass(frozen=True)
class Wave:
    """Changes of different objects and items that are applied one after another without waiting."""

    title: str
    changes: Sequence[DemoChange]


def scenario(run: str) -> list[Wave]:
    """Return the run's waves; the last one removes a delete marker, so that the source's bucket must be versioned."""
    return [
        Wave("created, cold start", _first(run)),
        Wave("created", [*_created_objects(run), *_created_items(run)]),
        Wave("changed", [*_changed_objects(run), *_changed_items(run)]),
        Wave("removed", _removed(run)),
        Wave("restored", _restored(run)),
    ]


def _object(run: str, path: str) -> RecordKey:
    return OBJECTS.record(f"demo/{run}/{path}")


def _item(run: str, name: str, timestamp: str) -> RecordKey:
    return ITEMS.record(f"{run}-{name}", timestamp)


def _calls(title: str, key: RecordKey, *calls: tuple[str, dict[str, Any]]) -> DemoChange:
    """Return the change that these operations of the API make, each of that object or item, by their arguments."""

    def apply(store: DemoStore) -> None:
        for operation, arguments in calls:
            if key.dataset.is_bucket:
                getattr(store.s3, operation)(Bucket=store.bucket, Key=key.object_key, **arguments)
            else:
                getattr(store.dynamodb, operation)(TableName=store.table, **arguments)

    return DemoChange(title, key, apply)


def _put(title: str, key: RecordKey, body: bytes, **headers: Any) -> DemoChange:
    return _calls(title, key, ("put_object", {"Body": body, **headers}))


def _put_item(title: str, key: RecordKey, attributes: dict[str, Any]) -> DemoChange:
    item = {**key.attributes(), "environment": {"S": "prod"}, **attributes}
    return _calls(title, key, ("put_item", {"Item": item}))


def _update_item(key: RecordKey, expression: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "update_item", {"Key": key.attributes(), "UpdateExpression": expression, **more}


def _copy(title: str, key: RecordKey, original: RecordKey, **more: Any) -> DemoChange:
    def apply(store: DemoStore) -> object:
        copied: Any = {"Bucket": store.bucket, "Key": original.object_key}
        return store.s3.copy_object(Bucket=store.bucket, Key=key.object_key, CopySource=copied, **more)

    return DemoChange(title, key, apply)


def _table(rows: int, seed: str) -> bytes:
    lines = (f"{seed}-{row},{row * 1.5:.2f},caf\u00e9 {row}\n" for row in range(rows))
    return ("order,amount,place\n" + "".join(lines)).encode()


def _metadata(entries: int) -> dict[str, str]:
    return {f"field-{number}": f"value {number}; a=b, c+d%20" for number in range(entries)}


def _first(run: str) -> list[DemoChange]:
    return [
        _put("object", _object(run, "hello.txt"), b"hello\n"),
        _put_item("item", _item(run, "hello", "1"), {"greeting": {"S": "hello"}}),
    ]


def _created_objects(run: str) -> list[DemoChange]:
    events = "".join(json.dumps({"event": number, "name": "opened"}) + "\n" for number in range(500)).encode()
    long_path = "long/".ljust(KEY_BYTES - len(f"demo/{run}/"), "k")
    return [
        _put("text", _object(run, "reports/orders.csv"), _table(200, "a"), ContentType="text/csv; charset=utf-8"),
        _put("binary", _object(run, "models/weights.bin"), os.urandom(300_000), ContentType="application/octet-stream"),
        _put(
            "gzip with Content-Encoding",
            _object(run, "events/today.jsonl.gz"),
            gzip.compress(events),
            ContentType="application/x-ndjson",
            ContentEncoding="gzip",
        ),
        DemoChange("multipart upload, 12 MiB in 3 parts", _object(run, "exports/full.parquet"), _upload(run)),
        _put(
            "unicode in the key",
            _object(run, "donn\u00e9es/\u00e9t\u00e9 2024/\u65e5\u672c\u8a9e \u2603 \U0001f389.txt"),
            b"snow\n",
        ),
        _put("+ % & and more in the key", _object(run, "odd/a+b %20 & c=d;e,f%2Bg@h!(i)'j.txt"), b"odd\n"),
        _put("key of 1,024 bytes", _object(run, long_path), b"long\n"),
        _put(
            "ten tags",
            _object(run, "tagged/invoice.json"),
            b'{"invoice": 1}',
            ContentType="application/json",
            Tagging="&".join(f"tag-{number}=value+%2B+{number}%3D%2F%3A%40" for number in range(10)),
        ),
        _put("user metadata", _object(run, "described/scan.tif"), os.urandom(2_000), Metadata=_metadata(20)),
        _put(
            "every header",
            _object(run, "site/index.html"),
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
        _put("zero bytes", _object(run, "jobs/_SUCCESS"), b"", ContentType="text/plain"),
        _put("folder marker", _object(run, "incoming/"), b""),
        _put("one to be removed", _object(run, "old/yesterday.csv"), _table(50, "y")),
    ]


def _upload(run: str) -> Callable[[DemoStore], object]:
    return lambda store: store.s3.upload_fileobj(
        io.BytesIO(os.urandom(12 * MEBIBYTE)),
        store.bucket,
        _object(run, "exports/full.parquet").object_key,
        ExtraArgs={"ContentType": "application/vnd.apache.parquet", "Metadata": {"rows": "100000"}},
        Config=TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES),
    )


def _changed_objects(run: str) -> list[DemoChange]:
    scan, page = _object(run, "described/scan.tif"), _object(run, "site/index.html")
    again = {"Body": b"<h1>again</h1>\n", "ContentType": "text/html"}
    return [
        _put("overwritten, same size", _object(run, "reports/orders.csv"), _table(200, "b"), ContentType="text/csv"),
        _put("overwritten, emptied", _object(run, "models/weights.bin"), b"", ContentType="application/octet-stream"),
        _copy(
            "copied onto itself: other metadata",
            scan,
            scan,
            MetadataDirective="REPLACE",
            ContentType="image/tiff",
            Metadata={"field-0": "changed", "scanner": "flat"},
        ),
        _put("overwritten: other tags", _object(run, "tagged/invoice.json"), b'{"invoice": 2}', Tagging="tag-0=new"),
        _calls(
            f"burst of {BURST} overwrites",
            _object(run, "jobs/_SUCCESS"),
            *(("put_object", {"Body": f"run {number}\n".encode()}) for number in range(BURST)),
        ),
        _calls("deleted and created again at once", page, ("delete_object", {}), ("put_object", again)),
        _copy("copied in production", _object(run, "exports/copy.parquet"), _object(run, "exports/full.parquet")),
    ]


def _created_items(run: str) -> list[DemoChange]:
    return [
        _put_item("item", _item(run, "order", "1700000000000"), {"state": {"S": "new"}, "total": {"N": "10.5"}}),
        _put_item(
            "item with numbers of 38 digits",
            _item(run, "numbers", _DIGITS),
            {
                "whole": {"N": _DIGITS},
                "negative": {"N": "-" + _DIGITS},
                "fraction": {"N": "0." + _DIGITS},
                "large": {"N": "9.9999999999999999999999999999999999999E+125"},
                "small": {"N": "1E-130"},
                "set": {"NS": [_DIGITS, "-1", "0.1"]},
            },
        ),
        _put_item(
            "item with binary and empty values",
            _item(run, "binary", "0"),
            {
                "blob": {"B": bytes(range(256))},
                "blobs": {"BS": [b"\x00", b"\xff\xfe", b"text"]},
                "no-text": {"S": ""},
                "no-bytes": {"B": b""},
                "names": {"SS": ["b", "a", "\u00fc"]},
            },
        ),
        _put_item(
            "item, nested", _item(run, "nested", "-5"), {"tree": _tree(depth=8), "unicode-\u2603": {"BOOL": True}}
        ),
        _put_item("item of 300 KB", _item(run, "large", "2"), {f"column-{n}": {"S": "x" * 30_000} for n in range(10)}),
        _put_item("one to be removed", _item(run, "gone", "3"), {"state": {"S": "here"}}),
    ]


def _tree(depth: int) -> dict[str, Any]:
    leaf = {"L": [{"NULL": True}, {"BOOL": False}, {"N": "1.10"}, {"S": "leaf"}, {"SS": ["x", "y"]}, {"B": b"\x01"}]}
    return {"M": {"leaf": leaf, "next": _tree(depth - 1)}} if depth else {"M": {"leaf": leaf, "empty": {"M": {}}}}


def _changed_items(run: str) -> list[DemoChange]:
    order, numbers = _item(run, "order", "1700000000000"), _item(run, "numbers", _DIGITS)
    update = _update_item(
        order,
        "SET #state = :paid, positions = :positions ADD visits :one REMOVE #total",
        ExpressionAttributeNames={"#state": "state", "#total": "total"},
        ExpressionAttributeValues={":paid": {"S": "paid"}, ":one": {"N": "1"}, ":positions": {"L": [{"N": "2"}]}},
    )
    visit = _update_item(numbers, "ADD visits :one", ExpressionAttributeValues={":one": {"N": "1"}})
    return [
        _calls("item updated: set, add, remove", order, update),
        _calls(f"burst of {BURST} updates", numbers, *[visit] * BURST),
        _put_item(
            "item replaced: types changed", _item(run, "binary", "0"), {"blob": {"S": "text"}, "names": {"L": []}}
        ),
    ]


def _removed(run: str) -> list[DemoChange]:
    objects = {
        "deleted": "old/yesterday.csv",
        "deleted, multipart": "exports/full.parquet",
        "deleted, odd key": "odd/a+b %20 & c=d;e,f%2Bg@h!(i)'j.txt",
    }
    items = _item(run, "gone", "3"), _item(run, "large", "2")
    return [
        *(_calls(title, _object(run, path), ("delete_object", {})) for title, path in objects.items()),
        *(_calls("item removed", key, ("delete_item", {"Key": key.attributes()})) for key in items),
    ]


def _restored(run: str) -> list[DemoChange]:
    key = _object(run, "old/yesterday.csv")
    return [
        DemoChange("delete marker removed", key, lambda store: _remove_delete_marker(store, key.object_key)),
        _put_item("inserted again", _item(run, "gone", "3"), {"state": {"S": "back"}}),
    ]


def _remove_delete_marker(store: DemoStore, key: str) -> None:
    versions = store.s3.list_object_versions(Bucket=store.bucket, Prefix=key)
    marker = next(entry for entry in versions["DeleteMarkers"] if entry["Key"] == key and entry["IsLatest"])
    store.s3.delete_object(Bucket=store.bucket, Key=key, VersionId=marker["VersionId"])


def processed(source: DemoStore, outputs: ProcessingOutputs, run: str) -> Wave:
    """Drop a CSV into the source's input, and return the wave of what comes of it: file, items, results, rejections.

    The changes make nothing themselves: each waits until the source's processor has made it, so that a target's
    seconds count from there. Applying one raises OperatorError when that takes longer than PROCESSED_SECONDS.
    """
    key = f"{outputs.input_prefix}demo-{run}/orders.csv"
    items = [ITEMS.record(f"{run}-csv-{number}", str(_FIRST_TIMESTAMP + number)) for number in range(_ROWS)]
    rows = [f"{','.join(item.values)},{number}.5\n" for number, item in enumerate(items)]
    body = "".join(["id,timestamp,amount\n", *rows, f"{run}-csv-bad,{_FIRST_TIMESTAMP},not a number\n"])
    source.s3.put_object(Bucket=source.bucket, Key=key, Body=body.encode(), ContentType="text/csv")
    bucket = FileBucket(s3=source.s3, name=source.bucket)
    results = Results(bucket=bucket, environment=outputs.environment)
    name = bucket.head(key).run
    rejected = f"{REJECTED_PREFIX}{key}.jsonl"
    changes = [
        _awaited("CSV to be processed", OBJECTS.record(key), lambda: True),
        *(_awaited("item of a record", item, lambda item=item: source.read(item) is not None) for item in items),  # type: ignore[misc]
        _awaited("rejected records", OBJECTS.record(rejected), lambda: bucket.exists(rejected)),
        _awaited("the run's summary", OBJECTS.record(results.key(name)), lambda: results.find(name) is not None),
        _awaited(
            "the latest summary",
            OBJECTS.record(results.key("latest")),
            lambda: (results.find("latest") or {}).get("run") == name,
        ),
    ]
    return Wave("processed", changes)


def _awaited(title: str, subject: RecordKey, is_there: Callable[[], bool]) -> DemoChange:
    def wait(_store: DemoStore) -> None:
        deadline = time.monotonic() + PROCESSED_SECONDS
        while not is_there():
            if time.monotonic() >= deadline:
                raise OperatorError(
                    f"Production's processor did not make {title} ({subject}) within {PROCESSED_SECONDS:.0f} s."
                )
            time.sleep(_POLL_SECONDS)

    return DemoChange(title, subject, wait)
