"""The demo's changes of production: files and items of the kinds that real ones come in, customers among them.

The changes go in waves, and no wave changes the same object or item twice, so that each change can be watched
until every target has it. All keys carry the run's own name: a second run on the same system meets no leftovers.
"""

import gzip
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from boto3.s3.transfer import TransferConfig

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.demo.people import CUSTOMERS, PASSPORT, SIGNATURE
from pipeline_ops.demo.stores import DemoStore
from pipeline_ops.errors import OperatorError
from processor_lambda.files import FileBucket
from processor_lambda.results import Results
from processor_lambda.settings import REJECTED_PREFIX
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.object_keys import KEY_BYTES

__all__ = ["DemoChange", "Wave", "assets_prefix", "processed", "scenario"]

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
_LATEST = "latest"


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
        Wave("created", [*_created_objects(run), *_created_items(run), *_created_customers(run), *_refused(run)]),
        Wave("changed", [*_changed_objects(run), *_changed_items(run), *_changed_customers(run)]),
        Wave("removed", _removed(run)),
        Wave("restored", _restored(run)),
    ]


def _object(run: str, path: str) -> RecordKey:
    return OBJECTS.record(f"{assets_prefix(run)}{path}")


def assets_prefix(run: str) -> str:
    """Return what the keys of a run's assets begin with."""
    return f"assets/demo-{run}/"


def _item(run: str, name: str, number: int) -> RecordKey:
    return ITEMS.record(f"{run}-{name}", timestamp(run, number))


def timestamp(run: str, number: int) -> str:
    """Return a timestamp of an item's own; of more digits, which a longer run's name had, it might look like a card."""
    return str(int(run, 16) * 100 + number)


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
        _put_item("item", _item(run, "hello", 1), {"state": {"S": "hello"}}),
    ]


def _created_objects(run: str) -> list[DemoChange]:
    events = "".join(json.dumps({"event": number, "name": "opened"}) + "\n" for number in range(500)).encode()
    long_path = "long/".ljust(KEY_BYTES - len(assets_prefix(run)), "k")
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
            "ten tags, one to be kept",
            _object(run, "tagged/invoice.json"),
            b'{"invoice": 1}',
            ContentType="application/json",
            Tagging="class=page&" + "&".join(f"tag-{number}=value+%2B+{number}%3D%2F%3A%40" for number in range(9)),
        ),
        _put("user metadata", _object(run, "described/scan.tif"), os.urandom(2_000), Metadata=_metadata(20)),
        _put(
            "every header",
            _object(run, "site/index.html"),
            b"<h1>hello</h1>\n",
            ContentType="text/html; charset=utf-8",
            CacheControl="public, max-age=60, stale-while-revalidate=30",
            ContentDisposition=f'attachment; filename="{CUSTOMERS[0].name}.html"',
            ContentEncoding="identity",
            ContentLanguage="en, de",
            Expires=datetime(2035, 1, 2, 3, 4, 5, tzinfo=UTC),
            WebsiteRedirectLocation="/elsewhere.html",
            Metadata=_metadata(2),
            Tagging="class=page",
        ),
        _put("zero bytes", _object(run, "jobs/_SUCCESS"), b"", ContentType="text/plain"),
        _put("folder marker", _object(run, "empty/"), b""),
        _put("one to be removed", _object(run, "old/yesterday.csv"), _table(50, "y")),
    ]


