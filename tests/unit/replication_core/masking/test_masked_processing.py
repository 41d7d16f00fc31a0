"""Masking commutes with processing: the items of a masked file are the masked items of the file."""

import base64
import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor_lambda.files import FileBucket, InputFile
from processor_lambda.reading import Reading
from processor_lambda.records import RecordError, Schema, read_json
from processor_lambda.settings import FieldType, RecordField, fields_of
from record_files.splitting import Format
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms

SCHEMA = Schema(
    fields_of(
        [
            RecordField("amount", FieldType.NUMBER),
            RecordField("pieces", FieldType.INTEGER),
            RecordField("paid", FieldType.BOOLEAN),
            RecordField("photo", FieldType.BINARY),
        ],
        ITEMS,
    ),
    "dev",
    ITEMS,
)

Rules = list[list[Any]]


def rule(kind: str, **settings: Any) -> dict[str, Any]:
    return {"rule": kind, "line": 1, **settings}


KEY = {"id": rule("pseudonym", namespace="customer", prefix="c_"), "timestamp": rule("keep")}
FLAT: Rules = [
    ["amount", rule("bucket", by="10", type="N")],
    ["pieces", rule("pseudonym", namespace="pieces", type="N")],
    ["paid", rule("keep", type="BOOL")],
    ["photo", rule("pseudonym", namespace="photo", type="B")],
    ["mail", rule("email", namespace="mail")],
    ["phone", rule("digits", keep_last=3)],
    ["name", rule("fake", table="names")],
    ["born", rule("shift", namespace="visits", days=365)],
    ["note", rule("replace", value={"S": 'removed, "all"'})],
    ["secret", rule("drop")],
]
NESTED: Rules = [
    ["address", rule("drop")],
    ["address.city", rule("keep")],
    ["contacts[].name", rule("last", characters=2)],
    ["contacts[].born", rule("bucket", by="year")],
    ["scores{}", rule("keep"), rule("pseudonym", namespace="customer")],
    ["any.*", rule("keep")],
]


def mask_of(format_: Format, *, unclassified: str, percent: int) -> Mask:
    key = KEY | {"timestamp": rule("keep", type="N")}
    fields = [*([name, each] for name, each in key.items()), *FLAT, *(NESTED if format_ is not Format.CSV else [])]
    body = {"format": format_.value, "fields": fields}
    named: dict[str, Any] = {"headers": {}, "metadata": {}, "tags": {}}
    document = {
        "version": 1,
        "generation": 1,
        "unclassified": unclassified,
        "namespaces": ["customer", "mail", "photo", "pieces", "visits"],
        "tables": {ITEMS.name: {"key": KEY, "attributes": [*FLAT, *NESTED], "where": [], "deletes": "mirror"}},
        "buckets": {
            OBJECTS.name: {
                "rules": [{"match": "**", "line": 1, "key": {}, "body": body, **named}],
                "tags": [],
                "deletes": "mirror",
            }
        },
        "sample": {"namespace": "customer", "percent": percent},
        "brake": None,
    }
    return Mask(MaskingPolicy.parse(document), Pseudonyms(bytes(range(32)), 1))


@dataclass
class OneFile:
    """A bucket of one file."""

    data: bytes

    def chunks(self, _: InputFile, start: int = 0) -> Iterator[bytes]:
        return (self.data[at : at + 50] for at in range(start, len(self.data), 50))


def processed(data: bytes, format_: Format) -> tuple[list[Any], int]:
    """Return the items that the processor makes of a file, in their order, and how many records it rejects."""
    suffix = {Format.LINES: "jsonl", Format.ARRAY: "json", Format.CSV: "csv"}[format_]
    file = InputFile(key=f"a.{suffix}", version_id="v", etag="e", size=len(data), last_modified=datetime.now(UTC))
    bucket = cast("FileBucket", OneFile(data))
    reading = Reading(bucket=bucket, file=file, schema=SCHEMA, out_of_time=lambda: False)
    items, rejected = [], 0
    for raw in filter(None, reading.records()):
        assert raw.data is not None
        read = reading.header.read if reading.header else read_json
        try:
            items.append(SCHEMA.record(read(raw.data)).item)
        except RecordError:
            rejected += 1
    assert not reading.broken
    return items, rejected


