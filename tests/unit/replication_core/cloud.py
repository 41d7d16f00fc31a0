"""A source and a target in moto, with every request recorded and any of them made to fail."""

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
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from replication_core.changes import Change
from replication_core.clients import Clients
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS, Dataset, RecordKey
from replication_core.items.answers import read_items_fast
from replication_core.replicas import REPLICA_TAG
from replication_core.replicator import Replicator, build_replicator
from replication_core.route_spec import RoutedDataset
from replicator_lambda.handler import RouteFunction
from tests.made_datasets import table_definition
from tests.made_policies import MadeKms
from tests.made_route import MadeRoute
from tests.moto_segments import binary_segments

__all__ = [
    "Cloud",
    "Fault",
    "answered",
    "cloud",
    "empty_success",
    "item_notice",
    "object_notice",
    "record",
    "refusal",
    "timeout_after_effect",
    "unprocessed",
]

REGION: Final = "eu-west-1"
ACCOUNT = "123456789012"

Send = Callable[[], AWSResponse | None]
Fault = Callable[[str, AWSPreparedRequest, Send], AWSResponse | None]
"""Given an operation, its request and the way to send it, what its caller is answered; it may raise instead."""


def answered(request: AWSPreparedRequest, status: int, body: str, **headers: str) -> AWSResponse:
    return AWSResponse(request.url, status, headers, MockRawResponse(body))  # type: ignore[arg-type]


def refusal(code: str, status: int, message: str = "refused") -> Fault:
    """Return the fault of a service that answers with this error and does nothing."""

    def fault(operation: str, request: AWSPreparedRequest, _send: Send) -> AWSResponse:
        if operation.startswith("dynamodb."):
            return answered(request, status, json.dumps({"__type": code, "message": message}))
        if operation.startswith(("sqs.", "sns.")):
            body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            if operation.startswith("sqs."):
                body = json.dumps({"__type": code, "message": message})
            return answered(request, status, body)
        # A head's answer has no body, and with it no code.
        body = "" if ".Head" in operation else f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return answered(request, status, body)

    return fault


def empty_success(_operation: str, request: AWSPreparedRequest, _send: Send) -> AWSResponse:
    """Answer with success and nothing else, as a proxy may, or S3 whose connection ends before a copy does."""
    return answered(request, 200, "")


