"""What is done for a notice: whether there is a run, and what stands when it is finished."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from processor_lambda.clients import ProcessorClients
from processor_lambda.files import FileBucket, InputFile
from processor_lambda.notices import Continuation, Notice, ObjectNotice, Progress, Sweep, parse
from processor_lambda.reading import Reading
from processor_lambda.records import Schema
from processor_lambda.rejections import Rejections, StateGoneError
from processor_lambda.results import FAILED, RUN_SCHEMA, SUCCEEDED, Results, Summary
from processor_lambda.runs import MAX_INVOCATIONS, Run, Seen
from processor_lambda.settings import REJECTED_PREFIX, ProcessorSettings, fields_of
from processor_lambda.sweep import Sweeper
from processor_lambda.table import ItemTable
from record_files.encodings import Encoding
from replication_core.aws.errors import StoreError
from replication_core.deadline import Deadline
from replication_core.message_fields import PoisonError
from replication_core.object_keys import KEY_BYTES, fits_xml
from replication_core.objects.pinned import Gone
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

    def parse(self, body: str) -> Notice:
        """Return a message's notice; raises PoisonError for what is none, and for an event of another bucket."""
        notice = parse(body)
        if isinstance(notice, ObjectNotice) and notice.bucket not in {None, self.settings.bucket}:
            raise PoisonError(f"the event is of the bucket {notice.bucket}, not of this environment's")
        return notice

    def process(self, notice: Notice) -> NoticeOutcome:
        """Do what a notice asks for; raises StoreError where that can't be done."""
        if isinstance(notice, Sweep):
            return self._sweep(notice)
        if isinstance(notice, ObjectNotice):
            notice = self._meant(notice)
        try:
            outcome = self._object(notice) if isinstance(notice, ObjectNotice) else self._continuation(notice)
        except Gone:
            outcome = NoticeOutcome(action=NoticeAction.ABSENT)
        return replace(outcome, key=notice.key)

    def _sweep(self, asked: Sweep) -> NoticeOutcome:
        """Put what has no run into the queue; when the time is nearly up, what is left is another message's."""
        enqueued = 0
        unreadable: list[str] = []
        for page in self.sweeper.pages(asked.after):
            self.sweeper.enqueue([notice.body() for notice in page.missed])
            enqueued += len(page.missed)
            unreadable += page.unreadable
            if self.deadline.passed():
                self.sweeper.go_on(page.last, asked.invocations)
                break
        return NoticeOutcome(action=NoticeAction.SWEPT, enqueued=enqueued, unreadable=tuple(unreadable))

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
            self.bucket.find(notice.key, notice.version_id)
        except Gone:
            return False
        except StoreError:
            return None
        return True

    def _object(self, notice: ObjectNotice) -> NoticeOutcome:
        if not self.sweeper.wants(notice.key):
            return NoticeOutcome(action=NoticeAction.IGNORED)
        file = self.bucket.find(notice.key, notice.version_id)
        if self._leaves(file):
            return NoticeOutcome(action=NoticeAction.REPLICA)
        summary = self.results.find(file.run)
        if summary is not None and summary.get("status") == SUCCEEDED and not notice.asked_for:
            # Whoever wrote it may have been interrupted before this.
            self.results.publish(summary)
            return NoticeOutcome(action=NoticeAction.ALREADY)
        return self._work(file, Progress(started_at=_now(), asked_for=notice.asked_for), Seen(), None)

    def _continuation(self, notice: Continuation) -> NoticeOutcome:
        file = self.bucket.find(notice.key, notice.version_id)
        if file.etag != notice.etag:  # in a bucket without versions, another one is in its place
            return NoticeOutcome(action=NoticeAction.ABSENT)
        folder = self.results.unfinished(file.run)
        try:
            seen = self._put_aside(folder, notice)
            progress = replace(notice.progress, invocations=notice.progress.invocations + 1)
            return self._work(file, progress, seen, Encoding.parse(notice.encoding))
        except StateGoneError:
            # The run was finished by another message, was given up, or never began.
            outcome = self._object(ObjectNotice(key=notice.key, version_id=notice.version_id, reason="continuation"))
            if outcome.action is not NoticeAction.ALREADY:
                return outcome
            # Whoever finished it may have been interrupted at this.
            return replace(outcome, warning=self._tidy(folder))

    def _put_aside(self, folder: str, notice: Continuation) -> Seen:
        """Return what an earlier invocation put aside for just this notice; raises StateGoneError where none did.

        The notice says what was counted and how far, which is true only if it is the very one that was sent: whoever
        may send messages can't write here.
        """
        found = self.bucket.get(folder + _state_name(notice))
        if found is None:
            raise StateGoneError
        return Seen(found[0])

    def remember(self, notice: Notice, error: StoreError) -> None:
        """Leave a failed run's summary for an input that is given up, so that no sweep asks for it at each round.

        It stands for the version where no later try can help; an input that no sweep can look at or read is known by
        its listed ETag, and is processed as soon as it can be. Raises StoreError.
        """
        if isinstance(notice, ObjectNotice):
            notice = self._meant(notice)
        if isinstance(notice, Sweep) or not self.sweeper.wants(notice.key):
            return
        file = self.sweeper.unreadable(notice.key)
        if file is None:
            if not error.permanent:
                return
            try:
                file = self.bucket.find(notice.key, notice.version_id)
                if self._leaves(file):
                    return
            except Gone:
                return
        self._conclude(self._summary(file, Progress(started_at=_now()), reason=f"{error.kind}: {error.message}"))

    def _leaves(self, file: InputFile) -> bool:
        """Tell whether the file is a replica that is not processed here; raises Gone or StoreError."""
        return not self.settings.process_replicas and self.bucket.is_replica(file)

    def _work(self, file: InputFile, progress: Progress, seen: Seen, encoding: Encoding | None) -> NoticeOutcome:
        folder = self.results.unfinished(file.run)
        # Where replicas are left alone, no run of one has begun.
        replica = self.settings.process_replicas and not file.superseded and self.bucket.is_replica(file)
        reading = Reading(
            bucket=self.bucket,
            file=file,
            schema=self.schema,
            out_of_time=self.deadline.passed,
            start=progress.position,
            encoding=encoding,
        )
        run = Run(
            reading=reading,
            table=self.table,
            rejections=Rejections(self.bucket, folder, progress.pieces, progress.read),
            seen=seen,
            progress=progress,
            # Whatever is there already stays, by its key, or what the replication put there, by its mark.
            unless=self.schema.table.attribute_names[0] if file.superseded else REPLICATED_FROM if replica else None,
        )
        reached = run.work()
        done: dict[str, Any] = {
            name: getattr(reached, name) - getattr(progress, name) for name in ("read", "rejected", "written")
        }
        if not run.finished and reading.encoding is not None:
            if reached.invocations < MAX_INVOCATIONS:
                self._hand_over(file, run, reading.encoding, folder)
                return NoticeOutcome(action=NoticeAction.CONTINUED, **done)
            reading.broken = _ENDLESS
        summary = self._summary(file, reached, reason=reading.broken, encoding=reading.encoding)
        if summary["rejected_key"]:
            run.rejections.finish(summary["rejected_key"], run=file.run)
        self._conclude(summary, again=reached.asked_for)
        warning = self._tidy(folder) if reached.pieces or reached.invocations > 1 else None
        return NoticeOutcome(action=NoticeAction.PROCESSED, summary=summary, warning=warning, **done)

    def _conclude(self, summary: Summary, *, again: bool = False) -> None:
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
        self, file: InputFile, progress: Progress, *, reason: str, encoding: Encoding | None = None
    ) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "schema": RUN_SCHEMA,
            "run": file.run,
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
            "rejected_key": _rejected_key(file) if progress.rejected else None,
            "superseded": file.superseded,
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


