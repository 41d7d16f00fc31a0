"""What the replication's roles may do, and who may write to its own bucket. Pure: strings in, statements out."""

from collections.abc import Sequence
from typing import Any

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_common.infra.policies import (
    Statement,
    allow,
    deny_insecure_transport,
    document,
    key_administration,
    objects,
    service,
)
from replication_project.dataset_pairs import DatasetPair

__all__ = [
    "brake_rights",
    "former_rule_arns",
    "mask_key_policy",
    "notifier_rights",
    "replicator_rights",
    "trail_log_policy",
    "verifier_rights",
]

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
GENERATE_MAC = "kms:GenerateMac"
CONSUME = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")


def replicator_rights(
    pairs: Sequence[DatasetPair],
    *,
    source: StorageOutputs,
    queue_arn: str,
    mask_key_arn: str = "",
    own_brake: Sequence[Statement] = (),
) -> list[Statement]:
    """Return a route's rights: read what the target gets, write the target, consume its queue, and report.

    Objects that the target does not get can't be read either, so the selection holds even if the code forgot it. A
    route that masks has a key, and its replicas keys of their own.
    """
    buckets, tables = _parted(pairs)
    return [
        *_of_some(
            allow("ReadSourceObjects", READ_OBJECT, _selected(buckets)),
            # Without it S3 answers 403 for an object that is not there, which can't be told from a missing right.
            allow("TellAbsentObjects", ["s3:ListBucket"], _both(buckets)),
            allow("WriteReplicas", WRITE_REPLICA, _replicas(buckets, mask_key_arn)),
            *_masking(mask_key_arn, buckets, tables),
            _excluded(buckets),
            allow("ReadSourceItems", ["dynamodb:BatchGetItem"], [pair.source.arn for pair in tables]),
            allow("WriteReplicaItems", ["dynamodb:BatchWriteItem"], [pair.replica.arn for pair in tables]),
        ),
        # What masks a body, and has no time for the rest of it, asks its own queue for that.
        allow("OwnQueue", (*CONSUME, "sqs:SendMessage") if mask_key_arn else CONSUME, [queue_arn]),
        *own_brake,
        allow("DeadLetters", ["sqs:SendMessage"], [source.dlq_arn]),
        allow("Notifications", ["sns:Publish"], [source.success_topic_arn, source.failure_topic_arn]),
    ]


def verifier_rights(pairs: Sequence[DatasetPair], *, mask_key_arn: str = "") -> list[Statement]:
    """Return the rights of who compares a target with its source: to read both, and to write nothing.

    Of the source it may read the objects that the target gets.
    """
    buckets, tables = _parted(pairs)
    return _of_some(
        allow("ReadSourceObjects", COMPARE_OBJECT, _selected(buckets)),
        allow("ReadReplicas", COMPARE_OBJECT, _replicas(buckets, mask_key_arn)),
        allow("ListObjects", ["s3:ListBucket"], _both(buckets)),
        _excluded(buckets),
        allow("ReadItems", ["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:Scan"], _both(tables)),
        *_pseudonyms(mask_key_arn),
    )


def brake_rights(
    pairs: Sequence[DatasetPair], *, source: StorageOutputs, target: str, table_arn: str
) -> list[Statement]:
    """Return the rights of a route with a brake: to count its deletes and its replicas, and to pause itself.

    What reads its queue is told by its function alone, whose name the engine makes; which one that is can be listed of
    no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    """
    place = f"arn:{source.partition}:lambda:{source.region}:{source.account_id}"
    own = f"{place}:function:replication-{source.instance}-route-{target}-replicator-*"
    return [
        allow("CountDeletes", ["dynamodb:GetItem", "dynamodb:UpdateItem"], [table_arn]),
        *_of_some(allow("CountReplicaItems", ["dynamodb:Scan"], [each.replica.arn for each in _parted(pairs)[1]])),
        allow("FindOwnMapping", ["lambda:ListEventSourceMappings"], ["*"]),
        allow(
            "PauseItself",
            ["lambda:UpdateEventSourceMapping"],
            [f"{place}:event-source-mapping:*"],
            conditions={"ArnLike": {"lambda:FunctionArn": own}},
        ),
    ]


def _parted(pairs: Sequence[DatasetPair]) -> tuple[list[DatasetPair], list[DatasetPair]]:
    """Return the buckets, and the tables."""
    return [pair for pair in pairs if pair.is_bucket], [pair for pair in pairs if not pair.is_bucket]