def _upload(run: str) -> Callable[[DemoStore], object]:
    return lambda store: store.s3.upload_fileobj(
        io.BytesIO(os.urandom(12 * MEBIBYTE)),
        store.bucket,
        _object(run, "exports/full.parquet").object_key,
        ExtraArgs={
            "ContentType": "application/vnd.apache.parquet",
            "Metadata": {"rows": "100000", "owner": CUSTOMERS[0].name},
        },
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
    digits = _digits(run)
    readings = {
        "whole": {"N": digits},
        "negative": {"N": "-" + digits},
        "fraction": {"N": "0." + digits},
        "large": {"N": "9.9999999999999999999999999999999999999E+125"},
        "small": {"N": "1E-130"},
        "set": {"NS": [digits, "-1", "0.1"]},
    }
    binary = {
        "blob": {"B": bytes(range(256))},
        "blobs": {"BS": [b"\x00", b"\xff\xfe", b"text"]},
        "no-text": {"S": ""},
        "no-bytes": {"B": b""},
        "names": {"SS": ["b", "a", "\u00fc"]},
        "unicode-\u2603": {"BOOL": True},
    }
    leaf = [{"NULL": True}, {"BOOL": False}, {"N": "1.10"}, {"S": "leaf"}, {"SS": ["x", "y"]}, {"B": b"\x01"}]
    nested = {"flags": {"L": leaf}, "limits": {"M": {"rows": {"N": "10"}, "who": {"S": "all"}}}}
    large = {f"column-{n}": {"S": "x" * 30_000} for n in range(10)}
    order = {"state": {"S": "new"}, "amount": {"N": "10.5"}, "labels": {"SS": ["gift", "express"]}}
    return [
        _put_item("item", _item(run, "order", 2), order),
        _put_item("item with numbers of 38 digits", _numbers(run), {"readings": {"M": readings}}),
        _put_item("item with binary and empty values", _item(run, "binary", 3), {"readings": {"M": binary}}),
        _put_item("item, nested", _item(run, "nested", 4), {"settings": {"M": nested}}),
        _put_item("item of 300 KB", _item(run, "large", 5), {"readings": {"M": large}}),
        _put_item("one to be removed", _item(run, "gone", 6), {"state": {"S": "here"}}),
    ]


def _digits(run: str) -> str:
    return timestamp(run, 7).ljust(38, "7")


def _numbers(run: str) -> RecordKey:
    return ITEMS.record(f"{run}-numbers", _digits(run))


def _changed_items(run: str) -> list[DemoChange]:
    update = _update_item(
        _item(run, "order", 2),
        "SET #state = :paid ADD quantity :one REMOVE amount",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":paid": {"S": "paid"}, ":one": {"N": "1"}},
    )
    visit = _update_item(_numbers(run), "ADD quantity :one", ExpressionAttributeValues={":one": {"N": "1"}})
    other = {"readings": {"M": {"blob": {"S": "text"}, "names": {"BOOL": False}}}}
    return [
        _calls("item updated: set, add, remove", _item(run, "order", 2), update),
        _calls(f"burst of {BURST} updates", _numbers(run), *[visit] * BURST),
        _put_item("item replaced: types changed", _item(run, "binary", 3), other),
    ]


# --- Customers


def _customer_item(run: str, number: int) -> RecordKey:
    return ITEMS.record(CUSTOMERS[number].id(run), timestamp(run, 10 + number))


def _customer(number: int) -> dict[str, Any]:
    customer, friend = CUSTOMERS[number], CUSTOMERS[number - 1]
    return {
        "name": {"S": customer.name},
        "email": {"S": customer.email},
        "phone": {"S": customer.phone},
        "born": {"S": customer.born},
        "address": {"M": {"street": {"S": customer.street}, "city": {"S": "Nowhere"}}},
        "card": {"S": customer.card},
        "iban": {"S": customer.iban},
        "contacts": {"L": [{"M": {"name": {"S": friend.name}, "email": {"S": friend.email}}}]},
        "visited": {"S": f"{customer.born}T08:15:00Z"},
        "message": {"S": f"Please write to {customer.email} or charge {customer.card}. Thanks!"},
        "note": {"S": f"{customer.name} called."},
    }


def _created_customers(run: str) -> list[DemoChange]:
    scores = {each.id(run): {"N": str(100 + number)} for number, each in enumerate(CUSTOMERS)}
    keys = [each.id(run) for each in CUSTOMERS]
    binary = {"signature": {"B": SIGNATURE}, "signatures": {"BS": [SIGNATURE, SIGNATURE[::-1]]}}
    return [
        _put_item("a customer", _customer_item(run, 0), _customer(0)),
        _put_item("a customer, signed", _customer_item(run, 1), {**_customer(1), **binary}),
        _put_item("points by customer", _item(run, "scores", 20), {"scores": {"M": scores}}),
        _put_item("the customer's order", ITEMS.record(keys[0], timestamp(run, 21)), {"amount": {"N": "9.99"}}),
        _put_item("order that names its customer", _item(run, "of", 22), {"customer": {"S": keys[0]}}),
    ]


def _refused(run: str) -> list[DemoChange]:
    customer = CUSTOMERS[2]
    export = OBJECTS.record(f"exports/{run}/{customer.id(run)}.txt")
    rejected = OBJECTS.record(f"rejected/incoming/{customer.id(run)}/unknown-{run}.jsonl")
    line = json.dumps({"line": 1, "record": 1, "passport": PASSPORT}).encode() + b"\n"
    return [
        _put("key that no rule knows", export, f"{customer.name}, {customer.phone}\n".encode()),
        _put("field that no rule knows", rejected, line),
        _put_item("attribute that no rule knows", _customer_item(run, 2), {"passport": {"S": PASSPORT}}),
        _put_item("e-mail address in what is kept", _item(run, "leak", 23), {"state": {"S": f"ask {customer.email}"}}),
    ]


def _changed_customers(run: str) -> list[DemoChange]:
    born = _update_item(
        _customer_item(run, 0),
        "SET born = :born REMOVE card",
        ExpressionAttributeValues={":born": {"S": CUSTOMERS[2].born}},
    )
    return [
        _calls("a customer, updated", _customer_item(run, 0), born),
        _put_item("refused before, put right", _customer_item(run, 2), _customer(2)),
    ]


