"""An environment's bucket, table and queues in moto, with every request recorded and any of them made to fail."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final
from unittest.mock import patch

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from processor_lambda.clients import ProcessorClients
from processor_lambda.handler import ProcessorFunction
from processor_lambda.notices import ObjectNotice, parse
from processor_lambda.processor import FileProcessor, NoticeOutcome, build_processor
from processor_lambda.settings import ProcessorSettings

__all__ = ["Cloud", "Fault", "Send", "cloud", "lines", "record", "refusal"]

REGION: Final = "eu-west-1"
KEY = "incoming/data.jsonl"

Send = Callable[[], AWSResponse | None]
Fault = Callable[[str, AWSPreparedRequest, Send], AWSResponse | None]
"""Given an operation, its request and the way to send it, what its caller is answered; it may raise instead."""


def refusal(code: str, status: int) -> Fault:
    """Return the fault of a service that answers with this error and does nothing."""

    def fault(operation: str, request: AWSPreparedRequest, _send: Send) -> AWSResponse:
        body = f"<Error><Code>{code}</Code><Message>refused</Message></Error>"
        if not operation.startswith("s3."):
            body = json.dumps({"__type": code, "message": "refused"})
        return AWSResponse(request.url, status, {}, MockRawResponse(body))  # type: ignore[arg-type]

    return fault


def lines(count: int, start: int = 0) -> bytes:
    """Return so many good records as JSON Lines."""
    return b"".join(b'{"id": "r%d", "timestamp": %d, "n": %d.50}\n' % (n, n, n) for n in range(start, start + count))


def record(body: str, *, id_: str = "m", attempts: int = 1) -> dict[str, Any]:
    """Return a record as an SQS event source mapping has it."""
    return {
        "messageId": id_,
        "receiptHandle": f"receipt-{id_}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(attempts)},
    }


@dataclass
class Cloud:
    """One environment."""

    settings: ProcessorSettings
    clients: ProcessorClients
    calls: list[str] = field(default_factory=list)
    """Every request's operation, such as `s3.PutObject`, in order."""

    fault_for: Callable[[str], Fault | None] = lambda _: None
    """Chooses the fault of a request by its operation, once it is about to be sent."""

    def with_settings(self, **changes: Any) -> None:
        self.settings = replace(self.settings, **changes)

    def processor(self, **options: Any) -> FileProcessor:
        return build_processor(self.settings, self.clients, **{"threads": 2, **options})

    def function(self) -> ProcessorFunction:
        return ProcessorFunction.build(self.processor())

    def put(self, body: bytes, key: str = KEY, **options: Any) -> str:
        """Put an object; return its version."""
        return str(self.clients.s3.put_object(Bucket="data", Key=key, Body=body, **options)["VersionId"])

    def process(self, key: str = KEY, processor: FileProcessor | None = None, **notice: Any) -> NoticeOutcome:
        return (processor or self.processor()).process(ObjectNotice(key=key, **notice))

    def summary(self, body: bytes, key: str = KEY, **options: Any) -> dict[str, Any]:
        """Put an object, process it, and return its run's summary."""
        self.put(body, key, **options)
        outcome = self.process(key)
        assert outcome.summary is not None, outcome
        return dict(outcome.summary)

    def drain(self, make: Callable[[], FileProcessor] | None = None) -> list[NoticeOutcome]:
        """Process what is in the queue until it is empty; each message by a processor of its own."""
        outcomes: list[NoticeOutcome] = []
        while taken := self.take(self.settings.queue_url):
            outcomes += [(make or self.processor)().process(parse(json.dumps(body))) for body in taken]
        return outcomes

    def items(self) -> dict[str, Any]:
        """Return every item by its id and timestamp."""
        found = self.clients.dynamodb.scan(TableName="data")["Items"]
        return {f"{item['id']['S']}@{item['timestamp']['N']}": item for item in found}

    def keys(self, prefix: str = "") -> set[str]:
        answer = self.clients.s3.list_objects_v2(Bucket="data", Prefix=prefix)
        return {each["Key"] for each in answer.get("Contents", ())}

    def json(self, key: str) -> Any:
        return json.loads(self.clients.s3.get_object(Bucket="data", Key=key)["Body"].read())

    def rejected(self, key: str = KEY) -> list[tuple[int, str]]:
        """Return the line and the reason of each rejected record."""
        body = self.clients.s3.get_object(Bucket="data", Key=f"rejected/{key}.jsonl")["Body"].read()
        return [(entry["line"], entry["reason"]) for entry in map(json.loads, body.splitlines())]

    def take(self, queue_url: str) -> list[Any]:
        """Take the messages out of a queue."""
        taken: list[Any] = []
        while messages := self.clients.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                taken.append(json.loads(message["Body"]))
                self.clients.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def state(self) -> dict[str, Any]:
        """Return what a run leaves behind, but for when it was."""
        kept = {key: self._lasting(key) for key in sorted(self.keys("results/") | self.keys("rejected/"))}
        return {"items": self.items(), **kept}

    def _lasting(self, key: str) -> Any:
        body = self.clients.s3.get_object(Bucket="data", Key=key)["Body"].read()
        if not key.startswith("results/"):
            return body
        times = ("started_at", "finished_at", "duration_ms", "invocations")
        return {name: value for name, value in json.loads(body).items() if name not in times}


@cache
def _clients() -> ProcessorClients:
    # One try each: what the SDK's own retries would hide is what these tests are about.
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, request_checksum_calculation="when_required")

    def client(service: Any) -> Any:
        return boto3.client(
            service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test", config=config
        )

    return ProcessorClients(s3=client("s3"), dynamodb=client("dynamodb"), sqs=client("sqs"))


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Yield a fresh environment with versions."""
    with ExitStack() as stack:
        stack.enter_context(mock_aws())
        clients = _clients()
        clients.s3.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
        clients.s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
        clients.dynamodb.create_table(
            TableName="data",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "timestamp", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "timestamp", "AttributeType": "N"},
            ],
        )
        queues = [clients.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("queue", "dlq")]
        settings = ProcessorSettings(
            environment="dev",
            release="v1.4.0",
            bucket="data",
            table="data",
            queue_url=queues[0],
            dlq_url=queues[1],
        )
        made = Cloud(settings=settings, clients=clients)
        original = BotocoreStubber.__call__

        def send(stub: BotocoreStubber, event_name: str, request: Any, **kwargs: Any) -> AWSResponse | None:
            operation = event_name.removeprefix("before-send.")
            made.calls.append(operation)
            fault = made.fault_for(operation)
            if fault is None:
                return original(stub, event_name, request, **kwargs)
            return fault(operation, request, lambda: original(stub, event_name, request, **kwargs))

        stack.enter_context(patch.object(BotocoreStubber, "__call__", send))
        yield made
