"""A file that production processes, and what of it every target must then have."""

import time
from collections.abc import Callable

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.demo.changes import DemoChange, Wave
from pipeline_ops.demo.stores import DemoStore
from pipeline_ops.errors import OperatorError
from processor_lambda.files import FileBucket
from processor_lambda.results import Results
from processor_lambda.settings import REJECTED_PREFIX
from replication_core.datasets import ITEMS, OBJECTS, RecordKey

__all__ = ["processed"]

PROCESSED_SECONDS = 120.0
"""How long the demo waits for its file to be processed, a cold start included."""

_POLL_SECONDS = 0.2
_FIRST_TIMESTAMP = 1_700_000_000
_ROWS = 3


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
