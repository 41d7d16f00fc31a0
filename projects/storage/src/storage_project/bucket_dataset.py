"""A dataset's bucket: one that is made, or one that is there."""

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StoredDataset
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.private_bucket import expire_objects, keep_private
from replication_core.datasets import Dataset
from storage_project.adoption import Adoption, looked_up
from storage_project.config import StorageConfig
from storage_project.policies import bucket_policy

__all__ = ["adopted_bucket", "made_bucket"]


def made_bucket(dataset: Dataset, settings: StorageConfig, *, parent: pulumi.Resource) -> StoredDataset:
    """Declare the dataset's bucket and what belongs to it, named after the dataset."""
    name = dataset.name
    child = pulumi.ResourceOptions(parent=parent)
    bucket = aws.s3.Bucket(
        name,
        force_destroy=settings.force_destroy,
        opts=pulumi.ResourceOptions(parent=parent, protect=settings.deletion_protection),
    )
    keep_private(name, bucket, policy=bucket_policy(bucket.arn), parent=parent)
    aws.s3.BucketNotification(f"{name}-events", bucket=bucket.bucket, eventbridge=True, opts=child)
    before: list[pulumi.Resource] = []
    # An unversioned bucket has no versioning resource: "Disabled" is refused once it was enabled, while removing
    # the resource suspends it.
    if settings.versioning:
        enabled = aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled")
        before.append(
            aws.s3.BucketVersioning(
                f"{name}-versioning", bucket=bucket.bucket, versioning_configuration=enabled, opts=child
            )
        )
    expire_objects(
        name,
        bucket,
        days=settings.retention_days,
        noncurrent_days=settings.noncurrent_retention_days,
        incomplete_upload_days=settings.incomplete_upload_days,
        # The rule for earlier versions is meant for a bucket that already has them.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=before),
    )
    return StoredDataset(dataset=dataset, name=eventually(bucket.bucket), arn=eventually(bucket.arn))


def adopted_bucket(dataset: Dataset, name: str, *, parent: pulumi.Resource) -> StoredDataset:
    """Look up a bucket that is there, and leave all of it as it is.

    Raises StackConfigError unless it is in the stack's region and announces its changes on the event bus.
    """
    adoption = Adoption(dataset, name)
    with looked_up(adoption):
        found = aws.s3.get_bucket(bucket=name, opts=pulumi.InvokeOptions(parent=parent))
    if found.bucket_region != found.region:
        adoption.refuse(f"is in {found.bucket_region}, whose events {found.region} never sees: name one in this region")
    # No data source tells it. A resource that is only read is never changed or deleted by the engine.
    told = aws.s3.BucketNotification.get(
        f"{dataset.name}-existing-events", name, bucket=name, opts=pulumi.ResourceOptions(parent=parent)
    )

    def announced(known: list[object]) -> str:
        eventbridge, *others = known
        if not eventbridge:
            keep = ", with what it notifies today in the same document, since that replaces it" if any(others) else ""
            adoption.refuse(
                "does not tell EventBridge of its changes: have it do so by `aws s3api "
                f"put-bucket-notification-configuration --bucket {name} --notification-configuration "
                f"'{{\"EventBridgeConfiguration\": {{}}}}'`{keep}"
            )
        return name

    notified = pulumi.Output.all(told.eventbridge, told.queues, told.topics, told.lambda_functions)
    return StoredDataset(dataset=dataset, name=eventually(notified.apply(announced)), arn=found.arn)
