"""What is done for a notice: whether there is a run, and what stands when it is finished."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from lambda_common.deadline import Deadline
from lambda_common.errors import StoreError
from lambda_common.queues import send
from processor_lambda.clients import Clients
from processor_lambda.files import Bucket, Gone, InputFile
from processor_lambda.notices import Continuation, Notice, ObjectNotice, PoisonError, Progress, Sweep
from processor_lambda.reading import Encoding, Limits, Reading
from processor_lambda.records import Schema
from processor_lambda.rejections import Rejections, StateGoneError
from processor_lambda.results import RUN_SCHEMA, Results, Summary
from processor_lambda.runs import DUPLICATES_WINDOW, Run, Seen, run_of
from processor_lambda.settings import REJECTED_PREFIX, ProcessorSettings, fields_of
from processor_lambda.sweep import Sweeper
from processor_lambda.table import NOT_A_REPLICA, NOT_THERE, Table

__all__ = ["THREADS", "Action", "Outcome", "Processor", "build_processor"]

THREADS = 16
"""Calls to the table, or heads of a sweep, under way at the same time."""

_KEY_BYTES = 1024
SUCCEEDED = "succeeded"
FAILED = "failed"


class Action(StrEnum):
    """What became of a notice."""

    PROCESSED = "processed"
    CONTINUED = "continued"
    ALREADY = "already processed"
    REPLICA = "replica"
    ABSENT = "absent"
    IGNORED = "ignored"
    SWEPT = "swept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a notice, and what one invocation did for it."""

    action: Action
    key: str = ""
    summary: Summary | None = None
    """The finished run's."""

    read: int = 0
    rejected: int = 0
    written: int = 0
    enqueued: int = 0
    """Objects that a sweep found without a run."""

    warning: StoreError | None = None
    """What went wrong and makes no difference."""

    @property
    def failure(self) -> str | None:
        """Why the file could not be read to its end, if it could not."""
        if self.action is Action.PROCESSED and self.summary and self.summary["status"] == FAILED:
            return str(self.summary["reason"])
        return None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """Processes one environment's files."""

    settings: ProcessorSettings
    bucket: Bucket
    table: Table
    results: Results
    clients: Clients
    sweeper: Sweeper
    schema: Schema
    deadline: Deadline
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], datetime] = _now

    def process(self, notice: Notice) -> Outcome:
        """Do what a notice asks for; raises PoisonError or StoreError where that can't be done."""
        match notice:
            case Sweep():
                found = self.sweeper.sweep(notice.after)
                return Outcome(action=Action.SWEPT, enqueued=found)
            case ObjectNotice():
                outcome = self._object(notice)
            case Continuation():
                outcome = self._continuation(notice)
        return replace(outcome, key=notice.key)

    def _object(self, notice: ObjectNotice) -> Outcome:
        if notice.bucket not in {None, self.settings.bucket}:
            raise PoisonError(f"the event is of the bucket {notice.bucket}, not of this environment's")
        if not self.sweeper.wants(notice.key):
            return Outcome(action=Action.IGNORED)
        try:
            file, superseded = self._find(notice.key, notice.version_id)
            if not self.settings.process_replicas and self.bucket.is_replica(file):
                return Outcome(action=Action.REPLICA)
            run = run_of(file.key, file.version)
            summary = self.results.find(run)
            if summary is not None and summary.get("status") == SUCCEEDED and not notice.asked_for:
                # Whoever wrote it may have been interrupted before this.
                self.results.publish(summary)
                return Outcome(action=Action.ALREADY)
            progress = Progress(started_at=_instant(self.clock()), asked_for=notice.asked_for)
            return self._work(file, progress, None, superseded=superseded)
        except Gone:
            return Outcome(action=Action.ABSENT)

    def _continuation(self, notice: Continuation) -> Outcome:
        try:
            encoding = Encoding.parse(notice.encoding)
        except ValueError as error:
            raise PoisonError("the continuation is of no encoding that is known") from error
        try:
            file, superseded = self._find(notice.key, notice.version_id)
            if file.etag != notice.etag:  # in a bucket without versions, another one is in its place
                return Outcome(action=Action.ABSENT)
            return self._work(file, notice.progress.resumed(), encoding, superseded=superseded)
        except Gone:
            return Outcome(action=Action.ABSENT)
        except StateGoneError:
            return self._finished_by_another(file)

    def _finished_by_another(self, file: InputFile) -> Outcome:
        """Complete what whoever finished the run may have been interrupted at; raises StateGoneError if none did."""
        run = run_of(file.key, file.version)
        summary = self.results.find(run)
        if summary is None:
            raise StateGoneError
        self.results.publish(summary)
        return Outcome(action=Action.ALREADY, warning=self._tidy(self.results.unfinished(run)))

    def _find(self, key: str, version_id: str | None) -> tuple[InputFile, bool]:
        """Return the version, and whether a later one of the same key is there."""
        try:
            current = self.bucket.head(key)
        except Gone:
            if version_id is None:
                raise
            return self.bucket.head(key, version_id), False
        if version_id is None or current.version_id in {None, version_id}:
            return current, False
        return self.bucket.head(key, version_id), True

    def _work(self, file: InputFile, progress: Progress, encoding: Encoding | None, *, superseded: bool) -> Outcome:
        run = run_of(file.key, file.version)
        folder = self.results.unfinished(run)
        reading = Reading(
            bucket=self.bucket,
            file=file,
            schema=self.schema,
            out_of_time=self.deadline.passed,
            limits=self.limits,
            start=progress.position,
            encoding=encoding,
        )
        rejections = Rejections(self.bucket, folder, progress.pieces, progress.read)
        working = Run(
            reading=reading,
            table=self.table,
            rejections=rejections,
            seen=self._seen(folder, progress),
            progress=progress,
            condition=NOT_THERE if superseded else NOT_A_REPLICA if self.bucket.is_replica(file) else None,
            out_of_time=self.deadline.passed,
        )
        reached = working.work()
        done: dict[str, Any] = {
            name: getattr(reached, name) - getattr(progress, name) for name in ("read", "rejected", "written")
        }
        if not working.finished and reading.encoding is not None:
            self._hand_over(file, working, reading.encoding, folder)
            return Outcome(action=Action.CONTINUED, **done)
        summary = self._summary(run, file, reached, reading, superseded=superseded)
        if summary["rejected_key"]:
            rejections.finish(summary["rejected_key"], run=run)
        self.results.write(summary, again=reached.asked_for)
        self.results.publish(summary)
        warning = self._tidy(folder) if reached.pieces or reached.invocations > 1 else None
        return Outcome(action=Action.PROCESSED, summary=summary, warning=warning, **done)

    def _seen(self, folder: str, progress: Progress) -> Seen:
        if progress.read % DUPLICATES_WINDOW == 0:
            return Seen()
        found = self.bucket.get(folder + _seen_name(progress))
        if found is None:
            raise StateGoneError
        return Seen(found[0])

    def _hand_over(self, file: InputFile, run: Run, encoding: Encoding, folder: str) -> None:
        """Put aside what the next invocation needs, and ask for it."""
        progress = replace(run.progress, pieces=run.rejections.spill(run.progress.read, least=1))
        self.bucket.put(folder + _seen_name(progress), run.seen.to_bytes(), content_type="application/octet-stream")
        notice = Continuation(
            key=file.key, version_id=file.version_id, etag=file.etag, encoding=str(encoding), progress=progress
        )
        for error in send(self.clients.sqs, self.settings.queue_url, [notice.body()]).values():
            raise error

    def _summary(
        self, run: str, file: InputFile, progress: Progress, reading: Reading, *, superseded: bool
    ) -> dict[str, Any]:
        now = self.clock()
        return {
            "schema": RUN_SCHEMA,
            "run": run,
            "environment": self.settings.environment,
            "status": FAILED if reading.broken else SUCCEEDED,
            "reason": reading.broken or None,
            "key": file.key,
            "version": file.version,
            "size": file.size,
            "last_modified": _instant(file.last_modified),
            "format": str(reading.encoding) if reading.encoding else None,
            "read": progress.read,
            "valid": progress.valid,
            "rejected": progress.rejected,
            "written": progress.written,
            "kept": progress.valid - progress.written,
            "first_timestamp": progress.first,
            "last_timestamp": progress.last,
            "rejected_key": _rejected_key(file.key, run, superseded=superseded) if progress.rejected else None,
            "superseded": superseded,
            "started_at": progress.started_at,
            "finished_at": _instant(now),
            "duration_ms": round((now - datetime.fromisoformat(progress.started_at)).total_seconds() * 1000),
            "invocations": progress.invocations,
        }

    def _tidy(self, folder: str) -> StoreError | None:
        """Delete what the run needed while it went on; what can't be deleted the bucket's lifecycle does."""
        try:
            for key, _ in self.sweeper.listed(folder):
                self.bucket.delete(key)
        except StoreError as error:
            return error
        return None


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _seen_name(progress: Progress) -> str:
    return f"{progress.read:012d}.seen"


