"""What the replication's roles may do, and who may write to its own bucket. Pure: strings in, statements out."""

from collections.abc import Sequence
from typing import Any

from pipeline_common.contracts import StorageOutputs
from pipeline_common.infra.policies import (
    Statement,
    allow,
    deny_insecure_transport,
    document,
    objects,
    service,
)
from replication_project.config import TargetConfig

__all__ = ["former_rule_arns", "notifier_rights", "replicator_rights", "trail_log_policy", "verifier_rights"]

READ_OBJECT = ("s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:GetObjectVersionTagging")
COMPARE_OBJECT = ("s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersionTagging")
"""To see current objects, and the tags of the version that was seen."""

WRITE_REPLICA = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
)
CONSUME = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")


def replicator_rights(
    target: TargetConfig, *, source: StorageOutputs, replica: StorageOutputs, queue_arn: str
) -> list[Statement]:
    """Return a route's rights: read what the target gets, write the target, consume its queue, and report.

    Objects that the target does not get can't be read either, so the selection holds even if the code forgot it.
    """
    selection = target.objects
    statements = [
        allow("ReadSourceObjects", READ_OBJECT, objects(source.bucket_arn, selection.include or ("",))),
        # Without it S3 answers 403 for an object that is not there, which can't be told from a missing right.
        allow("TellAbsentObjects", ["s3:ListBucket"], [source.bucket_arn, replica.bucket_arn]),
        allow("WriteReplicas", WRITE_REPLICA, objects(replica.bucket_arn, selection.include or ("",))),
    ]
    if selection.exclude:
        statements.append(_excluded(source, selection.exclude))
    if target.items:
        statements += [
            allow("ReadSourceItems", ["dynamodb:BatchGetItem"], [source.table_arn]),
            allow("WriteReplicaItems", ["dynamodb:BatchWriteItem"], [replica.table_arn]),
        ]
    return [
        *statements,
        allow("OwnQueue", CONSUME, [queue_arn]),
        allow("DeadLetters", ["sqs:SendMessage"], [source.dlq_arn]),
        allow("Notifications", ["sns:Publish"], [source.success_topic_arn, source.failure_topic_arn]),
    ]


def verifier_rights(target: TargetConfig, *, source: StorageOutputs, replica: StorageOutputs) -> list[Statement]:
    """Return the rights of who compares a target with its source: to read both, and to write nothing.

    Of the source it may read the objects that the target gets.
    """
    selection = target.objects
    statements = [
        allow("ReadSourceObjects", COMPARE_OBJECT, objects(source.bucket_arn, selection.include or ("",))),
        allow("ReadReplicas", COMPARE_OBJECT, objects(replica.bucket_arn, selection.include or ("",))),
        allow("ListObjects", ["s3:ListBucket"], [source.bucket_arn, replica.bucket_arn]),
    ]
    if selection.exclude:
        statements.append(_excluded(source, selection.exclude))
    if target.items:
        actions = ["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:Scan"]
        statements.append(allow("ReadItems", actions, [source.table_arn, replica.table_arn]))
    return statements


def _excluded(source: StorageOutputs, prefixes: Sequence[str]) -> Statement:
    return {
        "Sid": "ExcludedObjects",
        "Effect": "Deny",
        "Action": list(READ_OBJECT),
        "Resource": objects(source.bucket_arn, prefixes),
    }


def former_rule_arns(source: StorageOutputs) -> list[str]:
    """Return the one rule of all routes, as a former release called it, with a wildcard for the engine's suffix.

    A deploy deletes it last, and until then it sends what each route's own rule may not send yet.
    """
    partition = source.dlq_arn.split(":")[1]
    rules = f"arn:{partition}:events:{source.region}:{source.account_id}:rule/replication-{source.instance}"
    return [f"{rules}-{what}-rule-*" for what in ("objects", "calls")]


def notifier_rights(*, source: StorageOutputs, queue_arns: Sequence[str]) -> list[Statement]:
    """Return the notifier's rights: read the stream, announce to the routes, and hand over what it can't."""
    return [
        allow(
            "ReadStream",
            ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
            [source.table_stream_arn],
        ),
        allow("FindStream", ["dynamodb:ListStreams"], [f"{source.table_arn}/stream/*"]),
        allow("AnnounceAndDeadLetters", ["sqs:SendMessage"], [*queue_arns, source.dlq_arn]),
    ]


def trail_log_policy(bucket_arn: str, *, trail_arn: str, account_id: str) -> dict[str, Any]:
    """Return the policy of a trail's log: this trail writes to it, and calls without TLS are denied.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    this_trail = {"aws:SourceArn": trail_arn}
    return document(
        allow(
            "TrailChecksAcl",
            ["s3:GetBucketAcl"],
            [bucket_arn],
            principal=service("cloudtrail"),
            conditions={"StringEquals": this_trail},
        ),
        allow(
            "TrailWrites",
            ["s3:PutObject"],
            [f"{bucket_arn}/AWSLogs/{account_id}/*"],
            principal=service("cloudtrail"),
            conditions={"StringEquals": {**this_trail, "s3:x-amz-acl": "bucket-owner-full-control"}},
        ),
        deny_insecure_transport("s3:*", [bucket_arn, f"{bucket_arn}/*"]),
    )
