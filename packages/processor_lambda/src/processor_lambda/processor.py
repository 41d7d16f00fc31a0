"""What is done for a notice: whether there is a run, and what stands when it is finished."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from processor_lambda.clients import ProcessorClients
from processor_lambda.files import FileBucket, Gone, InputFile
from processor_lambda.notices import Continuation, Notice, ObjectNotice, Progress, Sweep, parse
from processor_lambda.reading import Encoding, Limits, Reading
from processor_lambda.records import Schema
from processor_lambda.rejections import Rejections, StateGoneError
from processor_lambda.results import FAILED, RUN_SCHEMA, SUCCEEDED, Results, Summary
from processor_lambda.runs import MAX_INVOCATIONS, Run, Seen, run_of, unreadable_run_of
from processor_lambda.settings import REJECTED_PREFIX, ProcessorSettings
from processor_lambda.sweep import Sweeper
from processor_lambda.table import ItemTable
from replication_core.aws.errors import StoreError
from replication_core.deadline import Deadline
from replication_core.message_fields import PoisonError
from replication_core.object_keys import KEY_BYTES, fits_xml
from replication_core.replicas import REPLICATED_FROM

__all__ = ["THREADS", "FileProcessor", "NoticeAction", "NoticeOutcome", "build_processor"]

THREADS = 16
"""Calls to the table, or heads of a sweep, under way at the same time."""

_ENDLESS = (
    f"the file is not read to its end after {MAX_INVOCATIONS} invocations: "
    "raise processing:timeoutSeconds, or divide the file"
)


class NoticeAction(StrEnum):
    """What became of a notice."""

    PROCESSED = "processed"
    CONTINUED = "continued"
    ALREADY = "already processed"
    REPLICA = "replica"
    ABSENT = "absent"
    IGNORED = "ignored"
    SWEPT = "swept"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeOutcome:
    """What became of a notice, and what one invocation did for it."""

    action: NoticeAction
    key: str = ""
    summary: Summary | None = None
    """The finished run's."""

    read: int = 0
    rejected: int = 0
    written: int = 0
    enqueued: int = 0
    """Objects that a sweep found without a run."""

    unreadable: tuple[str, ...] = ()
    """The keys that a sweep could not look at."""

    warning: StoreError | None = None
    """What went wrong and makes no difference."""

    @property
    def failure(self) -> str | None:
        """Why the file could not be read to its end, if it could not."""
        if self.action is NoticeAction.PROCESSED and self.summary and self.summary["status"] == FAILED:
            return str(self.summary["reason"])
        return None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProcessor:
    """Processes one environment's files."""

    settings: ProcessorSettings
    bucket: FileBucket
    table: ItemTable
    results: Results
    clients: ProcessorClients
    sweeper: Sweeper
    schema: Schema
    deadline: Deadline
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], datetime] = _now

    def parse(self, body: str) -> Notice:
        """Return a message's notice; raises PoisonError for what is none, and for an event of another bucket."""
        notice = parse(body)
        if isinstance(notice, ObjectNotice) and notice.bucket not in {None, self.settings.bucket}:
            raise PoisonError(f"the event is of the bucket {notice.bucket}, not of this environment's")
        return notice

    def process(self, notice: Notice) -> NoticeOutcome:
        """Do what a notice asks for; raises StoreError where that can't be done."""
        match notice:
            case Sweep():
                swept = self.sweeper.sweep(notice)
                return NoticeOutcome(action=NoticeAction.SWEPT, enqueued=swept.enqueued, unreadable=swept.unreadable)
            case ObjectNotice():
                notice = self._meant(notice)
                outcome = self._object(notice)
            case Continuation():
                outcome = self._continuation(notice)
        return replace(outcome, key=notice.key)

    def _meant(self, notice: ObjectNotice) -> ObjectNotice:
        """Return the notice of the first key that is there of those it may mean, and put the others into the queue.

        A key that can't be looked at may be there: it comes last, so that its own message tells why.
        """
        if not notice.others:
            return notice
        readings = [replace(notice, key=key, others=()) for key in (notice.key, *notice.others)]
        looks = [(each, self._is_there(each)) for each in readings if self.sweeper.wants(each.key)]
        there = [each for sure in (True, None) for each, is_there in looks if is_there is sure]
        self.sweeper.enqueue([each.body() for each in there[1:]])
        return there[0] if there else readings[0]

    def _is_there(self, notice: ObjectNotice) -> bool | None:
        """Tell whether the version is there, None where it can't be looked at."""
        try:
            self._find(notice.key, notice.version_id)
        except Gone:
            return False
        except StoreError:
            return None
        return True

    def _object(self, notice: ObjectNotice) -> NoticeOutcome:
        if not self.sweeper.wants(notice.key):
            return NoticeOutcome(action=NoticeAction.IGNORED)
        try:
            file, superseded = self._find(notice.key, notice.version_id)
            if self._leaves(file):
                return NoticeOutcome(action=NoticeAction.REPLICA)
            run = run_of(file.key, file.version)
            summary = self.results.find(run)
            if summary is not None and summary.get("status") == SUCCEEDED and not notice.asked_for:
                # Whoever wrote it may have been interrupted before this.
                self.results.publish(summary)
                return NoticeOutcome(action=NoticeAction.ALREADY)
            progress = Progress(started_at=_instant(self.clock()), asked_for=notice.asked_for)
            return self._work(file, progress, Seen(), None, superseded=superseded)
        except Gone:
            return NoticeOutcome(action=NoticeAction.ABSENT)

    def _continuation(self, notice: Continuation) -> NoticeOutcome:
        try:
            file, superseded = self._find(notice.key, notice.version_id)
            if file.etag != notice.etag:  # in a bucket without versions, another one is in its place
                return NoticeOutcome(action=NoticeAction.ABSENT)
            seen = self._put_aside(notice, run_of(file.key, file.version))
            encoding = Encoding.parse(notice.encoding)
            return self._work(file, notice.progress.resumed(), seen, encoding, superseded=superseded)
        except Gone:
            return NoticeOutcome(action=NoticeAction.ABSENT)
        except StateGoneError:
            return self._without_state(notice, file)

    def _put_aside(self, notice: Continuation, run: str) -> Seen:
        """Return what an earlier invocation put aside for just this notice; raises StateGoneError where none did.

        The notice says what was counted and how far, which is true only if it is the very one that was sent: whoever
        may send messages can't write here.
        """
        found = self.bucket.get(self.results.unfinished(run) + _state_name(notice))
        if found is None:
            raise StateGoneError
        return Seen(found[0])

    def _without_state(self, notice: Continuation, file: InputFile) -> NoticeOutcome:
        """Do what is left for a version whose run was finished by another message, was given up, or never begun."""
        outcome = self._object(ObjectNotice(key=notice.key, version_id=notice.version_id, reason="continuation"))
        if outcome.action is not NoticeAction.ALREADY:
            return outcome
        # Whoever finished it may have been interrupted at this.
        return replace(outcome, warning=self._tidy(self.results.unfinished(run_of(file.key, file.version))))

    def remember(self, notice: Notice, error: StoreError) -> None:
        """Leave a failed run's summary for an input that is given up, so that no sweep asks for it at each round.

        It stands for the version where no later try can help; an input that no sweep can look at or read is known by
        its listed ETag, and is processed as soon as it can be. Raises StoreError.
        """
        if isinstance(notice, ObjectNotice):
            notice = self._meant(notice)
        if isinstance(notice, Sweep) or not self.sweeper.wants(notice.key):
            return
        if (listed := self.sweeper.unreadable(notice.key)) is not None:
            file, superseded = InputFile.from_listing(listed), False
            run = unreadable_run_of(listed.key, listed.etag)
        elif error.permanent:
            try:
                file, superseded = self._find(notice.key, notice.version_id)
                if self._leaves(file):
                    return
            except Gone:
                return
            run = run_of(file.key, file.version)
        else:
            return
        progress = Progress(started_at=_instant(self.clock()))
        reason = f"{error.kind}: {error.message}"
        self._conclude(self._summary(run, file, progress, superseded=superseded, reason=reason), again=False)

    def _leaves(self, file: InputFile) -> bool:
        """Tell whether the file is a replica that is not processed here; raises Gone or StoreError."""
        return not self.settings.process_replicas and self.bucket.is_replica(file)

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

    def _work(
        self, file: InputFile, progress: Progress, seen: Seen, encoding: Encoding | None, *, superseded: bool
    ) -> NoticeOutcome:
        run = run_of(file.key, file.version)
        folder = self.results.unfinished(run)
        # Where replicas are left alone, no run of one has begun.
        replica = self.settings.process_replicas and not superseded and self.bucket.is_replica(file)
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
            seen=seen,
            progress=progress,
            # Whatever is there already stays, by its key, or what the replication put there, by its mark.
            unless=self.schema.table.attribute_names[0] if superseded else REPLICATED_FROM if replica else None,
            out_of_time=self.deadline.passed,
        )
        reached = working.work()
        done: dict[str, Any] = {
            name: getattr(reached, name) - getattr(progress, name) for name in ("read", "rejected", "written")
        }
        if not working.finished and reading.encoding is not None:
            if reached.invocations < MAX_INVOCATIONS:
                self._hand_over(file, working, reading.encoding, folder)
                return NoticeOutcome(action=NoticeAction.CONTINUED, **done)
            reading.broken = _ENDLESS
        summary = self._summary(
            run, file, reached, superseded=superseded, reason=reading.broken, encoding=reading.encoding
        )
        if summary["rejected_key"]:
            rejections.finish(summary["rejected_key"], run=run)
        self._conclude(summary, again=reached.asked_for)
        warning = self._tidy(folder) if reached.pieces or reached.invocations > 1 else None
        return NoticeOutcome(action=NoticeAction.PROCESSED, summary=summary, warning=warning, **done)

    def _conclude(self, summary: dict[str, Any], *, again: bool) -> None:
        self.results.publish(self.results.write(summary, again=again), again=again)

    def _hand_over(self, file: InputFile, run: Run, encoding: Encoding, folder: str) -> None:
        """Put aside what the next invocation needs, and ask for it."""
        progress = replace(run.progress, pieces=run.rejections.spill(run.progress.read, least=1))
        notice = Continuation(
            key=file.key, version_id=file.version_id, etag=file.etag, encoding=str(encoding), progress=progress
        )
        self.bucket.put(folder + _state_name(notice), run.seen.to_bytes(), content_type="application/octet-stream")
        self.sweeper.enqueue([notice.body()])

    def _summary(
        self,
        run: str,
        file: InputFile,
        progress: Progress,
        *,
        superseded: bool,
        reason: str,
        encoding: Encoding | None = None,
    ) -> dict[str, Any]:
        now = self.clock()
        return {
            "schema": RUN_SCHEMA,
            "run": run,
            "environment": self.settings.environment,
            "status": FAILED if reason else SUCCEEDED,
            "reason": reason or None,
            "key": file.key,
            "version": file.version,
            "size": file.size,
            "last_modified": _instant(file.last_modified),
            "format": str(encoding) if encoding else None,
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
            for each in self.bucket.listed(folder):
                self.bucket.delete(each.key)
        except StoreError as error:
            return error
        return None


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _state_name(notice: Continuation) -> str:
    return f"{hashlib.sha256(notice.body().encode()).hexdigest()}.seen"


def _rejected_key(key: str, run: str, *, superseded: bool) -> str:
    """Return where the rejected records are listed: by the object's key, which the latest version of it has.

    By the run's name where that is too long, or can't be uploaded in parts.
    """
    named = f"{REJECTED_PREFIX}{key}.jsonl"
    unfit = len(named.encode()) > KEY_BYTES or not fits_xml(named)  # an upload's answers quote it
    return f"{REJECTED_PREFIX}{run}.jsonl" if superseded or unfit else named


def build_processor(
    settings: ProcessorSettings, clients: ProcessorClients, *, threads: int = THREADS, limits: Limits | None = None
) -> FileProcessor:
    """Put an environment's processor together, in Lambda or anywhere else.

    >>> processor = build_processor(settings, clients)                            # doctest: +SKIP
    >>> processor.process(ObjectNotice(key="incoming/orders.csv")).summary        # doctest: +SKIP
    """
    executor: Executor = ThreadPoolExecutor(threads, thread_name_prefix="call")
    bucket = FileBucket(s3=clients.s3, name=settings.bucket)
    results = Results(bucket=bucket, environment=settings.environment)
    deadline = Deadline()
    return FileProcessor(
        settings=settings,
        bucket=bucket,
        table=ItemTable(dynamodb=clients.dynamodb, name=settings.table, dataset=settings.dataset, executor=executor),
        results=results,
        clients=clients,
        sweeper=Sweeper(
            settings=settings, bucket=bucket, results=results, sqs=clients.sqs, executor=executor, deadline=deadline
        ),
        schema=Schema(settings.fields, settings.environment, settings.dataset),
        deadline=deadline,
        limits=limits or Limits(),
    )
