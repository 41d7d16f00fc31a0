"""The processor between Versity's S3 gateway and dynalite, compared with the records that its files were made of.

What can't be proved here: continuations, which are the queue's, and what S3 and DynamoDB limit.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from processor_lambda.clients import connect
from processor_lambda.notices import ObjectNotice
from processor_lambda.processor import FileProcessor, build_processor
from processor_lambda.settings import FieldType, ProcessorSettings, RecordField
from tests.integration.other_implementations.servers import Server
from tests.integration.other_implementations.sites import Site

RECORDS = 300
SCHEMA = (RecordField("amount", FieldType.NUMBER, required=True),)
Record = dict[str, Any]


def records(random: Random) -> list[Record]:
    """Return records of distinct keys; every tenth has no amount, and is to be rejected."""
    made: list[Record] = []
    for number in range(RECORDS):
        record: Record = {"id": random.choice("aé漢") + str(number), "timestamp": number * random.choice([1, 10**12])}
        if number % 10:
            record["amount"] = random.randrange(10**9)
        made.append({**record, "note": random.choice(["", 'say "hi"', "a,b", "line\nbreak", " spaced "])})
    return made


def as_csv(made: list[Record]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["note", "id", "timestamp", "amount"])
    writer.writeheader()
    writer.writerows(made)
    return text.getvalue().encode()


def as_lines(made: list[Record]) -> bytes:
    return "\n".join(json.dumps(record) for record in made).encode()


def as_array(made: list[Record]) -> bytes:
    return json.dumps(made, indent=1, ensure_ascii=False).encode()


def processor(site: Site) -> FileProcessor:
    """Return the processor of the site's source, with the clients that it makes itself from its environment."""
    settings = ProcessorSettings(
        environment="prod",
        bucket=site.settings.source_bucket,
        table=site.settings.source_table,
        queue_url=site.settings.queue_url,
        dlq_url=site.settings.dlq_url,
        schema=SCHEMA,
    )
    return build_processor(settings, connect(connections=16))


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("name", "write"), [("csv", as_csv), ("jsonl", as_lines), ("json", as_array)])
def test_a_file_of_each_format_becomes_the_items_that_it_was_made_of(
    s3_server: Server,
    dynamodb_server: Server,
    make_site: Callable[..., Site],
    name: str,
    write: Callable[[list[Record]], bytes],
    zipped: bool,
) -> None:
    site, made = make_site(), records(Random(name))
    key = f"incoming/a b+é.{name}" + (".gz" if zipped else "")
    body = gzip.compress(write(made)) if zipped else write(made)
    site.s3.put_object(Bucket=site.settings.source_bucket, Key=key, Body=body)
    processing = processor(site)
    for _ in range(2):  # the same version again leaves the same
        outcome = processing.process(ObjectNotice(key=key, reason="manual"))
        assert outcome.summary is not None
        counts = {count: outcome.summary[count] for count in ("read", "valid", "rejected", "status")}
        assert counts == {"read": RECORDS, "valid": 270, "rejected": 30, "status": "succeeded"}
        items = site.items(site.settings.source_table).values()
        seen = {
            item["id"]: {field: item.get(field, "") for field in ("id", "timestamp", "amount", "note")}
            for item in items
        }
        assert seen == {record["id"]: record for record in made if "amount" in record}
    objects = site.objects(site.settings.source_bucket)
    lines = [json.loads(line) for line in objects[f"rejected/{key}.jsonl"]["body"].splitlines()]
    assert len(lines) == 30
    assert json.loads(objects["results/prod/latest.json"]["body"])["read"] == RECORDS
