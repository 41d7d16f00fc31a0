"""Every resource type that the stand-in implements, by its token."""

from collections.abc import Mapping

from local_cloud.provider import (
    cloudtrail,
    cloudwatch,
    dynamodb,
    event_sources,
    events,
    federation,
    iam,
    kms,
    lambda_,
    logs,
    s3,
    sns,
    sqs,
)
from local_cloud.provider.resource import Resource

__all__ = ["RESOURCES"]

_TYPES: tuple[type[Resource], ...] = (
    s3.Bucket,
    s3.BucketLifecycleConfiguration,
    s3.BucketNotification,
    s3.BucketOwnershipControls,
    s3.BucketPolicy,
    s3.BucketPublicAccessBlock,
    s3.BucketServerSideEncryptionConfiguration,
    s3.BucketVersioning,
    dynamodb.Table,
    kms.Key,
    sns.Topic,
    sns.TopicPolicy,
    sns.TopicSubscription,
    sqs.Queue,
    sqs.QueuePolicy,
    federation.OpenIdConnectProvider,
    iam.Policy,
    iam.Role,
    iam.RolePolicy,
    iam.RolePolicyAttachment,
    lambda_.Function,
    lambda_.Alias,
    lambda_.FunctionRecursionConfig,
    lambda_.Permission,
    event_sources.EventSourceMapping,
    events.EventRule,
    events.EventTarget,
    cloudtrail.Trail,
    logs.LogGroup,
    cloudwatch.MetricAlarm,
    cloudwatch.Dashboard,
)

RESOURCES: Mapping[str, type[Resource]] = {each.type_name: each for each in _TYPES}