def _now() -> str:
    return _instant(datetime.now(UTC))


def _state_name(notice: Continuation) -> str:
    return f"{hashlib.sha256(notice.body().encode()).hexdigest()}.seen"


def _rejected_key(file: InputFile) -> str:
    """Return where the rejected records are listed: by the object's key, which the latest version of it has.

    By the run's name where that is too long, or can't be uploaded in parts.
    """
    named = f"{REJECTED_PREFIX}{file.key}.jsonl"
    unfit = len(named.encode()) > KEY_BYTES or not fits_xml(named)  # an upload's answers quote it
    return f"{REJECTED_PREFIX}{file.run}.jsonl" if file.superseded or unfit else named


def build_processor(settings: ProcessorSettings, clients: ProcessorClients, *, threads: int = THREADS) -> FileProcessor:
    """Put an environment's processor together, in Lambda or anywhere else.

    >>> processor = build_processor(settings, clients)                            # doctest: +SKIP
    >>> processor.process(ObjectNotice(key="incoming/orders.csv")).summary        # doctest: +SKIP
    """
    executor = ThreadPoolExecutor(threads, thread_name_prefix="call")
    bucket = FileBucket(s3=clients.s3, name=settings.bucket)
    results = Results(bucket=bucket, environment=settings.environment)
    return FileProcessor(
        settings=settings,
        bucket=bucket,
        table=ItemTable(dynamodb=clients.dynamodb, name=settings.table, dataset=settings.dataset, executor=executor),
        results=results,
        clients=clients,
        sweeper=Sweeper(settings=settings, bucket=bucket, results=results, sqs=clients.sqs, executor=executor),
        schema=Schema(fields_of(settings.schema, settings.dataset), settings.environment, settings.dataset),
        deadline=Deadline(),
    )
