"""A file that production processes, and what of it every target must then have."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.demo.changes import DemoChange, Wave
from pipeline_ops.demo.stores import DemoStore, ItemRef, ObjectRef
from pipeline_ops.errors import OperatorError
from processor_lambda.files import FileBucket
from processor_lambda.results import Results
from processor_lambda.runs import run_of
from processor_lambda.settings import REJECTED_PREFIX

__all__ = ["PROCESSED_SECONDS", "processed"]

PROCESSED_SECONDS = 120.0
"""How long the demo waits for its file to be processed, a cold start included."""

_POLL_SECONDS = 0.2
_FIRST_TIMESTAMP = 1_700_000_000
_ROWS = 3


def processed(source: DemoStore, outputs: ProcessingOutputs, run: str, wait_seconds: float = PROCESSED_SECONDS) -> Wave:
    """Drop a CSV into the source's input, and return the wave of what comes of it: file, items, results, rejections.

    The changes make nothing themselves: each waits until the source's processor has made it, so that a target's
    seconds count from there. Applying one raises OperatorError when that takes longer than `wait_seconds`.
    """
    key = f"{outputs.input_prefix}demo-{run}/orders.csv"
    rows = [f"{run}-csv-{number},{_FIRST_TIMESTAMP + number},{number}.5\n" for number in range(_ROWS)]
    body = "".join(["id,timestamp,amount\n", *rows, f"{run}-csv-bad,{_FIRST_TIMESTAMP},not a number\n"])
    source.s3.put_object(Bucket=source.bucket, Key=key, Body=body.encode(), ContentType="text/csv")
    bucket = FileBucket(s3=source.s3, name=source.bucket)
    results = Results(bucket=bucket, environment=outputs.environment)
    name = run_of(key, bucket.head(key).version)

    def until(title: str, subject: ObjectRef | ItemRef, there: Callable[[DemoStore], bool]) -> DemoChange:
        return DemoChange(
            title, subject, lambda store: _wait(lambda: there(store), f"{title} ({subject})", wait_seconds)
        )

    rejected = f"{REJECTED_PREFIX}{key}.jsonl"
    items = [ItemRef(f"{run}-csv-{number}", str(_FIRST_TIMESTAMP + number)) for number in range(_ROWS)]
    return Wave(
        "processed",
        [
            until("CSV to be processed", ObjectRef(key), lambda _: True),
            *(until("item of a record", ref, lambda store, ref=ref: store.item(ref) is not None) for ref in items),  # type: ignore[misc]
            until(
                "rejected records",
                ObjectRef(rejected),
                lambda _: bucket.exists(rejected),
            ),
            until("the run's summary", ObjectRef(results.key(name)), lambda _: results.find(name) is not None),
            until(
                "the latest summary",
                ObjectRef(results.key("latest")),
                lambda _: _is_of(results.find("latest"), name),
            ),
        ],
    )


def _is_of(summary: Mapping[str, Any] | None, run: str) -> bool:
    return summary is not None and summary.get("run") == run


def _wait(there: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        if time.monotonic() >= deadline:
            raise OperatorError(f"Production's processor did not make {what} within {seconds:.0f} s.")
        time.sleep(_POLL_SECONDS)
