"""Batch calls of SQS, ten messages each: send, delay and delete."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeVar

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated
from replication_core.batching import batches, thoroughly

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["ENTRIES", "delay", "refused", "remove", "send", "tens"]

ENTRIES = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html: entries."""

_BATCH_BYTES = 256 * 1024
"""The sum of the bodies in a call, by the limit that SQS had before 2025; a body of more is sent alone."""

T = TypeVar("T")


def send(
    sqs: "SQSClient",
    queue_url: str,
    bodies: Sequence[str],
    attributes: Sequence[Mapping[str, str]] = (),
    *,
    executor: Executor | None = None,
) -> dict[int, StoreError]:
    """Send messages, with text attributes where given; return the errors of those not sent, by their position.

    The calls are made one after another, or by the executor.
    """
    told = [{"MessageAttributes": _texts(each)} for each in attributes] or [{}] * len(bodies)
    entries = [{"MessageBody": body, **more} for body, more in zip(bodies, told, strict=True)]
    return _by_tens(entries, lambda batch: sqs.send_message_batch(QueueUrl=queue_url, Entries=batch), executor)


def delay(sqs: "SQSClient", queue_url: str, receipts: Sequence[tuple[str, int]]) -> dict[int, StoreError]:
    """Make received messages visible again after so many seconds each; return the errors by position."""
    entries = [{"ReceiptHandle": receipt, "VisibilityTimeout": seconds} for receipt, seconds in receipts]
    return _by_tens(entries, lambda batch: sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=batch))


def remove(sqs: "SQSClient", queue_url: str, receipts: Sequence[str]) -> dict[int, StoreError]:
    """Delete received messages; return the errors by position."""
    entries = [{"ReceiptHandle": receipt} for receipt in receipts]
    return _by_tens(entries, lambda batch: sqs.delete_message_batch(QueueUrl=queue_url, Entries=batch))


def _by_tens(
    entries: Sequence[Mapping[str, Any]], call: Callable[[list[Any]], Any], executor: Executor | None = None
) -> dict[int, StoreError]:
    """Make a call for each ten entries, and return the errors by the entries' positions.

    botocore repeats a call that failed, but not the entries that failed in one that did not.
    """

    def some(positions: Sequence[int]) -> dict[int, StoreError]:
        chosen = [{"Id": str(position), **entries[position]} for position in positions]
        with translated("SQS"):
            answer = call(chosen)
        return {int(id_): error for id_, error in refused("SQS", answer, chosen).items()}

    each_ten = tens(range(len(entries)), lambda position: len(entries[position].get("MessageBody", "").encode()))
    found = (executor.map if executor else map)(lambda batch: thoroughly(batch, some), each_ten)
    return {position: error for errors in found for position, error in errors.items()}


def tens(values: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Divide values into batches as SQS and SNS take them, of at most ten and of no more bytes than a call may have."""
    return batches(values, ENTRIES, size_of=size_of, most_bytes=_BATCH_BYTES)


def refused(operation: str, answer: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> dict[str, StoreError]:
    """Return the errors of a batch's entries by their ids, of SQS or SNS; permanent where the entry itself is at fault.

    An entry that is in neither list of the answer was not taken, as far as anybody can tell.
    """
    taken = {entry["Id"] for entry in answer.get("Successful", ())}
    failed = {entry["Id"]: entry for entry in answer.get("Failed", ())}
    unsure = {"Code": "EmptyAnswer", "Message": "answered with success, but not for this message"}
    return {
        entry["Id"]: _error(operation, failed.get(entry["Id"], unsure)) for entry in entries if entry["Id"] not in taken
    }


def _error(operation: str, failed: Mapping[str, Any]) -> StoreError:
    message = f"{operation}: {failed.get('Message') or 'refused'}"
    return StoreError(failed.get("Code", operation), message, permanent=bool(failed.get("SenderFault")))


def _texts(attributes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
