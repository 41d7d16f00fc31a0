"""The look at everything under the input prefix, for what its event was missed of."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from lambda_common.deadline import Deadline
from lambda_common.failures import told, translated
from lambda_common.queues import send
from processor_lambda.files import Bucket, Gone
from processor_lambda.notices import ObjectNotice, Sweep
from processor_lambda.results import Results
from processor_lambda.runs import run_of
from processor_lambda.settings import ProcessorSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["STALE", "Sweeper"]

_AT_A_TIME = 200

STALE = timedelta(hours=1)
"""A run that was not finished and has not come further for so long is taken for one that stands still."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Finds the objects whose current version has no run, and puts them into the processor's own queue.

    What is in the queue already, or is being processed for the first time, may be found too: that does no harm. Runs
    that failed are left alone: whoever wants them again asks for it.
    """

    settings: ProcessorSettings
    bucket: Bucket
    results: Results
    sqs: "SQSClient"
    executor: Executor
    deadline: Deadline
    clock: Callable[[], datetime] = _now

    def wants(self, key: str) -> bool:
        """Tell whether a key is an input's: under the prefix, and not a folder's marker."""
        return key.startswith(self.settings.input_prefix) and not key.endswith("/")

    def listed(self, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        """Yield the keys under a prefix and when they were written, behind one where that is given."""
        asked: dict[str, Any] = {"Bucket": self.bucket.name, "Prefix": prefix}
        if after:
            asked["StartAfter"] = after
        while True:
            with translated("ListObjectsV2"):
                answer = self.bucket.s3.list_objects_v2(**asked)
            yield from ((each["Key"], each["LastModified"]) for each in answer.get("Contents", ()))
            if not told("ListObjectsV2", answer, "IsTruncated"):
                return
            asked["ContinuationToken"] = answer["NextContinuationToken"]

    def sweep(self, after: str = "") -> int:
        """Look at the keys behind one, and return how many were put into the queue; raises StoreError.

        When the time is nearly up, what is left is another message's.
        """
        keys = (key for key, _ in self.listed(self.settings.input_prefix, after) if self.wants(key))
        enqueued = 0
        while some := list(islice(keys, _AT_A_TIME)):
            found = [notice for notice in self.executor.map(self._missed, some) if notice]
            self._send([notice.body() for notice in found])
            enqueued += len(found)
            if self.deadline.passed():
                self._send([Sweep(some[-1]).body()])
                break
        return enqueued

    def _missed(self, key: str) -> ObjectNotice | None:
        try:
            file = self.bucket.head(key)
            if not self.settings.process_replicas and self.bucket.is_replica(file):
                return None
        except Gone:
            return None
        run = run_of(key, file.version)
        if self.bucket.exists(self.results.key(run)) or self._under_way(run):
            return None
        return ObjectNotice(key=key, version_id=file.version_id, reason="sweep")

    def _under_way(self, run: str) -> bool:
        latest = max((at for _, at in self.listed(self.results.unfinished(run))), default=None)
        return latest is not None and self.clock() - latest < STALE

    def _send(self, bodies: list[str]) -> None:
        for error in send(self.sqs, self.settings.queue_url, bodies).values():
            raise error
