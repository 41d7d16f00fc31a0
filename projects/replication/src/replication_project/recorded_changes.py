"""How changes are noticed by what CloudTrail records: the writes of objects and items alike."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StorageOutputs
from replication_project.change_rule import change_rule
from replication_project.change_trail import ChangeTrail
from replication_project.stores import Stores

__all__ = ["RecordedChanges", "recorded_writes"]

OBJECT_CALLS = (
    "CompleteMultipartUpload",
    "CopyObject",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "PostObject",
    "PutObject",
    "PutObjectAcl",
    "PutObjectTagging",
)
"""The calls after which a replica may differ from its source.

Not RestoreObject, which only begins a restore: nothing is to be copied yet, and its end is no call.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
"""

ITEM_CALLS = (
    "BatchExecuteStatement",
    "BatchWriteItem",
    "DeleteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
)
"""The calls that may write items, those of PartiQL among them: its queries are recorded as if they were writes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/logging-using-cloudtrail.html
"""


class RecordedChanges(pulumi.ComponentResource):
    """The rule on the recorded writes of both source stores (`pipeline:replication:RecordedChanges`).

    Guarantees: every recorded call that may have changed the source's bucket or table is matched, failed ones left
    out, on the account's default bus, where CloudTrail sends them. With a trail that is named nothing else is made;
    without, a trail that records these calls and no others.

    Leaves out: what is no call, and so never recorded: objects that expire, items whose time to live is over, a
    restore that ends. What a named trail has to record, and what else is lost, is in docs/architecture.md.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:RecordedChanges"  # noqa: S105 - a resource type's token

    rule: aws.cloudwatch.EventRule
    alarms: Sequence[aws.cloudwatch.MetricAlarm]
    trail_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        trail: str | None,
        log_retention_days: int,
        stores: pulumi.Output[Stores],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        if trail is None:
            own = ChangeTrail(
                f"{name}-trail",
                log_retention_days=log_retention_days,
                stores=stores,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.trail_name, recorder = own.trail.name, "the replication's own trail"
        else:
            self.trail_name, recorder = pulumi.Output.from_input(trail), f"the trail {trail}"
        watched = change_rule(
            name,
            description=f"Changes of the source's objects and items that {recorder} records, for every route's queue",
            pattern=stores.apply(lambda known: json.dumps(recorded_writes(known.source))),
            topic_arn=stores.apply(lambda known: known.source.failure_topic_arn),
            parent=self,
        )
        self.rule, self.alarms = watched.rule, watched.alarms
        self.register_outputs({"rule_arn": self.rule.arn})


def recorded_writes(source: StorageOutputs) -> dict[str, Any]:
    """Return the pattern of the events: those of the bucket, or those of the table.

    A table is matched among the resources of a call, since a call on several tables has no parameter with its name.
    """
    return {
        "detail-type": ["AWS API Call via CloudTrail"],
        "$or": [
            {
                "source": ["aws.s3"],
                "detail": _succeeded(OBJECT_CALLS) | {"requestParameters": {"bucketName": [source.bucket_name]}},
            },
            {
                "source": ["aws.dynamodb"],
                "detail": _succeeded(ITEM_CALLS) | {"resources": {"ARN": [source.table_arn]}},
            },
        ],
    }


def _succeeded(calls: Sequence[str]) -> dict[str, Any]:
    return {"eventName": list(calls), "errorCode": [{"exists": False}]}
