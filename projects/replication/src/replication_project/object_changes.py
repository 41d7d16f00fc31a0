"""How changes of the bucket are noticed: by its own events."""

import json
from collections.abc import Sequence
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from replication_project.change_rule import change_rule
from replication_project.stores import Stores

__all__ = ["ObjectChanges"]

OBJECT_EVENTS = (
    "Object ACL Updated",
    "Object Created",
    "Object Deleted",
    "Object Restore Completed",
    "Object Tags Added",
    "Object Tags Deleted",
)
"""The events after which a replica may differ from its source; a restored object can be copied from then on.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
"""


class ObjectChanges(pulumi.ComponentResource):
    """The rule on the source bucket's own events, and its alarms (`pipeline:replication:ObjectChanges`).

    Guarantees: every event after which a replica may differ is matched, for the source's bucket alone, on the
    account's default bus, where S3 sends them.

    Leaves out: the rule's targets, which are the routes', and filters: each route knows what it replicates.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:ObjectChanges"  # noqa: S105 - a resource type's token

    rule: aws.cloudwatch.EventRule
    alarms: Sequence[aws.cloudwatch.MetricAlarm]

    def __init__(
        self,
        name: str,
        *,
        stores: pulumi.Output[Stores],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        watched = change_rule(
            name,
            description="Changes of the source's objects, for every route's queue",
            pattern=stores.apply(lambda known: _pattern(known.source.bucket_name)),
            topic_arn=stores.apply(lambda known: known.source.failure_topic_arn),
            parent=self,
        )
        self.rule, self.alarms = watched.rule, watched.alarms
        self.register_outputs({"rule_arn": self.rule.arn})


def _pattern(bucket: str) -> str:
    return json.dumps(
        {"source": ["aws.s3"], "detail-type": list(OBJECT_EVENTS), "detail": {"bucket": {"name": [bucket]}}}
    )
