"""An environment's dead-letter queue: looked through without losing a message, and sent back from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from pipeline_common.contracts import ProcessingOutputs, ReplicationOutputs, RouteOutputs, StorageOutputs
from pipeline_ops.clients import ClientMaker
from pipeline_ops.counts import counted
from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.route import explained
from processor_lambda.notices import Sweep
from processor_lambda.notices import parse as parse_processing
from queue_worker.dead_letters import ENVELOPE_SCHEMA, REDRIVEN_BY, REDRIVEN_WHY, Envelope
from replication_core.aws.batches import delay, remove, send
from replication_core.changes import parse
from replication_core.message_fields import PoisonError, json_object
from replication_core.route_spec import RoutedDataset, SourceDatasets

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["DeadLetter", "DeadLetterQueue", "HeldLetters", "dead_letters", "letter_of"]

HOLD_SECONDS = 900
"""How long what was received stays out of sight unless it is released: what a command that dies leaves behind.

Long enough for somebody to be asked. Who only looks should hold for less: the alarm counts what is in sight.
"""

UNFINISHED = "Unfinished"
"""The reason of what the queue's redrive policy gave up: its function crashed or ran out of time at each try."""

UNDELIVERED = "Undelivered"
STREAM_GAP = "StreamGap"
"""The reason of a part of the table's stream that the notifier gave up: it names no keys, and can't be redriven."""

UNKNOWN = "Unknown"
"""The reason of what has none of the forms above. It is shown and kept: nobody knows what to do with it."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One message of the queue, and what can be done with it."""

    id: str
    body: str = field(repr=False)
    target: str | None
    """The environment whose queue it came from, None where it does not say."""

    reason: str
    message: str
    keys: tuple[str, ...]
    since: datetime
    release: str = ""
    """The version that gave it up; empty where it does not say."""

    event: str | None = field(repr=False)
    """What is sent to be tried again, None where its target's function would not understand it, or has no queue."""

    def exported(self) -> dict[str, Any]:
        """Return it as a document without the message's receipt."""
        return {
            "id": self.id,
            "target": self.target,
            "reason": self.reason,
            "message": self.message,
            "release": self.release,
            "keys": list(self.keys),
            "since": self.since.isoformat(timespec="milliseconds"),
            "redrivable": self.event is not None,
            "body": self.body,
        }


@dataclass(frozen=True, kw_only=True)
class DeadLetterQueue:
    """The queue, and where what is in it goes back to."""

    environment: str
    url: str
    region: str
    client: ClientMaker
    urls: Mapping[str, str]
    """The queue's URL of each environment that a letter may be of."""

    names: Mapping[str, str]
    """An environment by its queue's ARN."""

    source: SourceDatasets
    """What the routes replicate from."""

    processor: str | None = None
    """The environment whose queue is its processor's; the others are routes'."""

    @classmethod
    def of(
        cls,
        storage: StorageOutputs,
        processing: ProcessingOutputs | None,
        replication: ReplicationOutputs | None,
        client: ClientMaker,
    ) -> Self:
        """Build it from what is deployed of an environment: its processor's letters are here, and its routes'."""
        sources = dict[str, ProcessingOutputs | RouteOutputs](replication.routes if replication else {})
        if processing is not None:
            sources[processing.environment] = processing
        return cls(
            environment=storage.environment,
            url=storage.dlq_url,
            region=storage.region,
            client=client,
            urls={name: each.queue_url for name, each in sources.items()},
            names={each.queue_arn: name for name, each in sources.items()},
            source=SourceDatasets(
                datasets=tuple(
                    RoutedDataset(dataset=each.dataset, source=each.name, target="")
                    for each in storage.datasets.values()
                )
            ),
            processor=None if processing is None else processing.environment,
        )

    def keys(self, target: str | None, event: str) -> tuple[str, ...] | None:
        """Return the keys that an event names; None where the target's function would not understand it."""
        try:
            if target is not None and target == self.processor:
                notice = parse_processing(event)
                return () if isinstance(notice, Sweep) else (notice.key,)
            return tuple(str(change.key) for change in parse(event, self.source))
        except PoisonError:
            return None


