"""What the replication's roles may do, and who may write to its own bucket. Pure: strings in, statements out."""

from collections.abc import Sequence
from typing import Any

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_common.infra.policies import Statement, allow, deny_insecure_transport, document, objects, service
from replication_project.dataset_pairs import DatasetPair

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


def replicator_rights(pairs: Sequence[DatasetPair], *, source: StorageOutputs, queue_arn: str) -> list[Statement]:
    """Return a route's rights: read what the target gets, write the target, consume its queue, and report.

    Objects that the target does not get can't be read either, so the selection holds even if the code forgot it.
    """
    buckets, tables = _parted(pairs)
    return [
        *_of_some(
            allow("ReadSourceObjects", READ_OBJECT, _selected(buckets)),
            # Without it S3 answers 403 for an object that is not there, which can't be told from a missing right.
            allow("TellAbsentObjects", ["s3:ListBucket"], _both(buckets)),
            allow("WriteReplicas", WRITE_REPLICA, _selected(buckets, of_replica=True)),
            _excluded(buckets),
            allow("ReadSourceItems", ["dynamodb:BatchGetItem"], [pair.source.arn for pair in tables]),
            allow("WriteReplicaItems", ["dynamodb:BatchWriteItem"], [pair.replica.arn for pair in tables]),
        ),
        allow("OwnQueue", CONSUME, [queue_arn]),
        allow("DeadLetters", ["sqs:SendMessage"], [source.dlq_arn]),
        allow("Notifications", ["sns:Publish"], [source.success_topic_arn, source.failure_topic_arn]),
    ]


def verifier_rights(pairs: Sequence[DatasetPair]) -> list[Statement]:
    """Return the rights of who compares a target with its source: to read both, and to write nothing.

    Of the source it may read the objects that the target gets.
    """
    buckets, tables = _parted(pairs)
    return _of_some(
        allow("ReadSourceObjects", COMPARE_OBJECT, _selected(buckets)),
        allow("ReadReplicas", COMPARE_OBJECT, _selected(buckets, of_replica=True)),
        allow("ListObjects", ["s3:ListBucket"], _both(buckets)),
        _excluded(buckets),
        allow("ReadItems", ["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:Scan"], _both(tables)),
    )


def _parted(pairs: Sequence[DatasetPair]) -> tuple[list[DatasetPair], list[DatasetPair]]:
    """Return the buckets, and the tables."""
    return [pair for pair in pairs if pair.is_bucket], [pair for pair in pairs if not pair.is_bucket]


def _of_some(*statements: Statement) -> list[Statement]:
    """Return those that are of any resource: IAM takes no statement of none."""
    return [statement for statement in statements if statement["Resource"]]


def _both(pairs: Sequence[DatasetPair]) -> list[str]:
    return [arn for pair in pairs for arn in (pair.source.arn, pair.replica.arn)]


def _selected(buckets: Sequence[DatasetPair], *, of_replica: bool = False) -> list[str]:
    """Return the objects that the target gets, on one side."""
    return [
        resource
        for pair in buckets
        for resource in objects((pair.replica if of_replica else pair.source).arn, pair.selection.include or ("",))
    ]


def _excluded(buckets: Sequence[DatasetPair]) -> Statement:
    resources = [resource for pair in buckets for resource in objects(pair.source.arn, pair.selection.exclude)]
    return {"Sid": "ExcludedObjects", "Effect": "Deny", "Action": list(READ_OBJECT), "Resource": resources}


def former_rule_arns(source: StorageOutputs) -> list[str]:
    """Return the one rule of all routes, as a former release called it, with a wildcard for the engine's suffix.

    A deploy deletes it last, and until then it sends what each route's own rule may not send yet.
    """
    partition = source.dlq_arn.split(":")[1]
    rules = f"arn:{partition}:events:{source.region}:{source.account_id}:rule/replication-{source.instance}"
    return [f"{rules}-{what}-rule-*" for what in ("objects", "calls")]


def notifier_rights(
    tables: Sequence[StoredDataset], *, source: StorageOutputs, queue_arns: Sequence[str]
) -> list[Statement]:
    """Return the notifier's rights: read the tables' streams, announce to the routes, and hand over what it can't."""
    return [
        *_of_some(
            allow(
                "ReadStream",
                ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                [table.stream_arn for table in tables],
            ),
            allow("FindStream", ["dynamodb:ListStreams"], [f"{table.arn}/stream/*" for table in tables]),
        ),
        allow("AnnounceAndDeadLetters", ["sqs:SendMessage"], [*queue_arns, source.dlq_arn]),
    ]


def trail_log_policy(bucket_arn: str, *, trail_arn: str, account_id: str) -> dict[str, Any]:
    """Return the policy of a trail's log: this trail writes to it, and calls without TLS are denied.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    trail, this = service("cloudtrail"), {"aws:SourceArn": trail_arn}
    owned = {**this, "s3:x-amz-acl": "bucket-owner-full-control"}
    log = [f"{bucket_arn}/AWSLogs/{account_id}/*"]
    return document(
        allow("TrailChecksAcl", ["s3:GetBucketAcl"], [bucket_arn], principal=trail, conditions={"StringEquals": this}),
        allow("TrailWrites", ["s3:PutObject"], log, principal=trail, conditions={"StringEquals": owned}),
        deny_insecure_transport("s3:*", [bucket_arn, f"{bucket_arn}/*"]),
    )