def _rejected_key(key: str, run: str, *, superseded: bool) -> str:
    """Return where the rejected records are listed: by the object's key, which the latest version of it has."""
    named = f"{REJECTED_PREFIX}{key}.jsonl"
    return f"{REJECTED_PREFIX}{run}.jsonl" if superseded or len(named.encode()) > _KEY_BYTES else named


def build_processor(
    settings: ProcessorSettings, clients: Clients, *, threads: int = THREADS, limits: Limits | None = None
) -> Processor:
    """Put an environment's processor together, in Lambda or anywhere else.

    >>> processor = build_processor(settings, clients)                            # doctest: +SKIP
    >>> processor.process(ObjectNotice(key="incoming/orders.csv")).summary        # doctest: +SKIP
    """
    executor: Executor = ThreadPoolExecutor(threads, thread_name_prefix="call")
    bucket = Bucket(s3=clients.s3, name=settings.bucket)
    results = Results(bucket=bucket, environment=settings.environment)
    deadline = Deadline()
    return Processor(
        settings=settings,
        bucket=bucket,
        table=Table(dynamodb=clients.dynamodb, name=settings.table, executor=executor),
        results=results,
        clients=clients,
        sweeper=Sweeper(
            settings=settings, bucket=bucket, results=results, sqs=clients.sqs, executor=executor, deadline=deadline
        ),
        schema=Schema(fields_of(settings.schema), settings.environment),
        deadline=deadline,
        limits=limits or Limits(),
    )
