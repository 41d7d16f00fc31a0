"""The look at everything under the input prefix, for what its event was missed of."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from processor_lambda.files import FileBucket, InputFile
from processor_lambda.notices import ObjectNotice, Sweep
from processor_lambda.results import Results
from processor_lambda.runs import MAX_INVOCATIONS
from processor_lambda.settings import ProcessorSettings
from replication_core.aws.batches import send
from replication_core.aws.errors import StoreError
from replication_core.objects.listings import Listed
from replication_core.objects.pinned import Gone

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["SweepPage", "Sweeper"]

_AT_A_TIME = 200

_STALE = timedelta(hours=1)
"""A run that was not finished and has not come further for so long is taken for one that stands still."""


@dataclass(frozen=True, slots=True)
class SweepPage:
    """Some of the inputs, looked at."""

    last: str
    looked: int
    missed: list[ObjectNotice]
    unreadable: list[str]
    """The keys that could not be looked at or read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Finds the objects whose current version has no run, and puts them into the processor's own queue.

    What is in the queue already, or is being processed for the first time, may be found too: that does no harm. Runs
    that failed are left alone: whoever wants them again asks for it. An object that can't be looked at or read is found
    too, so that its own message tells why, unless one has already (`FileProcessor.remember`); the others are looked at
    all the same.
    """

    settings: ProcessorSettings
    bucket: FileBucket
    results: Results
    sqs: "SQSClient"
    executor: Executor

    def wants(self, key: str) -> bool:
        """Tell whether a key is an input's: under the prefix, and not a folder's marker."""
        return key.startswith(self.settings.input_prefix) and not key.endswith("/")

    def pages(self, after: str = "") -> Iterator[SweepPage]:
        """Look at the keys behind one; raises StoreError where they can't be listed."""
        inputs = (each for each in self.bucket.listed(self.settings.input_prefix, after) if self.wants(each.key))
        while some := list(islice(inputs, _AT_A_TIME)):
            looks = list(self.executor.map(self._look, some))
            yield SweepPage(
                last=some[-1].key,
                looked=len(some),
                missed=[notice for notice, _ in looks if notice],
                unreadable=[each.key for each, (_, readable) in zip(some, looks, strict=True) if not readable],
            )

    def go_on(self, after: str, invocations: int) -> None:
        """Leave the keys behind one to another message; raises StoreError, also where enough have been sent."""
        if invocations >= MAX_INVOCATIONS:
            raise StoreError(
                "SweepTooLong",
                f"the sweep is not at its end after {invocations} invocations: "
                f"move files that are done out of {self.settings.input_prefix}",
                permanent=True,
            )
        self.enqueue([Sweep(after, invocations + 1).body()])

    def enqueue(self, bodies: Sequence[str]) -> None:
        """Put messages into the queue; raises StoreError."""
        for error in send(self.sqs, self.settings.queue_url, bodies).values():
            raise error

    def unreadable(self, key: str) -> InputFile | None:
        """Return an object as it is listed, None where a sweep can look at it, or it is not there."""
        listed = next(self.bucket.listed(key), None)  # a key comes before all that it begins
        if listed is None or listed.key != key or self._look(listed)[1]:
            return None
        return InputFile.from_listing(listed)

    def _look(self, listed: Listed) -> tuple[ObjectNotice | None, bool]:
        """Return what the object is missed by, and whether it could be looked at and read."""
        try:
            return self._missed(listed.key), True
        except Exception:  # noqa: BLE001 - whatever is wrong with one of them, the others are to be looked at
            return (None if self._told(listed) else ObjectNotice(key=listed.key, reason="sweep")), False

    def _told(self, listed: Listed) -> bool:
        try:
            return self.bucket.exists(self.results.key(InputFile.from_listing(listed).run))
        except Exception:  # noqa: BLE001 - the same
            return False

    def _missed(self, key: str) -> ObjectNotice | None:
        skips = not self.settings.process_replicas
        try:
            file = self.bucket.head(key)
            # What costs the least and settles the most comes first.
            if (
                (skips and file.is_marked)
                or self.bucket.exists(self.results.key(file.run))
                or (skips and self.bucket.is_replica(file))
                or self._under_way(file.run)
            ):
                return None
            self.bucket.touch(file)
        except Gone:
            return None
        return ObjectNotice(key=key, version_id=file.version_id, reason="sweep")

    def _under_way(self, run: str) -> bool:
        latest = max((each.last_modified for each in self.bucket.listed(self.results.unfinished(run))), default=None)
        return latest is not None and datetime.now(UTC) - latest < _STALE
