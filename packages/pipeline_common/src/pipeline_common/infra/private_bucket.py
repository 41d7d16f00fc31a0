"""What makes a bucket private: no public access, no ACLs, encryption, and a policy of its own."""

from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = ["keep_private"]


def keep_private(
    name: str, bucket: aws.s3.Bucket, *, policy: pulumi.Input[dict[str, Any]], parent: pulumi.Resource
) -> aws.s3.BucketPolicy:
    """Register what keeps the bucket private, as `<name>-...`, and return its policy's resource.

    `policy` should deny calls without TLS; parts of it may be outputs.
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
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        bucket=bucket.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=(
                    aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256"
                    )
                )
            )
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
