"""What the topics are told: each change that was given up, and what each batch achieved."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lambda_common.errors import StoreError
from lambda_common.failures import translated
from lambda_common.queues import tens
from replicator_lambda.batch import Dead
from replicator_lambda.notices import ItemKey, Key, ObjectKey
from replicator_lambda.reconcile import Action, Outcome

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

__all__ = ["BATCH_SCHEMA", "FAILURE_SCHEMA", "Notifications"]

BATCH_SCHEMA = "pipeline.batch/1"
FAILURE_SCHEMA = "pipeline.failure/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Publishes to the two topics, each message with the target's name as an attribute to filter by.

    A notification that can't be published is not tried again: what failed is in the dead-letter queue by then, and
    a second envelope would be the price. The caller is given the error to log.
    """

    sns: "SNSClient"
    success_topic_arn: str
    failure_topic_arn: str
    target: str

    def failed(self, dead: Sequence[Dead], at: datetime) -> list[StoreError]:
        """Publish what was given up, once per key however many notices of it there were; return the errors."""
        by_change: dict[Key | str, list[Dead]] = {}
        for death in dead:
            by_change.setdefault(death.key or death.message.id, []).append(death)
        messages = [
            {
                "schema": FAILURE_SCHEMA,
                "target": self.target,
                "change": _named(deaths[0]),
                "error": {"type": deaths[0].error.kind, "message": deaths[0].error.message},
                "attempts": max(death.message.attempts for death in deaths),
                "notices": len(deaths),
                "timestamp": at.isoformat(timespec="milliseconds"),
            }
            for deaths in by_change.values()
        ]
        return self._publish(self.failure_topic_arn, f"Replication to {self.target} failed", messages)

    def succeeded(self, outcomes: Mapping[Key, Outcome], at: datetime) -> list[StoreError]:
        """Publish what a batch achieved, as counts without keys, unless that is nothing; return the errors."""
        level = {key: each for key, each in outcomes.items() if each.action in {Action.COPIED, Action.DELETED}}
        if not level:
            return []
        message = {
            "schema": BATCH_SCHEMA,
            "target": self.target,
            "changes": len(level),
            "objects": sum(isinstance(key, ObjectKey) for key in level),
            "items": sum(isinstance(key, ItemKey) for key in level),
            "deletes": sum(outcome.action is Action.DELETED for outcome in level.values()),
            "bytes": sum(outcome.size for outcome in level.values()),
            "failed": sum(outcome.action is Action.FAILED for outcome in outcomes.values()),
            "timestamp": at.isoformat(timespec="milliseconds"),
        }
        return self._publish(self.success_topic_arn, f"Replication to {self.target}", [message])

    def _publish(self, topic_arn: str, subject: str, messages: Sequence[Mapping[str, Any]]) -> list[StoreError]:
        errors: list[StoreError] = []
        attributes: Any = {"target": {"DataType": "String", "StringValue": self.target}}
        bodies = [json.dumps(message) for message in messages]
        for batch in tens(bodies, lambda body: len(body.encode())):
            entries: Any = [
                {"Id": str(at), "Message": body, "Subject": subject, "MessageAttributes": attributes}
                for at, body in enumerate(batch)
            ]
            try:
                with translated("PublishBatch"):
                    answer = self.sns.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=entries)
            except StoreError as error:
                errors.append(error)
                continue
            errors += [
                StoreError(failed.get("Code", "SNS"), f"PublishBatch: {failed.get('Message', 'refused')}")
                for failed in answer.get("Failed", ())
            ]
        return errors


def _named(death: Dead) -> dict[str, str]:
    match death.key:
        case ObjectKey(key):
            return {"kind": "object", "key": key}
        case ItemKey(id_, timestamp):
            return {"kind": "item", "id": id_, "timestamp": timestamp}
        case _:
            return {"kind": "message", "id": death.message.id}
