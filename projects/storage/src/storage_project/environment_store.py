"""An environment's storage as one component."""

import hashlib
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_common.environments import Environment
from pipeline_common.infra.alarms import AlarmRule, alarm
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.limits import QUEUE_SECONDS
from pipeline_common.infra.private_bucket import keep_private
from pipeline_common.infra.stack_config import stack_file
from replication_core.datasets import ITEMS, OBJECTS
from storage_project.config import StorageConfig
from storage_project.policies import (
    bucket_policy,
    dead_letter_queue_policy,
    failure_topic_policy,
    success_topic_policy,
    topic_key_policy,
)

__all__ = ["EnvironmentStore"]


class EnvironmentStore(pulumi.ComponentResource):
    """An environment's bucket, table, topics and dead-letter queue (`pipeline:storage:EnvironmentStore`).

    Guarantees: encrypted at rest, TLS only, no public access, no ACLs, the bucket's changes on the account's default
    event bus, the table's on its stream as keys alone (who reads the stream sees no item; the current item is read
    from the table, by who may), dead letters for 14 days and an alarm on them, and every resource tagged. With deletion
    protection the bucket, the table and the topics' key can neither be deleted nor replaced, by Pulumi and, for the
    table, by AWS.

    Leaves out: other alarms (who works with the data decides what is alarming; whom they reach stands here), and
    access for anybody: the policies here restrict, and roles elsewhere grant.
    """

    TOKEN: ClassVar[str] = "pipeline:storage:EnvironmentStore"  # noqa: S105 - a resource type's token

    bucket: aws.s3.Bucket
    table: aws.dynamodb.Table
    success_topic: aws.sns.Topic
    failure_topic: aws.sns.Topic
    dead_letter_queue: aws.sqs.Queue
    dead_letters_alarm: aws.cloudwatch.MetricAlarm

    def __init__(
        self,
        name: str,
        config: StorageConfig,
        *,
        environment: Environment,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self._config = config
        self._environment = environment
        invoked = pulumi.InvokeOptions(parent=self)
        self._account_id = aws.get_caller_identity_output(opts=invoked).account_id
        self._region = aws.get_region_output(opts=invoked).region

        self.bucket = self._bucket()
        self.table = self._table()
        key = self._topic_key()
        self.success_topic = self._topic("success", key)
        self.failure_topic = self._topic("failure", key)
        self._topic_policies()
        self._alarm_subscriptions()
        self.dead_letter_queue = self._dead_letter_queue()
        self.dead_letters_alarm = self._dead_letters_alarm()
        self.register_outputs(self.outputs().exports())

    def outputs(self) -> StorageOutputs:
        """Return the contract, whose scalars are outputs until it is exported."""
        return StorageOutputs(
            environment=self._environment.name,
            suffix=self._environment.suffix,
            region=eventually(self._region),
            account_id=eventually(self._account_id),
            datasets={
                OBJECTS.name: StoredDataset(
                    dataset=OBJECTS, name=eventually(self.bucket.bucket), arn=eventually(self.bucket.arn)
                ),
                ITEMS.name: StoredDataset(
                    dataset=ITEMS,
                    name=eventually(self.table.name),
                    arn=eventually(self.table.arn),
                    stream_arn=eventually(self.table.stream_arn),
                ),
            },
            success_topic_arn=eventually(self.success_topic.arn),
            failure_topic_arn=eventually(self.failure_topic.arn),
            dlq_url=eventually(self.dead_letter_queue.url),
            dlq_arn=eventually(self.dead_letter_queue.arn),
            dlq_alarm_name=eventually(self.dead_letters_alarm.name),
        )

    def _child(self, *, protect: bool | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=protect)

    def _bucket(self) -> aws.s3.Bucket:
        config = self._config
        bucket = aws.s3.Bucket(
            "objects",
            force_destroy=config.force_destroy,
            opts=self._child(protect=config.deletion_protection),
        )
        keep_private("objects", bucket, policy=bucket_policy(bucket.arn), parent=self)
        aws.s3.BucketNotification("objects-events", bucket=bucket.bucket, eventbridge=True, opts=self._child())
        self._versioning_and_lifecycle(bucket)
        return bucket

    def _versioning_and_lifecycle(self, bucket: aws.s3.Bucket) -> None:
        config = self._config
        before: list[pulumi.Resource] = []
        # An unversioned bucket has no versioning resource: "Disabled" is refused once it was enabled, while removing
        # the resource suspends it.
        if config.versioning:
            before.append(
                aws.s3.BucketVersioning(
                    "objects-versioning",
                    bucket=bucket.bucket,
                    versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
                    opts=self._child(),
                )
            )
        aws.s3.BucketLifecycleConfiguration(
            "objects-lifecycle",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="retention",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=config.retention_days),
                    noncurrent_version_expiration=(
                        aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                            noncurrent_days=config.noncurrent_retention_days
                        )
                    ),
                    abort_incomplete_multipart_upload=(
                        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=config.incomplete_upload_days
                        )
                    ),
                )
            ],
            # The rule for earlier versions is meant for a bucket that already has them.
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )

    def _table(self) -> aws.dynamodb.Table:
        config = self._config
        return aws.dynamodb.Table(
            "items",
            billing_mode="PAY_PER_REQUEST",
            hash_key="id",
            range_key="timestamp",
            attributes=[
                aws.dynamodb.TableAttributeArgs(name="id", type="S"),
                aws.dynamodb.TableAttributeArgs(name="timestamp", type="N"),
                aws.dynamodb.TableAttributeArgs(name="environment", type="S"),
            ],
            global_secondary_indexes=[
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name="environment-index",
                    key_schemas=[
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                            attribute_name="environment", key_type="HASH"
                        ),
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                            attribute_name="timestamp", key_type="RANGE"
                        ),
                    ],
                    projection_type="ALL",
                )
            ],
            stream_enabled=True,
            stream_view_type="KEYS_ONLY",
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=config.point_in_time_recovery),
            deletion_protection_enabled=config.deletion_protection,
            opts=self._child(protect=config.deletion_protection),
        )

    def _topic_key(self) -> aws.kms.Key:
        """Return the key of both topics.

        CloudWatch alarms can't publish to a topic that is encrypted by the AWS managed key `alias/aws/sns`, since its
        policy can't be given to a service: the alarm fires and nobody hears it. Hence a key of our own.
        https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        """
        return aws.kms.Key(
            "topic-key",
            description="Encrypts the notifications of the pipeline's topics",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=pulumi.Output.json_dumps(topic_key_policy(self._account_arn(), self._account_id, self._region)),
            opts=self._child(protect=self._config.deletion_protection),
        )

    def _account_arn(self) -> pulumi.Output[str]:
        partition = aws.get_partition_output(opts=pulumi.InvokeOptions(parent=self)).partition
        return pulumi.Output.format("arn:{0}:iam::{1}:root", partition, self._account_id)

    def _topic(self, name: str, key: aws.kms.Key) -> aws.sns.Topic:
        return aws.sns.Topic(name, kms_master_key_id=key.arn, opts=self._child())

    def _topic_policies(self) -> None:
        aws.sns.TopicPolicy(
            "success-policy",
            arn=self.success_topic.arn,
            policy=pulumi.Output.json_dumps(success_topic_policy(self.success_topic.arn)),
            opts=self._child(),
        )
        aws.sns.TopicPolicy(
            "failure-policy",
            arn=self.failure_topic.arn,
            policy=pulumi.Output.json_dumps(failure_topic_policy(self.failure_topic.arn, self._account_id)),
            opts=self._child(),
        )

    def _alarm_subscriptions(self) -> None:
        subscribers = self._config.alarm_subscribers
        if self._config.alarms_nobody:
            pulumi.log.warn(
                "storage:alarmSubscribers names nobody, so that no alarm and no failure reaches anybody: name who is "
                f"on call in {stack_file()}.",
                self.failure_topic,
            )
        for address in subscribers.email:
            self._alarm_subscription("email", address, address)
        for url in subscribers.https:
            # Such a URL holds the key by which it knows whose alarm it is.
            self._alarm_subscription("https", url, pulumi.Output.secret(url))

    def _alarm_subscription(self, protocol: str, endpoint: str, given: pulumi.Input[str]) -> None:
        # Named after its endpoint: a place in the list would have everybody after one who is removed confirm anew.
        aws.sns.TopicSubscription(
            f"alarms-{protocol}-{hashlib.sha256(endpoint.encode()).hexdigest()[:8]}",
            topic=self.failure_topic.arn,
            protocol=protocol,
            endpoint=given,
            opts=self._child(),
        )

    def _dead_letter_queue(self) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            "dead-letters",
            message_retention_seconds=QUEUE_SECONDS,
            sqs_managed_sse_enabled=True,
            opts=self._child(),
        )
        aws.sqs.QueuePolicy(
            "dead-letters-policy",
            queue_url=queue.url,
            policy=pulumi.Output.json_dumps(dead_letter_queue_policy(queue.arn, self._account_id)),
            opts=self._child(),
        )
        return queue

    def _dead_letters_alarm(self) -> aws.cloudwatch.MetricAlarm:
        count = self._config.dead_letters_alarm_count
        return alarm(
            "dead-letters",
            AlarmRule(
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                statistic="Maximum",
                threshold=count,
                description=(
                    f"The dead-letter queue of {self._environment} holds {count} or more: each dead letter says what "
                    "was not done and why; then redrive them."
                ),
                runbook="dead-letters",
            ),
            dimensions={"QueueName": self.dead_letter_queue.name},
            topic_arn=self.failure_topic.arn,
            opts=self._child(),
        )
