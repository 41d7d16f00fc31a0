"""Production and its replicas, as an outsider with the AWS API sees and changes them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from tests.polling import eventually

__all__ = ["TARGETS", "Mirror", "Seen"]

TARGETS = ("dev", "staging")
WITHIN = 90.0
"""Seconds that a change may take on a busy two-core machine; on an idle one it is about two."""


@dataclass(frozen=True)
class Seen:
    """What a reader sees of an object, without what the replicator adds."""

    body: bytes
    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    tags: Mapping[str, str]


class Mirror:
    """The deployed system's stores and queues."""

    def __init__(self, cloud: Any, outputs: Mapping[str, Mapping[str, Any]]) -> None:
        self.s3 = cloud.client("s3")
        self.dynamodb = cloud.client("dynamodb")
        self.sqs = cloud.client("sqs")
        self.sns = cloud.client("sns")
        self.lambda_ = cloud.client("lambda")
        self.storage = {
            environment: StorageOutputs.parse(outputs[f"storage/{environment}"]) for environment in ("prod", *TARGETS)
        }
        self.replication = ReplicationOutputs.parse(outputs["replication/prod"])
        self._dead_letters: list[dict[str, Any]] = []

    def bucket(self, environment: str = "prod") -> str:
        return self.storage[environment].bucket_name

    def put(self, key: str, body: bytes = b"body", **headers: Any) -> str:
        return str(self.s3.put_object(Bucket=self.bucket(), Key=key, Body=body, **headers).get("VersionId"))

    def object(self, environment: str, key: str) -> Seen | None:
        try:
            answer = self.s3.get_object(Bucket=self.bucket(environment), Key=key)
            tags = self.s3.get_object_tagging(Bucket=self.bucket(environment), Key=key)["TagSet"]
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404"}:
                return None  # deleted, perhaps between the two reads
            raise
        names = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
        return Seen(
            body=answer["Body"].read(),
            headers={name: answer[name] for name in names if answer.get(name)},
            metadata={name: value for name, value in answer["Metadata"].items() if not name.startswith("replicated-")},
            tags={tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith("replicated-")},
        )

    def wait_until_mirrored(self, *keys: str, targets: tuple[str, ...] = TARGETS) -> None:
        """Wait until each target shows of each key what production shows of it now."""
        for key in keys:
            for target in targets:
                eventually(
                    lambda target=target, key=key: self.object(target, key) == self.object("prod", key),  # type: ignore[misc]
                    what=f"{key!r} in {target} as in prod",
                    within=WITHIN,
                )

    def item(self, environment: str, id_: str, timestamp: str) -> dict[str, Any] | None:
        key = {"id": {"S": id_}, "timestamp": {"N": timestamp}}
        table = self.storage[environment].table_name
        item = self.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return None
        for name, value in item.items():
            for kind in ("SS", "NS", "BS"):
                if kind in value:
                    item[name] = {kind: sorted(value[kind])}
        return dict(item)

    def put_item(self, id_: str, timestamp: str, **attributes: Any) -> None:
        item = {"id": {"S": id_}, "timestamp": {"N": timestamp}, **attributes}
        self.dynamodb.put_item(TableName=self.storage["prod"].table_name, Item=item)

    def item_is_mirrored(self, target: str, id_: str, timestamp: str) -> bool:
        source, replica = self.item("prod", id_, timestamp), self.item(target, id_, timestamp)
        if source is None or replica is None:
            return source is replica
        added = {name: replica.pop(name, None) for name in ("environment", "replicatedFrom", "replicationTimestamp")}
        source.pop("environment", None)
        marked = added["environment"] == {"S": target} and added["replicatedFrom"] == {"S": "prod"}
        return marked and added["replicationTimestamp"] is not None and source == replica

    def wait_until_item_mirrored(self, id_: str, timestamp: str, targets: tuple[str, ...] = TARGETS) -> None:
        for target in targets:
            eventually(
                lambda target=target: self.item_is_mirrored(target, id_, timestamp),  # type: ignore[misc]
                what=f"item {id_!r} @ {timestamp} in {target} as in prod",
                within=WITHIN,
            )

    def send_notice(self, target: str, body: Mapping[str, Any] | str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=self.replication.routes[target].queue_url, MessageBody=text)

    def announce(self, key: str, *, reason: str = "manual") -> None:
        """Enqueue a notice of an object's key on every route, as an operator's command does."""
        for target in TARGETS:
            self.send_notice(
                target,
                {
                    "schema": "pipeline.notice/1",
                    "kind": "object",
                    "key": key,
                    "reason": reason,
                    "changed_at": "2026-01-01T00:00:00+00:00",
                },
            )

    def wait_for_dead_letter(self, *, target: str, naming: str, within: float = 150.0) -> dict[str, Any]:
        """Wait for an envelope of the target whose event names the key; all that is received is taken off the queue."""

        def look() -> dict[str, Any] | None:
            self._dead_letters.extend(self._take_dead_letters())
            return next(
                (
                    letter
                    for letter in self._dead_letters
                    if letter.get("target") == target and naming in json.dumps(letter["event"])
                ),
                None,
            )

        found = eventually(look, what=f"an envelope of {naming!r} for {target}", within=within, every=1.0)
        assert found is not None
        return found

    def _take_dead_letters(self) -> Iterator[dict[str, Any]]:
        url = self.storage["prod"].dlq_url
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])