def made_by_mask(mask: Mask, data: bytes) -> bytes:
    chunks = (data[at : at + 70] for at in range(0, len(data), 70))
    return b"".join(block.data for block in mask.object("a", OBJECTS).body().blocks(chunks))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="@"), max_size=6)
dates = st.dates().map(str)
flat: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.decimals(-(10**9), 10**9, places=3),
    "pieces": st.integers(-(10**9), 10**9),
    "paid": st.booleans(),
    "photo": st.binary(max_size=4).map(lambda data: base64.b64encode(data).decode()),
    "mail": texts,
    "phone": st.from_regex(r"\+[0-9 ]{1,9}", fullmatch=True),
    "name": texts,
    "born": st.dates(
        min_value=datetime(1900, 1, 1, tzinfo=UTC).date(), max_value=datetime(2100, 1, 1, tzinfo=UTC).date()
    ).map(str),
    "note": texts,
    "secret": texts,
}
small = st.none() | st.booleans() | st.integers(0, 99) | texts
nested: dict[str, st.SearchStrategy[Any]] = {
    "address": st.dictionaries(st.sampled_from(["city", "street", "zip"]), texts),
    "contacts": st.lists(st.fixed_dictionaries({}, optional={"name": texts, "born": dates}), max_size=3),
    "scores": st.dictionaries(texts.filter(bool), st.integers(0, 99), max_size=3),
    "any": st.dictionaries(texts.filter(bool), small, max_size=3),
    "secret": st.recursive(
        small, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts.filter(bool), inner, max_size=2)
    ),
}
keys: dict[str, st.SearchStrategy[Any]] = {"id": st.sampled_from("abcdefgh"), "timestamp": st.integers(0, 3)}
unknown = {"other": small}


def shuffled(records: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return records.flatmap(lambda record: st.permutations(list(record.items())).map(dict))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.data(),
    format_=st.sampled_from(Format),
    knows_all=st.booleans(),
    percent=st.sampled_from([50, 100]),
    compressed=st.booleans(),
)
def test_processing_the_masked_file_gives_the_masked_items(
    data: st.DataObject, format_: Format, knows_all: bool, percent: int, compressed: bool
) -> None:
    is_csv = format_ is Format.CSV
    optional = flat | ({} if is_csv else nested) | ({} if knows_all else unknown)
    if not is_csv:
        optional = {name: st.none() | values for name, values in optional.items()}
    valid, other = st.fixed_dictionaries(keys, optional=optional), st.fixed_dictionaries({}, optional=keys | optional)
    records = data.draw(st.lists(shuffled(valid | other), max_size=8))
    ascii_, indent, end = data.draw(
        st.tuples(st.booleans(), st.sampled_from([None, 1]), st.sampled_from(["\n", "\r\n"]))
    )
    file = written(format_, records, ascii_=ascii_, indent=indent, end=end)
    file = gzip.compress(file) if compressed else file
    mask = mask_of(format_, unclassified="refuse" if knows_all else "drop", percent=percent)

    items, rejected = processed(file, format_)
    expected = [made for item in items if (made := mask.item(item, ITEMS)) is not None]
    found, found_rejected = processed(made_by_mask(mask, file), format_)
    assert [{name: value for name, value in item.items() if name != "environment"} for item in found] == expected
    assert found_rejected == rejected if percent == 100 else found_rejected <= rejected


def written(format_: Format, records: list[dict[str, Any]], *, ascii_: bool, indent: int | None, end: str) -> bytes:
    if format_ is Format.CSV:
        columns = sorted({"id", "timestamp"}.union(*records))
        text = io.StringIO(newline="")
        rows = csv.DictWriter(text, columns, quoting=csv.QUOTE_MINIMAL if indent else csv.QUOTE_ALL)
        rows.writeheader()
        rows.writerows(
            [
                {name: str(value).lower() if isinstance(value, bool) else value for name, value in record.items()}
                for record in records
            ]
        )
        return text.getvalue().encode()

    def plain(value: Any) -> float:
        return float(value)

    if format_ is Format.ARRAY:
        return json.dumps(records, ensure_ascii=ascii_, indent=indent, default=plain).encode()
    return end.join(json.dumps(record, ensure_ascii=ascii_, default=plain) for record in records).encode()
