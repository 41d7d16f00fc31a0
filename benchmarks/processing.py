"""The processor's rate and peak memory by the file's records, beside reading it whole and putting items one by one.

The file is made up as it is read, and the table answers every call after 5 ms and keeps nothing, so that what is
measured is the design: a record's own cost, and how many calls wait at a time. The obvious design puts only 2,000
records, and its rate is that of the puts alone; but it reads all of them, which its memory depends on.
"""

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Printed

from benchmarks.memory import MEBIBYTE
from benchmarks.peak_memory import peak_bytes
from processor_lambda.clients import ProcessorClients
from processor_lambda.decompression import CHUNK_BYTES
from processor_lambda.files import FileBucket, InputFile
from processor_lambda.notices import ObjectNotice
from processor_lambda.processor import build_processor
from processor_lambda.settings import ProcessorSettings

__all__ = ["DESIGNS", "Processed", "measure_processing"]

DESIGNS = ("processor", "whole file, one by one")
_LATENCY_SECONDS = 0.005
_PUTS = 2_000
_LINE = b'{"id": "record-%012d", "timestamp": %d, "amount": 12.50, "note": "so much for the data of a record"}\n'
_RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Processed:
    """What a design made of a file of so many records."""

    design: str
    records: int
    records_per_second: float
    peak_mib: float


class _MadeUp(io.RawIOBase):
    """A file of records, made up as it is read."""

    def __init__(self, records: int) -> None:
        self._lines = (_LINE % (number, number) for number in range(records))
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._rest], len(self._rest)
        for line in self._lines:
            parts.append(line)
            length += len(line)
            if 0 <= size <= length:
                break
        data = b"".join(parts)
        cut = len(data) if size < 0 else size
        self._rest = data[cut:]
        return data[:cut]


class _Aws:
    """The few calls of both designs."""

    def __init__(self, records: int) -> None:
        self._records = records
        self.written = 0

    def head_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        metadata = {"records": str(self._records)}
        return {"ETag": '"e"', "ContentLength": 0, "LastModified": datetime.now(UTC), "Metadata": metadata, "Key": Key}

    def get_object_tagging(self, **_: Any) -> dict[str, Any]:
        return {"TagSet": []}

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Body": _MadeUp(self._records) if Key.startswith("incoming/") else io.BytesIO(b"none"), "ETag": '"e"'}

    def put_object(self, **_: Any) -> dict[str, Any]:
        return {"ETag": '"e"'}

    def put_item(self, **_: Any) -> dict[str, Any]:
        time.sleep(_LATENCY_SECONDS)
        return {}

    def batch_write_item(self, *, RequestItems: Any) -> dict[str, Any]:  # noqa: N803
        time.sleep(_LATENCY_SECONDS)
        self.written += sum(map(len, RequestItems.values()))
        return {"UnprocessedItems": {}}


def measure_processing(sizes: Sequence[int]) -> Iterator[Processed]:
    """Let each design process a file of each size, each in a process of its own."""
    for records in sizes:
        for design in DESIGNS:
            command = [sys.executable, "-m", "benchmarks.processing", "--measure", design, str(records)]
            rate, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            yield Processed(design, records, round(float(rate)), round(int(peak) / MEBIBYTE, 1))


def _measure_here(design: str, records: int) -> None:
    aws: Any = _Aws(records)
    rate = _process(aws, records) if design == DESIGNS[0] else _one_by_one(aws)
    print(rate, peak_bytes())


class _MadeUpBucket(FileBucket):
    """A bucket whose file has no size to be known before it ends."""

    def chunks(self, file: InputFile, start: int = 0) -> Iterator[bytes]:  # noqa: ARG002 - the start is always 0
        body = _MadeUp(int(file.metadata["records"]))
        return iter(lambda: body.read(CHUNK_BYTES), b"")


def _process(aws: Any, records: int) -> float:
    settings = ProcessorSettings(environment="dev", bucket="b", table="t", queue_url="q", dlq_url="d")
    processor = build_processor(settings, ProcessorClients(s3=aws, dynamodb=aws, sqs=aws))
    processor = replace(processor, bucket=_MadeUpBucket(s3=aws, name="b"))
    start = time.perf_counter()
    processor.process(ObjectNotice(key="incoming/made-up.jsonl"))
    seconds = time.perf_counter() - start
    if aws.written != records:
        raise RuntimeError(f"{aws.written} of {records} records were written")
    return records / seconds


def _one_by_one(aws: Any) -> float:
    records = [json.loads(line) for line in aws.get_object(Key="incoming/a")["Body"].read().splitlines()]
    start = time.perf_counter()
    for record in records[:_PUTS]:
        aws.put_item(Item=record)
    return min(len(records), _PUTS) / (time.perf_counter() - start)


def main(arguments: Sequence[str]) -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller files: seconds")
    parser.add_argument("--output", type=Path, default=_RESULTS, help="the folder for processing.json")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.measure:
        _measure_here(asked.measure[0], int(asked.measure[1]))
        return
    found = list(measure_processing((1_000, 10_000) if asked.quick else (1_000, 10_000, 100_000, 1_000_000)))
    printed = Printed("design", "records", "records/s", "peak MiB")
    for one in found:
        printed.add_row(one.design, f"{one.records:,}", f"{one.records_per_second:,.0f}", f"{one.peak_mib:g}")
    Console().print(printed)
    asked.output.mkdir(parents=True, exist_ok=True)
    document = {"schema": "pipeline.bench/1", "quick": asked.quick, "processing": [asdict(one) for one in found]}
    text = json.dumps(document, indent=1) + "\n"
    (asked.output / "processing.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