def _removed(run: str) -> list[DemoChange]:
    objects = {
        "deleted": "old/yesterday.csv",
        "deleted, multipart": "exports/full.parquet",
        "deleted, odd key": "odd/a+b %20 & c=d;e,f%2Bg@h!(i)'j.txt",
    }
    items = {"item removed": _item(run, "large", 5), "item removed, for a while": _item(run, "gone", 6)}
    items |= {"a customer, removed": _customer_item(run, 1)}
    return [
        *(_calls(title, _object(run, path), ("delete_object", {})) for title, path in objects.items()),
        *(_calls(title, key, ("delete_item", {"Key": key.attributes()})) for title, key in items.items()),
    ]


def _restored(run: str) -> list[DemoChange]:
    key = _object(run, "old/yesterday.csv")
    return [
        DemoChange("delete marker removed", key, lambda store: _remove_delete_marker(store, key.object_key)),
        _put_item("inserted again", _item(run, "gone", 6), {"state": {"S": "back"}}),
    ]


def _remove_delete_marker(store: DemoStore, key: str) -> None:
    versions = store.s3.list_object_versions(Bucket=store.bucket, Prefix=key)
    marker = next(entry for entry in versions["DeleteMarkers"] if entry["Key"] == key and entry["IsLatest"])
    store.s3.delete_object(Bucket=store.bucket, Key=key, VersionId=marker["VersionId"])


def processed(source: DemoStore, outputs: ProcessingOutputs, run: str) -> Wave:
    """Drop customers' files into the source's input, and return the wave of what comes of them.

    That is files, items, results and rejections. The changes make nothing themselves: each waits until the source's
    processor has made it, so that a target's seconds count from there. Applying one raises OperatorError when that
    takes longer than PROCESSED_SECONDS.
    """
    bucket = FileBucket(s3=source.s3, name=source.bucket)
    results = Results(bucket=bucket, environment=outputs.environment)
    changes: list[DemoChange] = []
    runs: list[str] = []
    for number, (file, body) in enumerate(_files(run).items()):
        customer = CUSTOMERS[number].id(run)
        key = f"{outputs.input_prefix}{customer}/{file}"
        source.s3.put_object(Bucket=source.bucket, Key=key, Body=body, Metadata={"customer": customer})
        runs.append(name := bucket.head(key).run)
        item = ITEMS.record(customer, timestamp(run, 30 + number))
        of_file = f"{file.partition('.')[2]} of a customer"
        changes += [
            _awaited(f"{of_file}, to be processed", OBJECTS.record(key), lambda: True),
            _awaited("item of its record", item, partial(source.read, item)),
            _awaited("the run's summary", OBJECTS.record(results.key(name)), partial(results.find, name)),
        ]
    rejected = f"{REJECTED_PREFIX}{outputs.input_prefix}{CUSTOMERS[0].id(run)}/orders-{run}.csv.jsonl"

    def latest_is_there() -> bool:
        summaries = filter(None, map(results.find, runs))
        last = max(summaries, key=lambda summary: (summary["last_modified"], summary["key"]))
        return bool((results.find(_LATEST) or {}).get("run") == last["run"])

    changes += [
        _awaited("rejected records", OBJECTS.record(rejected), lambda: bucket.exists(rejected)),
        _awaited("the latest summary", OBJECTS.record(results.latest_key), latest_is_there),
    ]
    return Wave("processed", changes)


def _files(run: str) -> dict[str, bytes]:
    """Return a table and packed JSON Lines, one good record in each, and a bad one in the table."""
    first, second = CUSTOMERS[:2]
    header = "id,timestamp,name,email,phone,born,amount\n"
    good = f"{first.id(run)},{timestamp(run, 30)},{first.name},{first.email},{first.phone},{first.born},4.50\n"
    bad = f"{first.id(run)},{timestamp(run, 32)},{first.name},,,,not a number\n"
    record = {
        "id": second.id(run),
        "timestamp": int(timestamp(run, 31)),
        "name": second.name,
        "email": second.email,
        "address": {"street": second.street},
        "quantity": 3,
        "born": None,
    }
    return {
        f"orders-{run}.csv": f"{header}{good}{bad}".encode(),
        f"orders-{run}.jsonl.gz": gzip.compress(json.dumps(record).encode() + b"\n"),
    }


def _awaited(title: str, subject: RecordKey, is_there: Callable[[], object]) -> DemoChange:
    def wait(_store: DemoStore) -> None:
        deadline = time.monotonic() + PROCESSED_SECONDS
        while not is_there():
            if time.monotonic() >= deadline:
                raise OperatorError(
                    f"Production's processor did not make {title} ({subject}) within {PROCESSED_SECONDS:.0f} s."
                )
            time.sleep(_POLL_SECONDS)

    return DemoChange(title, subject, wait)
