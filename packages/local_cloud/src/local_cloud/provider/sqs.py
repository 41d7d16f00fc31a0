"""SQS queues and their policies."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import Calls, Resource, ResourceUpdate, Setting, Tagging
from local_cloud.provider.schema import Document, Flag, Integer, MapOf, Name, Properties, Refusal, Text
from local_cloud.provider.wire import UNKNOWN

__all__ = ["Queue", "QueuePolicy"]


# 8,192 bytes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
_POLICY_SIZE = rules.utf8_bytes_at_most(8192, "the queue policy")


class Queue(Resource, module="sqs"):
    """A standard queue; FIFO queues are not implemented."""

    # All limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    properties: ClassVar = {
        "name": Name(r"[A-Za-z0-9_-]+", 1, 80, "letters, digits, - and _ are allowed"),
        "delaySeconds": Integer(0, 900, default=0),
        "maxMessageSize": Integer(1024, 1048576, computed=True, api="MaximumMessageSize"),
        "messageRetentionSeconds": Integer(60, 1209600, default=345600, api="MessageRetentionPeriod"),
        "receiveWaitTimeSeconds": Integer(0, 20, default=0, api="ReceiveMessageWaitTimeSeconds"),
        "visibilityTimeoutSeconds": Integer(0, 43200, default=30, api="VisibilityTimeout"),
        "redrivePolicy": Document(),
        "redriveAllowPolicy": Document(),
        "sqsManagedSseEnabled": Flag(computed=True),
        "kmsMasterKeyId": Text(),
        "tags": MapOf(Text(), rules=(rules.tags,), apart=True),
    }
    outputs: ClassVar = {"arn": "QueueArn", "url": ""}
    calls = Calls("QueueUrl", remove="delete_queue")
    tagging = Tagging(owner="QueueUrl", read="list_queue_tags", put="tag_queue", remove="untag_queue")

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse a redrive policy without a queue or a count, and two encryptions."""
        if isinstance(inputs.get("redrivePolicy"), str):
            policy = json.loads(inputs["redrivePolicy"])
            if not str(policy.get("deadLetterTargetArn", "")).startswith("arn:"):
                yield Refusal("redrivePolicy", "deadLetterTargetArn must be a queue's ARN")
            # 1 to 1,000: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
            count = str(policy.get("maxReceiveCount", ""))
            if not (count.isascii() and count.isdigit()) or not 1 <= int(count) <= 1000:  # noqa: PLR2004 - AWS's own figures
                yield Refusal("redrivePolicy", f"maxReceiveCount must be from 1 to 1000, not {count or 'missing'}")
        if inputs.get("kmsMasterKeyId") not in (None, UNKNOWN) and inputs.get("sqsManagedSseEnabled") is True:
            yield Refusal("sqsManagedSseEnabled", "a queue is encrypted by SQS or by a KMS key, not by both")

    def create(self, inputs: Mapping[str, Any]) -> str:
        attributes = _texts(self.request(inputs))
        name, tags = attributes.pop("Name"), inputs.get("tags") or {}
        return str(self.api.create_queue(QueueName=name, Attributes=attributes, tags=tags)["QueueUrl"])

    def live(self, identifier: str) -> Properties:
        attributes = self.api.get_queue_attributes(QueueUrl=identifier, AttributeNames=["All"])["Attributes"]
        return {**self.told(attributes), "name": identifier.rsplit("/", 1)[1], "url": identifier}

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        if attributes := _texts(self.request(change.news, change.names)):
            self.api.set_queue_attributes(QueueUrl=identifier, Attributes=attributes)


class QueuePolicy(Setting, module="sqs"):
    """Who may do what with a queue."""

    properties: ClassVar = {
        "queueUrl": Text(required=True, replaces=True),
        "policy": Document(required=True, rules=(_POLICY_SIZE,)),
    }
    of = "queueUrl"

    def live(self, identifier: str) -> Properties | None:
        """Read the policy; a queue without one has none of these."""
        answer = self.api.get_queue_attributes(QueueUrl=identifier, AttributeNames=["Policy"])
        policy = answer.get("Attributes", {}).get("Policy")
        return {"queueUrl": identifier, "policy": policy} if policy else None

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        self.api.set_queue_attributes(QueueUrl=identifier, Attributes={"Policy": inputs["policy"]})

    def remove(self, identifier: str) -> None:
        self.put(identifier, {"policy": ""})


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in attributes.items()}
