"""The processor's rate and peak memory by the file's records, beside reading it whole and putting items one by one.

The file is made up as it is read, and the table answers every call after 5 ms and keeps nothing, so that what is
measured is the design: a record's own cost, and how many calls wait at a time. The obvious design puts only 2,000
records, and its rate is that of the puts alone; but it reads all of them, which its memory depends on.
"""

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks.own_process import elsewhere, peak_mib
from benchmarks.report import Report, Sheet
from processor_lambda.clients import ProcessorClients
from processor_lambda.files import FileBucket, InputFile
from processor_lambda.notices import ObjectNotice
from processor_lambda.processor import build_processor
from processor_lambda.settings import ProcessorSettings
from record_files.decompression import CHUNK_BYTES, gathered

__all__ = ["measure_processing"]

_LATENCY_SECONDS = 0.005
_PUTS = 2_000
_LINE = b'{"id": "record-%012d", "timestamp": %d, "amount": 12.50, "note": "so much for the data of a record"}\n'


@dataclass(frozen=True)
class Processed:
    """What a design made of a file of so many records."""

    design: str
    records: int
    records_per_second: float
    peak_mib: float


def _lines(records: int) -> Iterator[bytes]:
    return (_LINE % (number, number) for number in range(records))


class _Aws:
    """The few calls of both designs."""

    def __init__(self) -> None:
        self.written = 0

    def head_object(self, **_: Any) -> dict[str, Any]:
        return {"ETag": '"e"', "ContentLength": 0, "LastModified": datetime.now(UTC), "Metadata": {}}

    def get_object_tagging(self, **_: Any) -> dict[str, Any]:
        return {"TagSet": []}

    def get_object(self, **_: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(b"no summary"), "ETag": '"e"'}

    def put_object(self, **_: Any) -> dict[str, Any]:
        return {"ETag": '"e"'}

    def put_item(self, **_: Any) -> dict[str, Any]:
        time.sleep(_LATENCY_SECONDS)
        return {}

    def batch_write_item(self, *, RequestItems: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        time.sleep(_LATENCY_SECONDS)
        self.written += sum(map(len, RequestItems.values()))
        return {"UnprocessedItems": {}}


@dataclass(frozen=True, kw_only=True)
class _MadeUpBucket(FileBucket):
    """A bucket whose file is made up as it is read."""

    records: int

    def chunks(self, file: InputFile, start: int = 0) -> Iterator[bytes]:  # noqa: ARG002 - both are always the same
        return gathered(_lines(self.records), CHUNK_BYTES)


def _process(records: int) -> float:
    aws: Any = _Aws()
    settings = ProcessorSettings(environment="dev", bucket="b", table="t", queue_url="q", dlq_url="d")
    processor = build_processor(settings, ProcessorClients(s3=aws, dynamodb=aws, sqs=aws))
    processor = replace(processor, bucket=_MadeUpBucket(s3=aws, name="b", records=records))
    start = time.perf_counter()
    processor.process(ObjectNotice(key="incoming/made-up.jsonl"))
    seconds = time.perf_counter() - start
    if aws.written != records:
        raise RuntimeError(f"{aws.written} of {records} records were written")
    return records / seconds


def _one_by_one(records: int) -> float:
    aws, items = _Aws(), [json.loads(line) for line in b"".join(_lines(records)).splitlines()]
    start = time.perf_counter()
    for item in items[:_PUTS]:
        aws.put_item(Item=item)
    return min(records, _PUTS) / (time.perf_counter() - start)


_DESIGNS: Mapping[str, Callable[[int], float]] = {"processor": _process, "whole file, one by one": _one_by_one}


def _measure(design: str, records: int) -> Processed:
    rate = _DESIGNS[design](records)
    return Processed(design, records, round(rate), peak_mib())


def measure_processing(say: Callable[[str], None], *, quick: bool) -> Report:
    """Let each design process a file of each size, each in a process of its own."""
    found = []
    for records in (1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000):
        for design in _DESIGNS:
            say(f"Measuring processing: {design}, {records:,} records")
            found.append(elsewhere(_measure, design, records))
    sheet = Sheet(
        "Processing by the number of records",
        ("design", "records", "records/s", "peak MiB"),
        [(one.design, f"{one.records:,}", f"{one.records_per_second:,.0f}", f"{one.peak_mib:g}") for one in found],
    )
    return Report("processing", {"processing": [asdict(one) for one in found]}, [sheet])
