"""Notifications to the topics: the changes that were given up, and what each batch achieved."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from replication_core.aws.batches import refused, tens
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated
from replication_core.datasets import RecordKey
from replication_core.reconcile import Action, Outcome
from replication_core.route_spec import RouteSpec
from replicator_lambda.batch import Dead

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

__all__ = ["BATCH_SCHEMA", "FAILED_BATCH_SCHEMA", "FAILURE_SCHEMA", "Notifications"]

BATCH_SCHEMA = "pipeline.batch/1"
FAILED_BATCH_SCHEMA = "pipeline.failed_batch/1"
FAILURE_SCHEMA = "pipeline.failure/1"

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Publishes to the two topics, each message with the target's name as an attribute to filter by.

    A notification that can't be published is not tried again: what failed is in the dead-letter queue by then, and
    a second envelope would be the price. The caller is given the error to log.
    """

    sns: "SNSClient"
    route: RouteSpec

    def failed(self, dead: Sequence[Dead], at: datetime) -> list[StoreError]:
        """Publish what was given up, by change or, which are in the dead letters, as counts; return the errors."""
        by_change: dict[RecordKey | str, list[Dead]] = {}
        for death in dead:
            by_change.setdefault(death.key or death.message.id, []).append(death)
        changes = list(by_change.values())
        as_counts = changes and self.route.notifications == "batch"
        messages = [_counts_by_reason(changes)] if as_counts else _each_change(changes)
        return self._publish(self.route.failure_topic_arn, f"Replication to {self.route.target} failed", messages, at)

    def succeeded(self, outcomes: Mapping[RecordKey, Outcome], at: datetime) -> list[StoreError]:
        """Publish what a batch achieved, as counts without keys, unless that is nothing; return the errors."""
        level = {key: each for key, each in outcomes.items() if each.action in {Action.COPIED, Action.DELETED}}
        if self.route.notifications == "failures" or not level:
            return []
        message = {
            "schema": BATCH_SCHEMA,
            "changes": len(level),
            "objects": sum(key.dataset.is_bucket for key in level),
            "items": sum(not key.dataset.is_bucket for key in level),
            "deletes": sum(outcome.action is Action.DELETED for outcome in level.values()),
            "bytes": sum(outcome.size for outcome in level.values()),
            "failed": sum(outcome.action is Action.FAILED for outcome in outcomes.values()),
        }
        return self._publish(self.route.success_topic_arn, f"Replication to {self.route.target}", [message], at)

    def _publish(self, topic_arn: str, subject: str, messages: Sequence[Message], at: datetime) -> list[StoreError]:
        errors: list[StoreError] = []
        attributes: Any = {"target": {"DataType": "String", "StringValue": self.route.target}}
        common = {"target": self.route.target, "timestamp": at.isoformat(timespec="milliseconds")}
        bodies = [json.dumps(message | common) for message in messages]
        for batch in tens(bodies, lambda body: len(body.encode())):
            entries: Any = [
                {"Id": str(position), "Message": body, "Subject": subject, "MessageAttributes": attributes}
                for position, body in enumerate(batch)
            ]
            try:
                with translated("PublishBatch"):
                    answer = self.sns.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=entries)
            except StoreError as error:
                errors.append(error)
                continue
            errors += refused("PublishBatch", answer, entries).values()
        return errors


def _each_change(changes: Sequence[Sequence[Dead]]) -> list[Message]:
    return [
        {
            "schema": FAILURE_SCHEMA,
            "change": deaths[0].key.document() if deaths[0].key else {"kind": "message", "id": deaths[0].message.id},
            "error": {"type": deaths[0].error.kind, "message": deaths[0].error.message},
            "attempts": max(death.message.attempts for death in deaths),
            "notices": len(deaths),
        }
        for deaths in changes
    ]


def _counts_by_reason(changes: Sequence[Sequence[Dead]]) -> Message:
    return {
        "schema": FAILED_BATCH_SCHEMA,
        "changes": len(changes),
        "notices": sum(len(deaths) for deaths in changes),
        "reasons": dict(Counter(deaths[0].error.kind for deaths in changes).most_common()),
    }
