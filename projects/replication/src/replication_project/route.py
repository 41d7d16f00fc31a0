"""One target's route: its own queue, function, role, limit and alarms."""

import json
from collections.abc import Callable, Sequence
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import RouteOutputs
from pipeline_common.infra.alarms import AlarmRule, alarm
from pipeline_common.infra.event_target import queue_target
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.live_function import FunctionConfig, LiveFunction
from pipeline_common.infra.policies import queue_for_rules
from replication_core.route_spec import ReplicatorSettings
from replication_project.config import ReplicationConfig, TargetConfig
from replication_project.policies import replicator_rights
from replication_project.sample_verification import SampleVerification
from replication_project.stores import Stores
from replicator_lambda.settings import (
    LATENCY_METRIC,
    MAX_RECEIVES,
    METRICS_NAMESPACE,
    REPLICATOR_HANDLER,
    TARGET_DIMENSION,
)

__all__ = ["ReplicationRoute"]

QUEUE_RETENTION_SECONDS = RouteOutputs.QUEUE_RETENTION_DAYS * 24 * 3600
"""A route may stand still for that long and lose nothing.

SQS counts a dead letter's days from when it was first sent: what a function's crash makes one after such a standstill
has only the rest of them. The alarm on the queue's age comes long before.
"""


class ReplicationRoute(pulumi.ComponentResource):
    """What carries changes to one target and applies them (`pipeline:replication:ReplicationRoute`).

    Guarantees: its role may write to this target only, and read only what the target gets; its queue, its function
    and its concurrency are its own, so that another target's trouble is not felt here; what can't be delivered or
    applied ends in the source's dead-letter queue; lag, a queue that isn't drained, errors and throttles alarm.

    Leaves out: the rule itself, which is every route's, and the table's stream, whose notifier sends to `queue`.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:ReplicationRoute"  # noqa: S105 - a resource type's token

    queue: aws.sqs.Queue
    function: LiveFunction
    mapping: aws.lambda_.EventSourceMapping
    verification: SampleVerification | None
    alarms: Sequence[aws.cloudwatch.MetricAlarm]

    def __init__(
        self,
        name: str,
        config: ReplicationConfig,
        *,
        target: TargetConfig,
        stores: pulumi.Output[Stores],
        rule: aws.cloudwatch.EventRule,
        code: pulumi.Archive,
        tags: Callable[[str], dict[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self._name = name
        self._config = config
        self._target = target
        self._stores = stores
        self._tags = tags
        self.queue = self._queue(rule)
        self._settings = pulumi.Output.all(stores=stores, queue_url=self.queue.url).apply(
            lambda known: self._settings_of(**known)
        )
        self.function = self._function(code)
        self.mapping = aws.lambda_.EventSourceMapping(
            f"{name}-mapping",
            event_source_arn=self.queue.arn,
            function_name=self.function.alias.arn,
            batch_size=config.batch_size,
            maximum_batching_window_in_seconds=config.batch_window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=target.max_concurrency),
            tags=tags(f"{name}-mapping"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=self.function.ready),
        )
        self.verification = self._verification(code)
        self.alarms = [
            *self.function.alarms,
            self._queue_age_alarm(),
            self._lag_alarm(),
            *(self.verification.alarms if self.verification else ()),
        ]
        self.register_outputs({"queue_url": self.queue.url, "alias_arn": self.function.alias.arn})

    def outputs(self) -> RouteOutputs:
        """Return the route's part of the contract, whose scalars are outputs until it is exported."""
        verifier = self.verification.function if self.verification else None
        return RouteOutputs(
            queue_name=eventually(self.queue.name),
            queue_url=eventually(self.queue.url),
            queue_arn=eventually(self.queue.arn),
            function_name=eventually(self.function.function.name),
            function_arn=eventually(self.function.function.arn),
            alias_arn=eventually(self.function.alias.arn),
            event_source_mapping_id=eventually(self.mapping.uuid),
            log_group_name=eventually(self.function.log_group.name),
            verifier_function_name=eventually(verifier.function.name) if verifier else "",
            verifier_log_group_name=eventually(verifier.log_group.name) if verifier else "",
            alarm_names=eventually(pulumi.Output.all(*(one.name for one in self.alarms)).apply(",".join)),
        )

    def _queue(self, rule: aws.cloudwatch.EventRule) -> aws.sqs.Queue:
        name, config = f"{self._name}-queue", self._config
        dead_letters = self._stores.apply(lambda stores: stores.source.dlq_arn)
        queue = aws.sqs.Queue(
            name,
            # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            visibility_timeout_seconds=6 * config.timeout_seconds + config.batch_window_seconds,
            message_retention_seconds=QUEUE_RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            redrive_policy=dead_letters.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
            ),
            tags=self._tags(name),
            opts=pulumi.ResourceOptions(parent=self),
        )
        policy = aws.sqs.QueuePolicy(
            f"{name}-policy",
            queue_url=queue.url,
            policy=pulumi.Output.json_dumps(
                queue_for_rules(
                    queue_arn=queue.arn,
                    rule_arns=rule.arn,
                    account_id=self._stores.apply(lambda stores: stores.source.account_id),
                )
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        queue_target(
            f"{self._name}-events",
            rule=rule,
            target_id=self._name,
            queue=queue,
            policy=policy,
            dead_letters_arn=dead_letters,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return queue

    def _queue_age_alarm(self) -> aws.cloudwatch.MetricAlarm:
        seconds = self._config.queue_age_alarm_seconds
        return alarm(
            f"{self._name}-queue-age",
            AlarmRule(
                namespace="AWS/SQS",
                metric="ApproximateAgeOfOldestMessage",
                statistic="Maximum",
                threshold=seconds,
                periods=3,
                description=(
                    f"Changes have been waiting for {self._target.environment} for "
                    f"{seconds} s or more: its function fails, is throttled or can't keep up."
                ),
                runbook="queue-age",
            ),
            dimensions={"QueueName": self.queue.name},
            topic_arn=self._stores.apply(lambda stores: stores.source.failure_topic_arn),
            tags=self._tags(f"{self._name}-queue-age"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _lag_alarm(self) -> aws.cloudwatch.MetricAlarm:
        seconds = self._config.lag_alarm_seconds
        return alarm(
            f"{self._name}-lag",
            AlarmRule(
                namespace=METRICS_NAMESPACE,
                metric=LATENCY_METRIC,
                statistic="Maximum",
                threshold=seconds * 1000,  # the metric is in milliseconds
                periods=3,
                description=(
                    f"Changes reach {self._target.environment} {seconds} s or more after production has them."
                ),
                runbook="lag",
            ),
            dimensions={
                TARGET_DIMENSION: self._stores.apply(
                    lambda known: str(known.targets[self._target.environment].instance)
                )
            },
            topic_arn=self._stores.apply(lambda stores: stores.source.failure_topic_arn),
            tags=self._tags(f"{self._name}-lag"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _function(self, code: pulumi.Archive) -> LiveFunction:
        config, target = self._config, self._target
        return LiveFunction(
            f"{self._name}-replicator",
            FunctionConfig(
                handler=REPLICATOR_HANDLER,
                description=f"Makes {target.environment} equal to its source, key by key",
                memory_mb=config.memory_mb,
                timeout_seconds=config.timeout_seconds,
                log_retention_days=config.log_retention_days,
                errors_alarm_count=config.errors_alarm_count,
                throttles_alarm_count=config.throttles_alarm_count,
            ),
            code=code,
            environment=self._settings.apply(lambda settings: settings.to_env()),
            rights=pulumi.Output.all(stores=self._stores, queue_arn=self.queue.arn).apply(
                lambda known: replicator_rights(
                    target,
                    source=known["stores"].source,
                    replica=known["stores"].targets[target.environment],
                    queue_arn=known["queue_arn"],
                )
            ),
            alarm_topic_arn=self._stores.apply(lambda stores: stores.source.failure_topic_arn),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _verification(self, code: pulumi.Archive) -> SampleVerification | None:
        if self._target.verify is None:
            return None
        return SampleVerification(
            f"{self._name}-sample",
            self._config,
            self._target.verify,
            target=self._target,
            stores=self._stores,
            route=self._settings,
            code=code,
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _settings_of(self, stores: Stores, queue_url: str) -> ReplicatorSettings:
        target = self._target
        replica = stores.targets[target.environment]
        return self._config.settings(target, source=stores.source, replica=replica, queue_url=queue_url)