def _of_some(*statements: Statement) -> list[Statement]:
    """Return those that are of any resource: IAM takes no statement of none."""
    return [statement for statement in statements if statement["Resource"]]


def _both(pairs: Sequence[DatasetPair]) -> list[str]:
    return [arn for pair in pairs for arn in (pair.source.arn, pair.replica.arn)]


def _pseudonyms(mask_key_arn: str) -> list[Statement]:
    return [allow("Pseudonyms", [GENERATE_MAC], [mask_key_arn])] if mask_key_arn else []


def _masking(mask_key_arn: str, buckets: Sequence[DatasetPair], tables: Sequence[DatasetPair]) -> list[Statement]:
    """Return what a route may that masks: go on with an upload, and find and delete what another policy made."""
    if not mask_key_arn:
        return []
    replicas = _replicas(buckets, mask_key_arn)
    outdated = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]
    return [
        *_pseudonyms(mask_key_arn),
        allow("GoOnWithUploads", ["s3:ListMultipartUploadParts"], replicas),
        allow("OutdatedReplicaItems", outdated, [pair.replica.arn for pair in tables]),
    ]


def _selected(buckets: Sequence[DatasetPair]) -> list[str]:
    """Return the source's objects that the target gets."""
    return [each for pair in buckets for each in objects(pair.source.arn, pair.selection.include or ("",))]


def _replicas(buckets: Sequence[DatasetPair], mask_key_arn: str) -> list[str]:
    """Return where the target has them: under the same keys, or, masked, under any."""
    prefixes = [("",) if mask_key_arn else pair.selection.include or ("",) for pair in buckets]
    return [each for pair, chosen in zip(buckets, prefixes, strict=True) for each in objects(pair.replica.arn, chosen)]


def _excluded(buckets: Sequence[DatasetPair]) -> Statement:
    resources = [resource for pair in buckets for resource in objects(pair.source.arn, pair.selection.exclude)]
    return {"Sid": "ExcludedObjects", "Effect": "Deny", "Action": list(READ_OBJECT), "Resource": resources}


def former_rule_arns(source: StorageOutputs) -> list[str]:
    """Return the one rule of all routes, as a former release called it, with a wildcard for the engine's suffix.

    A deploy deletes it last, and until then it sends what each route's own rule may not send yet.
    """
    rules = f"arn:{source.partition}:events:{source.region}:{source.account_id}:rule/replication-{source.instance}"
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


def mask_key_policy(source: StorageOutputs, target: str, users: Sequence[str] = ()) -> dict[str, Any]:
    """Return the policy of the key that a route's pseudonyms are made with.

    Who may use it stands in roles' own policies, and of functions only this route's may: neither another environment's,
    whose data could be joined by it with what stands behind the pseudonyms, nor another route's. Where `users` are
    named, ARNs of theirs or patterns of such, nobody else may but the workflows: a session can have other tags than its
    role, where the role's trust lets it, and they win over the role's, but no other ARN
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html). A key's policy can't name a role that is
    not there yet, hence the conditions: https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
    """
    account = f"arn:{source.partition}:iam::{source.account_id}"
    own = f"{account}:role/replication-{source.instance}-route-{target}-*"
    workflows = f"{account}:role/delivery/*"
    functions = [f"{account}:role/{project}-*" for project in ("processing", "replication")]
    who = "aws:PrincipalArn"

    def denied(sid: str, conditions: dict[str, dict[str, Any]]) -> Statement:
        statement = {"Sid": sid, "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": [GENERATE_MAC]}
        return {**statement, "Resource": ["*"], "Condition": conditions}

    environment = "aws:PrincipalTag/Environment"
    others = denied("Others", {"ArnNotLike": {who: [own, workflows, *users]}})
    return document(
        key_administration(f"{account}:root"),
        allow("UseByRoles", [GENERATE_MAC], ["*"], principal={"AWS": f"{account}:root"}),
        denied(
            "OtherEnvironments",
            {
                "StringNotEquals": {environment: source.environment},
                "Null": {environment: "false"},
                "ArnNotLike": {who: workflows},
            },
        ),
        denied("OtherFunctions", {"ArnLike": {who: functions}, "ArnNotLike": {who: own}}),
        *([others] if users else []),
    )


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
