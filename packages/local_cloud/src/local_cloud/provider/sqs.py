"""SQS queues and their policies."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import TAGS, Resource, ResourceUpdate, Setting, Tagging
from local_cloud.provider.schema import Document, Flag, Integer, Properties, Property, Refusal, Text
from local_cloud.provider.wire import UNKNOWN

__all__ = ["Queue", "QueuePolicy"]

_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

# The name, and the limits of every attribute below:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
_NAME = rules.matches(r"[A-Za-z0-9_-]+", 1, 80, "letters, digits, - and _ are allowed")

# 8,192 bytes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
_POLICY_SIZE = rules.utf8_bytes_at_most(8192, "the queue policy")


class Queue(Resource):
    """A standard queue; FIFO queues are not implemented."""

    type_name = "aws:sqs/queue:Queue"
    service = "sqs"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=80), rules=(_NAME,)),
        "delaySeconds": Property(kind=Integer(0, 900), default=0),
        "maxMessageSize": Property(kind=Integer(1024, 1048576), computed=True),
        "messageRetentionSeconds": Property(kind=Integer(60, 1209600), default=345600),
        "receiveWaitTimeSeconds": Property(kind=Integer(0, 20), default=0),
        "visibilityTimeoutSeconds": Property(kind=Integer(0, 43200), default=30),
        "redrivePolicy": Property(kind=Document()),
        "redriveAllowPolicy": Property(kind=Document()),
        "sqsManagedSseEnabled": Property(kind=Flag(), computed=True),
        "kmsMasterKeyId": Property(kind=Text()),
        "tags": TAGS,
    }
    outputs = ("arn", "url")
    gone = _GONE
    tagging = Tagging(owner="QueueUrl", put="tag_queue", remove="untag_queue", written=dict)

    _ATTRIBUTES: ClassVar = {
        "delaySeconds": "DelaySeconds",
        "maxMessageSize": "MaximumMessageSize",
        "messageRetentionSeconds": "MessageRetentionPeriod",
        "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
        "visibilityTimeoutSeconds": "VisibilityTimeout",
        "redrivePolicy": "RedrivePolicy",
        "redriveAllowPolicy": "RedriveAllowPolicy",
        "sqsManagedSseEnabled": "SqsManagedSseEnabled",
        "kmsMasterKeyId": "KmsMasterKeyId",
    }

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
        """Create the queue with its attributes and tags; the id is its URL."""
        answer = self.api.create_queue(
            QueueName=inputs["name"],
            Attributes={theirs: _written(inputs[ours]) for ours, theirs in self._ATTRIBUTES.items() if ours in inputs},
            tags=inputs.get("tags") or {},
        )
        return str(answer["QueueUrl"])

    def live(self, identifier: str) -> Properties:
        """Read the attributes and tags."""
        attributes = self.api.get_queue_attributes(QueueUrl=identifier, AttributeNames=["All"])["Attributes"]
        return {
            "name": identifier.rsplit("/", 1)[1],
            **{ours: self._told(ours, attributes.get(theirs)) for ours, theirs in self._ATTRIBUTES.items()},
            "tags": self.api.list_queue_tags(QueueUrl=identifier).get("Tags", {}),
            "arn": attributes["QueueArn"],
            "url": identifier,
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Set the attributes that differ."""
        names = {theirs: ours for ours, theirs in self._ATTRIBUTES.items() if change.touches(ours)}
        attributes = {theirs: _written(change.news.get(ours, "")) for theirs, ours in names.items()}
        self.api.set_queue_attributes(QueueUrl=identifier, Attributes=attributes)

    def remove(self, identifier: str) -> None:
        """Delete the queue."""
        self.api.delete_queue(QueueUrl=identifier)

    def _told(self, name: str, value: str | None) -> Any:
        match self.properties[name].kind:
            case Integer():
                return None if value is None else int(value)
            case Flag():
                return None if value is None else value == "true"
            case _:
                return value or None


class QueuePolicy(Setting):
    """Who may do what with a queue."""

    type_name = "aws:sqs/queuePolicy:QueuePolicy"
    service = "sqs"
    properties: ClassVar = {
        "queueUrl": Property(kind=Text(), required=True, replaces=True),
        "policy": Property(kind=Document(), required=True, rules=(_POLICY_SIZE,)),
    }
    of = "queueUrl"
    gone = _GONE

    def live(self, identifier: str) -> Properties | None:
        """Read the policy; a queue without one has none of these."""
        answer = self.api.get_queue_attributes(QueueUrl=identifier, AttributeNames=["Policy"])
        policy = answer.get("Attributes", {}).get("Policy")
        return {"queueUrl": identifier, "policy": policy} if policy else None

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Set the policy."""
        self.api.set_queue_attributes(QueueUrl=identifier, Attributes={"Policy": inputs["policy"]})

    def remove(self, identifier: str) -> None:
        """Remove the policy."""
        self.put(identifier, {"policy": ""})


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