@dataclass(kw_only=True)
class HeldLetters:
    """The letters that are held for a block; what is neither redriven nor purged is back in the queue after it."""

    sqs: "SQSClient"
    queue: DeadLetterQueue
    hold_seconds: int
    complete: bool = False
    """Whether these are all: False where only so many were asked for, and there may be more."""

    _letters: dict[str, DeadLetter] = field(default_factory=dict)
    _receipts: dict[str, str] = field(default_factory=dict)
    """The newest receipt of each message that is out of others' sight, by its id."""

    @property
    def letters(self) -> list[DeadLetter]:
        """What is held, by its message's id once."""
        return list(self._letters.values())

    def look(self, most: int | None) -> None:
        """Hold the queue's letters, or at least `most` of them."""
        while most is None or len(self._receipts) < most:
            messages = self._received()
            new = [message for message in messages if message["MessageId"] not in self._receipts]
            # Before anything is read of them, so that whatever goes wrong there, they are put back.
            self._receipts |= {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            if not new:  # none is left, or the first ones' hold is over
                self.complete = True
                break
            self._letters |= {message["MessageId"]: letter_of(message, self.queue) for message in new}

    def _received(self) -> Sequence[Any]:
        return self.sqs.receive_message(
            QueueUrl=self.queue.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=self.hold_seconds,
            # Long polling asks every server: an empty answer then means an empty queue.
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp", "DeadLetterQueueSourceArn"],
        ).get("Messages", [])

    def redrive(self, letters: Sequence[DeadLetter], *, who: str, why: str) -> int:
        """Send each letter's event to the queue it came from, then delete the letter; return how many were.

        A crash between the two leaves a letter that is redriven already, which does no harm: keys are reconciled.
        Who and why go with the message, into the function's log. Raises OperatorError for what could not be sent.
        """
        sendable = [letter for letter in letters if letter.event is not None]
        attributes = {REDRIVEN_BY: who, REDRIVEN_WHY: why}
        errors: list[Exception] = []
        count = 0
        for target in sorted({str(letter.target) for letter in sendable}):
            own = [letter for letter in sendable if letter.target == target]
            bodies = [str(letter.event) for letter in own]
            failed = send(self.sqs, self.queue.urls[target], bodies, [attributes] * len(own))
            sent = [letter for position, letter in enumerate(own) if position not in failed]
            errors += [*failed.values(), *self._remove(sent).values()]
            count += len(sent)
        if errors:
            raise OperatorError(
                f"{count} of {counted(len(sendable), 'letter')} redriven, and the rest kept: {errors[0]}"
            )
        return count

    def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Delete letters for good; return how many were. Raises OperatorError for what could not be deleted."""
        errors = self._remove(letters)
        if errors:
            left = next(iter(errors.values()))
            raise OperatorError(f"{len(errors)} of {counted(len(letters), 'letter')} still there: {left}")
        return len(letters)

    def _remove(self, letters: Sequence[DeadLetter]) -> Mapping[int, Exception]:
        errors = remove(self.sqs, self.queue.url, [self._receipts[letter.id] for letter in letters])
        for position, letter in enumerate(letters):
            if position not in errors:
                del self._letters[letter.id], self._receipts[letter.id]
        return errors

    def release(self) -> None:
        """Put back what is held; what can't be is back by itself when the hold ends."""
        delay(self.sqs, self.queue.url, [(receipt, 0) for receipt in self._receipts.values()])


@contextmanager
def dead_letters(
    queue: DeadLetterQueue, *, most: int | None = None, hold_seconds: int = HOLD_SECONDS
) -> Iterator[HeldLetters]:
    """Hold the queue's letters, or at least `most` of them, for the block."""
    held = HeldLetters(sqs=queue.client("sqs", region=queue.region), queue=queue, hold_seconds=hold_seconds)
    try:
        with explained("The dead-letter queue can't be looked through"):
            held.look(most)
        yield held
    finally:
        held.release()


def letter_of(message: Mapping[str, Any], queue: DeadLetterQueue) -> DeadLetter:
    """Return what a message of the queue is, whatever somebody put there."""
    body = message["Body"]
    system = message.get("Attributes", {})
    claim = _claim(body, system, message.get("MessageAttributes", {}), queue.names)
    keys = None if claim.event is None else queue.keys(claim.target, claim.event)
    return DeadLetter(
        id=message["MessageId"],
        body=body,
        target=claim.target,
        reason=claim.reason,
        message=claim.message,
        release=claim.release,
        keys=keys or (),
        since=datetime.fromtimestamp(int(system.get("SentTimestamp", "0")) / 1000, UTC),
        event=None if keys is None or claim.target not in queue.urls else claim.event,
    )


@dataclass(frozen=True)
class _LetterClaim:
    """What a message says of itself."""

    target: str | None
    reason: str
    message: str
    event: str | None = None
    release: str = ""


def _claim(
    body: str, system: Mapping[str, str], attributes: Mapping[str, Any], names: Mapping[str, str]
) -> _LetterClaim:
    told = {name: each.get("StringValue", "") for name, each in attributes.items()}
    try:
        known = json_object(body)
    except PoisonError:
        known = {}
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html: the attributes of what it gave up.
    target = names.get(system.get("DeadLetterQueueSourceArn") or told.get("TARGET_ARN") or "")
    if known.get("schema") == ENVELOPE_SCHEMA:
        envelope = Envelope.parse(known)
        if envelope is None:
            return _LetterClaim(None, UNKNOWN, "it says that it is an envelope, and has not the form of one")
        return _LetterClaim(envelope.target, envelope.kind, envelope.message, envelope.event, envelope.release)
    if "DDBStreamBatchInfo" in known:
        return _LetterClaim(target, STREAM_GAP, "a part of the table's stream was given up, which names no keys")
    if "ERROR_CODE" in told:
        why = f"{told['ERROR_CODE']}: {told.get('ERROR_MESSAGE', '')}".rstrip(": ")
        return _LetterClaim(target, UNDELIVERED, why, body)
    if target is not None:
        return _LetterClaim(target, UNFINISHED, "its function crashed or ran out of time at each try", body)
    return _LetterClaim(None, UNKNOWN, "its origin is unknown")
