"""An environment's storage as one component."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_common.environments import Environment
from pipeline_common.infra.alarms import alarm
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.limits import QUEUE_SECONDS
from pipeline_common.infra.stack_config import stack_file
from storage_project.bucket_dataset import adopted_bucket, made_bucket
from storage_project.config import DatasetConfig, StorageConfig
from storage_project.policies import (
    dead_letter_queue_policy,
    failure_topic_policy,
    success_topic_policy,
    topic_key_policy,
)
from storage_project.table_dataset import adopted_table, made_table

__all__ = ["EnvironmentStore"]


class EnvironmentStore(pulumi.ComponentResource):
    """An environment's buckets, tables, topics and dead-letter queue (`pipeline:storage:EnvironmentStore`).

    Guarantees: encrypted at rest, TLS only, no public access, no ACLs, a bucket's changes on the account's default
    event bus, a table's on its stream as keys alone (who reads the stream sees no item; the current item is read
    from the table, by who may), dead letters for 14 days and an alarm on them, and every resource tagged. With deletion
    protection buckets, tables and the topics' key can neither be deleted nor replaced, by Pulumi and, for a table, by
    AWS. Of a bucket or a table that is adopted, only that its changes are told is guaranteed, and nothing is changed.

    Leaves out: other alarms (who works with the data decides what is alarming; whom they reach stands here), and
    access for anybody: the policies here restrict, and roles elsewhere grant.
    """

    TOKEN: ClassVar[str] = "pipeline:storage:EnvironmentStore"  # noqa: S105 - a resource type's token

    datasets: Mapping[str, StoredDataset]
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

        self.datasets = {name: self._dataset(name, dataset) for name, dataset in config.datasets.items()}
        key = self._topic_key()
        self.success_topic = self._topic("success", key, success_topic_policy)
        self.failure_topic = self._topic("failure", key, lambda arn: failure_topic_policy(arn, self._account_id))
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
            datasets=self.datasets,
            success_topic_arn=eventually(self.success_topic.arn),
            failure_topic_arn=eventually(self.failure_topic.arn),
            dlq_url=eventually(self.dead_letter_queue.url),
            dlq_arn=eventually(self.dead_letter_queue.arn),
            dlq_alarm_name=eventually(self.dead_letters_alarm.name),
        )

    def _child(self, *, protect: bool | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=protect)

    def _dataset(self, name: str, config: DatasetConfig) -> StoredDataset:
        dataset = config.dataset(name)
        if config.existing:
            adopt = adopted_bucket if dataset.is_bucket else adopted_table
            return adopt(dataset, config.existing, parent=self)
        settings = self._config.of(config)
        if dataset.is_bucket:
            return made_bucket(dataset, settings, parent=self)
        return made_table(dataset, config, settings, parent=self)

    def _topic_key(self) -> aws.kms.Key:
        """Return the key of both topics.

        CloudWatch alarms can't publish to a topic that is encrypted by the AWS managed key `alias/aws/sns`, since its
        policy can't be given to a service: the alarm fires and nobody hears it. Hence a key of our own.
        https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        """
        partition = aws.get_partition_output(opts=pulumi.InvokeOptions(parent=self)).partition
        account_arn = pulumi.Output.format("arn:{0}:iam::{1}:root", partition, self._account_id)
        return aws.kms.Key(
            "topic-key",
            description="Encrypts the notifications of the pipeline's topics",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=pulumi.Output.json_dumps(topic_key_policy(account_arn, self._account_id, self._region)),
            opts=self._child(protect=self._config.deletion_protection),
        )

    def _topic(
        self, name: str, key: aws.kms.Key, policy: Callable[[pulumi.Output[str]], dict[str, Any]]
    ) -> aws.sns.Topic:
        topic = aws.sns.Topic(name, kms_master_key_id=key.arn, opts=self._child())
        aws.sns.TopicPolicy(
            f"{name}-policy",
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(policy(topic.arn)),
            opts=self._child(),
        )
        return topic

    def _alarm_subscriptions(self) -> None:
        subscribers = self._config.alarm_subscribers
        if self._config.alarms_nobody:
            pulumi.log.warn(
                "storage:alarmSubscribers names nobody, so that no alarm and no failure reaches anybody: name who is "
                f"on call in {stack_file()}.",
                self.failure_topic,
            )
        for protocol, endpoints in (("email", subscribers.email), ("https", subscribers.https)):
            for endpoint in endpoints:
                aws.sns.TopicSubscription(
                    # By its endpoint: a place in the list would have everybody after one who is removed confirm anew.
                    f"alarms-{protocol}-{hashlib.sha256(endpoint.encode()).hexdigest()[:8]}",
                    topic=self.failure_topic.arn,
                    protocol=protocol,
                    # A URL holds the key by which its service knows whose alarm it is.
                    endpoint=pulumi.Output.secret(endpoint) if protocol == "https" else endpoint,
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
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": self.dead_letter_queue.name},
            statistic="Maximum",
            threshold=count,
            description=(
                f"The dead-letter queue of {self._environment} holds {count} or more: each dead letter says what "
                "was not done and why; then redrive them."
            ),
            runbook="dead-letters",
            topic_arn=self.failure_topic.arn,
            opts=self._child(),
        )