def timeout_after_effect(_operation: str, request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
    """Let the service do its work, and its answer be lost."""
    send()
    raise ReadTimeoutError(endpoint_url=request.url)


def unreadable_instant(key: str) -> Callable[[str], Fault | None]:
    """Have every head of this key answered with an instant that is none, which botocore does not read."""

    def fault(_operation: str, request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
        answer = send()
        if answer is not None and str(request.url).endswith(f"/{key}"):
            answer.headers["Last-Modified"] = "never"
        return answer

    return lambda operation: fault if operation == "s3.HeadObject" else None


def unprocessed(operation: str, request: AWSPreparedRequest, _send: Send) -> AWSResponse:
    """Answer a batch with all of it left unprocessed."""
    name = "UnprocessedItems" if operation.endswith("BatchWriteItem") else "UnprocessedKeys"
    body: Any = request.body
    asked = json.loads(body)["RequestItems"]
    return answered(request, 200, json.dumps({name: asked, "Responses": {}}))


@dataclass
class Cloud:
    """Production and dev, the replicator between them, and the queues and topics around it."""

    settings: MadeRoute
    clients: Clients
    subscriber_url: str
    calls: list[str] = field(default_factory=list)
    """Every request's operation, such as `s3.CopyObject`, in order."""

    requests: list[Any] = field(default_factory=list)
    fault_for: Callable[[str], Fault | None] = lambda _: None
    """Chooses the fault of a request by its operation, once it is about to be sent."""

    def replicator(self, **options: Any) -> Replicator:
        return build_replicator(self.settings.spec, self.clients, **{"threads": 4, "part_threads": 2, **options})

    def route(self, **options: Any) -> RouteFunction:
        return RouteFunction.build(self.settings.spec, self.clients, self.replicator(**options))

    def with_policy(self, document: dict[str, Any]) -> MadeKms:
        """Have the route mask by this policy from now on; return the KMS that it asks for its key."""
        kms = MadeKms()
        self.with_settings(masking=document)
        self.clients = replace(self.clients, kms=kms)
        return kms

    def sides(self) -> Sides:
        return Sides.of(self.settings.spec, self.clients)

    @property
    def objects(self) -> RoutedDataset:
        return self.settings.spec.datasets[0]

    @property
    def items(self) -> RoutedDataset:
        return self.settings.spec.datasets[1]

    def with_settings(self, **changes: Any) -> None:
        self.settings = replace(self.settings, **changes)

    def add(self, *datasets: Dataset) -> None:
        """Have both sides have these datasets too, and the route replicate them."""
        for dataset in datasets:
            for side in ("prod", "dev"):
                _make(self.clients, dataset, f"{side}-{dataset.name}")
        others = (
            RoutedDataset(dataset=each, source=f"prod-{each.name}", target=f"dev-{each.name}") for each in datasets
        )
        self.with_settings(others=(*self.settings.others, *others))

    def routed(self, dataset: Dataset) -> RoutedDataset:
        routed = self.settings.spec.dataset(dataset.name)
        assert routed is not None
        return routed

    @contextmanager
    def recording(self) -> Iterator[list[str]]:
        """Yield the operations that are called inside."""
        start = len(self.calls)
        recorded: list[str] = []
        yield recorded
        recorded += self.calls[start:]

    def put(self, key: str, body: bytes = b"body", **options: Any) -> None:
        self.clients.source_s3.put_object(Bucket=self.settings.source_bucket, Key=key, Body=body, **options)

    def remove(self, key: str) -> None:
        self.clients.source_s3.delete_object(Bucket=self.settings.source_bucket, Key=key)

    def object(self, bucket: str, key: str) -> dict[str, Any] | None:
        """Return what a reader sees of an object, but for provenance; None where there is none."""
        s3 = self.clients.target_s3
        if key not in self.keys(bucket):
            return None
        answer = s3.get_object(Bucket=bucket, Key=key)
        headers = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
        tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        return {
            "body": answer["Body"].read(),
            "metadata": {k: v for k, v in answer["Metadata"].items() if not k.startswith("replicated-")},
            "tags": sorted((tag["Key"], tag["Value"]) for tag in tags if tag["Key"] != REPLICA_TAG),
            **{name: answer.get(name) for name in (*headers, "ExpiresString", "WebsiteRedirectLocation")},
        }

    def source_object(self, key: str) -> dict[str, Any] | None:
        return self.object(self.settings.source_bucket, key)

    def replica(self, key: str) -> dict[str, Any] | None:
        return self.object(self.settings.target_bucket, key)

    def keys(self, bucket: str) -> set[str]:
        # Not by list_objects, whose keys moto and botocore encode and decode once too often.
        versions = self.clients.target_s3.list_object_versions(Bucket=bucket)
        return {each["Key"] for each in versions.get("Versions", ()) if each["IsLatest"]}

    def put_record(self, key: RecordKey, **attributes: Any) -> None:
        """Put an item into its source, or an object."""
        source = self.routed(key.dataset).source
        if key.dataset.is_bucket:
            self.clients.source_s3.put_object(Bucket=source, Key=key.object_key, Body=b"body", **attributes)
        else:
            self.clients.source_dynamodb.put_item(TableName=source, Item={**key.attributes(), **attributes})

    def remove_record(self, key: RecordKey) -> None:
        """Remove an item from its source."""
        self.clients.source_dynamodb.delete_item(TableName=self.routed(key.dataset).source, Key=key.attributes())

    def source_record(self, key: RecordKey) -> Any:
        """Return an item, or what a reader sees of an object; None where there is none."""
        return self._record(self.routed(key.dataset).source, key)

    def replica_record(self, key: RecordKey) -> Any:
        """Return a replica likewise, but for what the replicator adds."""
        found = self._record(self.routed(key.dataset).target, key)
        added = {"environment", "replicatedFrom", "replicatedPolicy", "replicationTimestamp"}
        return found and {name: value for name, value in found.items() if name not in added}

    def _record(self, store: str, key: RecordKey) -> Any:
        if key.dataset.is_bucket:
            return self.object(store, key.object_key)
        return self.clients.target_dynamodb.get_item(TableName=store, Key=key.attributes()).get("Item")

    def put_item(self, id_: str, timestamp: str = "1", **attributes: Any) -> None:
        self.put_record(ITEMS.record(id_, timestamp), **attributes)

    def remove_item(self, id_: str, timestamp: str = "1") -> None:
        self.remove_record(ITEMS.record(id_, timestamp))

    def item(self, table: str, id_: str, timestamp: str = "1") -> Any:
        return self._record(table, ITEMS.record(id_, timestamp))

    def source_item(self, id_: str, timestamp: str = "1") -> Any:
        return self.source_record(ITEMS.record(id_, timestamp))

    def replica_item(self, id_: str, timestamp: str = "1") -> Any:
        return self.replica_record(ITEMS.record(id_, timestamp))

    def letters(self) -> list[dict[str, Any]]:
        """Take the envelopes out of the dead-letter queue."""
        return self._take(self.settings.dlq_url)

    def subscriber(self, **attributes: list[str]) -> str:
        """Return a new queue that both topics send to, as far as the messages have one of each attribute's values."""
        name = f"subscriber-{len(self.clients.sqs.list_queues()['QueueUrls'])}"
        url = self.clients.sqs.create_queue(QueueName=name)["QueueUrl"]
        for topic in (self.settings.success_topic_arn, self.settings.failure_topic_arn):
            self.clients.sns.subscribe(
                TopicArn=topic,
                Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
                Attributes={"FilterPolicy": json.dumps(attributes)},
            )
        return url

    def notifications(self, queue_url: str | None = None) -> list[dict[str, Any]]:
        """Take what both topics published, with the attributes under `attributes`; what a subscriber got, if named."""
        return [
            json.loads(outer["Message"])
            | {"attributes": {name: each["Value"] for name, each in outer["MessageAttributes"].items()}}
            for outer in self._take(queue_url or self.subscriber_url)
        ]

    def _take(self, queue_url: str) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        while messages := self.clients.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                taken.append(json.loads(message["Body"]))
                self.clients.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return taken


def record(body: str, *, id_: str = "m", attempts: int = 1) -> dict[str, Any]:
    """Return a record as an SQS event source mapping has it."""
    return {
        "messageId": id_,
        "receiptHandle": f"receipt-{id_}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(attempts)},
        "eventSource": "aws:sqs",
    }


def object_notice(key: str) -> str:
    return Change(OBJECTS.record(key), "test").body()


def item_notice(id_: str, timestamp: str = "1") -> str:
    return Change(ITEMS.record(id_, timestamp), "test").body()


@cache
def _clients() -> Clients:
    # One try each: what the SDK's own retries would hide is what these tests are about.
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, request_checksum_calculation="when_required")

    def client(service: Any) -> Any:
        return boto3.client(
            service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test", config=config
        )

    source_dynamodb, target_dynamodb = client("dynamodb"), client("dynamodb")
    read_items_fast(source_dynamodb)
    read_items_fast(target_dynamodb)
    return Clients(
        source_s3=client("s3"),
        target_s3=client("s3"),
        copying_s3=client("s3"),
        source_dynamodb=source_dynamodb,
        target_dynamodb=target_dynamodb,
        sqs=client("sqs"),
        sns=client("sns"),
    )


def _make(clients: Clients, dataset: Dataset, name: str, *, versioned: bool = True) -> None:
    if not dataset.is_bucket:
        clients.source_dynamodb.create_table(TableName=name, **table_definition(dataset))
        return
    clients.source_s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if versioned:
        clients.source_s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@contextmanager
def cloud(*, versioned: bool = True) -> Iterator[Cloud]:
    """Yield a fresh cloud; moto's S3 has no versions in the source where `versioned` is false."""
    with ExitStack() as stack:
        stack.enter_context(mock_aws())
        stack.enter_context(binary_segments())
        clients = _clients()
        for dataset in (OBJECTS, ITEMS):
            _make(clients, dataset, "prod-data", versioned=versioned)
            _make(clients, dataset, "dev-data")
        queues = [clients.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("route", "dlq", "subscriber")]
        topics = [clients.sns.create_topic(Name=name)["TopicArn"] for name in ("success", "failure")]
        for topic in topics:
            clients.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:subscriber")
        settings = MadeRoute(
            target="dev",
            source_environment="prod",
            source_bucket="prod-data",
            source_table="prod-data",
            source_region=REGION,
            target_bucket="dev-data",
            target_table="dev-data",
            target_region=REGION,
            queue_url=queues[0],
            dlq_url=queues[1],
            success_topic_arn=topics[0],
            failure_topic_arn=topics[1],
        )
        made = Cloud(settings=settings, clients=clients, subscriber_url=queues[2])
        original = BotocoreStubber.__call__

        def send(stub: BotocoreStubber, event_name: str, request: Any, **kwargs: Any) -> AWSResponse | None:
            operation = event_name.removeprefix("before-send.")
            made.calls.append(operation)
            made.requests.append(request)
            fault = made.fault_for(operation)
            if fault is None:
                return original(stub, event_name, request, **kwargs)
            return fault(operation, request, lambda: original(stub, event_name, request, **kwargs))

        stack.enter_context(patch.object(BotocoreStubber, "__call__", send))
        yield made
