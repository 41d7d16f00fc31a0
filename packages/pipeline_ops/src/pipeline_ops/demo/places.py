"""Places where data of an environment can stand, each as a stream of bytes that a hunt reads through.

Read with boto3 alone, whoever owns them. A place is named so that somebody can look there.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

__all__ = ["Place", "bucket", "files", "functions", "logs", "metrics", "queue", "table"]

_PIECE_BYTES = 1024 * 1024

_PEEK_SECONDS = 20
"""For how long a message that was looked at is hidden, until it is given back: no look sees it twice meanwhile."""


@dataclass(frozen=True)
class Place:
    """A name, and the bytes that stand there, to be read once."""

    name: str
    pieces: Iterable[bytes]


def bucket(s3: "S3Client", name: str) -> Iterator[Place]:
    """Yield a bucket's versions: of each one its bytes, and what else S3 tells of it; and unfinished uploads."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for marker in page.get("DeleteMarkers", ()):
            yield _told(f"s3://{name}: delete marker {marker['VersionId']}", marker["Key"])
        for version in page.get("Versions", ()):
            of: Any = {"Bucket": name, "Key": version["Key"], "VersionId": version["VersionId"]}
            where = f"s3://{name}/{version['Key']} ({version['VersionId']})"
            yield _told(f"{where}, as it is listed", version)
            with suppress(s3.exceptions.NoSuchKey):  # gone since it was listed
                answer: Any = s3.get_object(**of)
                with closing(answer.pop("Body")) as body:
                    yield Place(where, body.iter_chunks(_PIECE_BYTES))
                yield _told(f"{where}, its headers and metadata", answer)
                # Emulators know no tags of a version that is not the current one.
                yield _told(f"{where}, its tags", s3.get_object_tagging(**of))
    for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", ()):
        yield _told(f"s3://{name}: unfinished upload {upload['UploadId']}", upload)


def table(dynamodb: "DynamoDBClient", name: str) -> Iterator[Place]:
    """Yield a table's items: of each one its texts, numbers and names, and each of its binaries on its own."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
        for number, item in enumerate(page["Items"], start=1):
            where = f"table {name}: item {number} of a page"
            yield _told(where, item)
            for data in _binaries(item):
                yield Place(f"{where}, a binary", [data])


def queue(sqs: "SQSClient", url: str) -> Iterator[Place]:
    """Yield a queue's messages, and give them back; those that somebody has in hand are not seen.

    Each counts one receive more, towards what the queue's redrive policy allows.
    """
    seen: dict[str, str] = {}
    try:
        while messages := _received(sqs, url):
            for message in messages:
                seen[message["MessageId"]] = message["ReceiptHandle"]
                yield _told(f"{url}: message {message['MessageId']}", message)
    finally:
        for handle in seen.values():
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)


def _received(sqs: "SQSClient", url: str) -> list[Any]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=_PEEK_SECONDS,
        WaitTimeSeconds=1,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    return list(answer.get("Messages", ()))


def logs(service: "CloudWatchLogsClient") -> Iterator[Place]:
    """Yield every log stream of the region."""
    for groups in service.get_paginator("describe_log_groups").paginate():
        for group in (each["logGroupName"] for each in groups["logGroups"]):
            for streams in service.get_paginator("describe_log_streams").paginate(logGroupName=group):
                for stream in (each["logStreamName"] for each in streams["logStreams"]):
                    events = _log_events(service, group, stream)
                    yield Place(f"log {group} {stream}", events)


def _log_events(service: "CloudWatchLogsClient", group: str, stream: str) -> Iterator[bytes]:
    token: Any = {}
    while True:
        answer = service.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        for event in answer["events"]:
            yield event["message"].encode() + b"\n"
        # The end is where the next token is the one that was given.
        # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
        if token.get("nextToken") == answer["nextForwardToken"]:
            return
        token = {"nextToken": answer["nextForwardToken"]}


def metrics(cloudwatch: "CloudWatchClient") -> Iterator[Place]:
    """Yield the names and dimensions of the region's metrics."""
    for page in cloudwatch.get_paginator("list_metrics").paginate():
        yield _told("metrics", page)


def functions(lambda_: "LambdaClient") -> Iterator[Place]:
    """Yield what Lambda tells of the region's functions, their environments too."""
    for page in lambda_.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            yield _told(f"function {function['FunctionName']}", function)


def files(folder: Path) -> Iterator[Place]:
    """Yield the files of a folder and of all below it, and their names."""
    for parent, _folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield _told("a file's name", str(path))
                yield Place(str(path), _file(path))


def _file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
    except FileNotFoundError:
        return  # gone since it was listed, as temporary files are


def _told(name: str, *documents: Any) -> Place:
    """Return what a service answered as text: binaries as a log would show them, the rest as it is."""
    return Place(
        name,
        [json.dumps(each, default=str, ensure_ascii=False).encode(errors="backslashreplace") for each in documents],
    )


def _binaries(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _binaries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _binaries(inner)
