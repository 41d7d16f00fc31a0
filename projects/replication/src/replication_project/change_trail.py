"""A trail that records the writes of the source and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs, StoredDataset
from pipeline_common.infra.private_bucket import expire_objects, keep_private
from replication_project.policies import trail_log_policy
from replication_project.stores import Stores

__all__ = ["ChangeTrail"]

INCOMPLETE_UPLOAD_DAYS = 1


class ChangeTrail(pulumi.ComponentResource):
    """A trail and the bucket of its log (`pipeline:replication:ChangeTrail`).

    Guarantees: the writes of objects and items in the source's datasets that some target gets are recorded, no reads
    and no other resource, so that what is written to the log is not recorded itself; the log is private, encrypted,
    written by this trail alone, and kept for as long as the functions' logs.

    Leaves out: an audit. The trail is there to be read by the routes' rules, destroying the stack deletes its log, and
    who needs one names a trail of his own instead.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:ChangeTrail"  # noqa: S105 - a resource type's token

    trail: aws.cloudtrail.Trail

    def __init__(
        self,
        name: str,
        *,
        log_retention_days: int,
        stores: pulumi.Output[Stores],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        log = aws.s3.Bucket(f"{name}-log", force_destroy=True, opts=pulumi.ResourceOptions(parent=self))
        source = stores.apply(lambda known: known.source)
        statements = pulumi.Output.all(log.arn, source).apply(
            lambda known: trail_log_policy(known[0], trail_arn=_trail_arn(known[1]), account_id=known[1].account_id)
        )
        policy = keep_private(f"{name}-log", log, policy=statements, parent=self)
        expire_objects(
            f"{name}-log",
            log,
            days=log_retention_days,
            incomplete_upload_days=INCOMPLETE_UPLOAD_DAYS,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.trail = aws.cloudtrail.Trail(
            name,
            # Named here, because the log's policy has to name it before there is a trail.
            name=source.apply(_trail_name),
            s3_bucket_name=log.bucket,
            include_global_service_events=False,
            enable_log_file_validation=True,
            advanced_event_selectors=stores.apply(lambda known: _selectors(known.replicated)),
            # CloudTrail makes no trail that its log's bucket does not let in.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.register_outputs({"trail_arn": self.trail.arn})


def _trail_name(source: StorageOutputs) -> str:
    return f"{ReplicationOutputs.PROJECT}-{source.instance}"


def _trail_arn(source: StorageOutputs) -> str:
    partition = source.dlq_arn.split(":")[1]
    return f"arn:{partition}:cloudtrail:{source.region}:{source.account_id}:trail/{_trail_name(source)}"


def _selectors(datasets: Sequence[StoredDataset]) -> Sequence[aws.cloudtrail.TrailAdvancedEventSelectorArgs]:
    """Return the selectors of the datasets' writes.

    The slash ends a bucket's name, so that no bucket is meant whose name begins alike.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
    """
    buckets = [f"{stored.arn}/" for stored in datasets if stored.dataset.is_bucket]
    tables = [stored.arn for stored in datasets if not stored.dataset.is_bucket]
    return [
        *([_writes("objects", "AWS::S3::Object", starts_withs=buckets)] if buckets else []),
        *([_writes("items", "AWS::DynamoDB::Table", equals=tables)] if tables else []),
    ]


def _writes(name: str, kind: str, **arn: Sequence[str]) -> aws.cloudtrail.TrailAdvancedEventSelectorArgs:
    fields: Mapping[str, Any] = {
        "eventCategory": {"equals": ["Data"]},
        "readOnly": {"equals": ["false"]},
        "resources.type": {"equals": [kind]},
        "resources.ARN": arn,
    }
    return aws.cloudtrail.TrailAdvancedEventSelectorArgs(
        name=name,
        field_selectors=[
            aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs(field=field, **condition)
            for field, condition in fields.items()
        ],
    )
