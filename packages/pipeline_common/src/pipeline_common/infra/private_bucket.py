"""What makes a bucket private, and has its objects expire."""

from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = ["expire_objects", "keep_private"]


def keep_private(
    name: str, bucket: aws.s3.Bucket, *, policy: pulumi.Input[dict[str, Any]], parent: pulumi.Resource
) -> aws.s3.BucketPolicy:
    """Register what keeps the bucket private, as `<name>-...`, and return its policy's resource.

    There is no public access, there are no ACLs, and objects are encrypted. `policy` should deny calls without TLS;
    parts of it may be outputs.
    """
    public_access = aws.s3.BucketPublicAccessBlock(
        f"{name}-public-access",
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    aws.s3.BucketOwnershipControls(
        f"{name}-ownership",
        bucket=bucket.bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    by_default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="AES256"
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        bucket=bucket.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(apply_server_side_encryption_by_default=by_default)
        ],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return aws.s3.BucketPolicy(
        f"{name}-policy",
        bucket=bucket.bucket,
        policy=pulumi.Output.json_dumps(policy),
        # Beside a change of the public access block, S3 answers a policy's change with 409 OperationAborted.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[public_access]),
    )


def expire_objects(
    name: str,
    bucket: aws.s3.Bucket,
    *,
    days: int,
    incomplete_upload_days: int,
    noncurrent_days: int | None = None,
    opts: pulumi.ResourceOptions,
) -> None:
    """Register the bucket's lifecycle as `<name>-lifecycle`: for how many days objects, and parts of them, are kept."""
    rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="retention",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=incomplete_upload_days
        ),
    )
    if noncurrent_days is not None:
        rule.noncurrent_version_expiration = aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=noncurrent_days
        )
    aws.s3.BucketLifecycleConfiguration(f"{name}-lifecycle", bucket=bucket.bucket, rules=[rule], opts=opts)
