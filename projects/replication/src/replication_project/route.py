"""One target's route: its own queue, function, role, limit and alarms."""

from collections.abc import Sequence
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import RouteOutputs
from pipeline_common.infra.alarms import AlarmRule, alarm
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.lambda_archive import with_document
from pipeline_common.infra.live_function import FunctionConfig, LiveFunction
from pipeline_common.infra.queue_function import Feed, QueueConfig, QueueFunction
from replication_core.route_spec import ROUTE_FILE, RouteSpec
from replication_project.change_rule import ChangeRule, change_rule
from replication_project.config import ReplicationConfig, TargetConfig
from replication_project.policies import former_rule_arns, replicator_rights
from replication_project.rule_patterns import change_pattern
from replication_project.sample_verification import SampleVerification
from replication_project.specification import route_spec
from replication_project.stores import Stores
from replicator_lambda.settings import (
    LATENCY_METRIC,
    MAX_RECEIVES,
    METRICS_NAMESPACE,
    REPLICATOR_HANDLER,
    TARGET_DIMENSION,
)

__all__ = ["ReplicationRoute"]


class ReplicationRoute(pulumi.ComponentResource):
    """What carries changes to one target and applies them (`pipeline:replication:ReplicationRoute`).

    Guarantees: its role may write to this target only, and read only what the target gets; its rule, its queue, its
    function and its concurrency are its own, so that another target's trouble is not felt here; what can't be delivered
    or applied ends in the source's dead-letter queue; undelivered events, lag, a queue that isn't drained, errors and
    throttles alarm.

    Leaves out: the tables' streams, whose notifier sends to the queue.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:ReplicationRoute"  # noqa: S105 - a resource type's token

    changes: ChangeRule
    worker: QueueFunction
    spec: pulumi.Output[RouteSpec]
    verification: SampleVerification | None
    alarms: Sequence[aws.cloudwatch.MetricAlarm]

    def __init__(
        self,
        name: str,
        config: ReplicationConfig,
        *,
        target: TargetConfig,
        stores: pulumi.Output[Stores],
        code: pulumi.AssetArchive,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self._name = name
        self._config = config
        self._target = target
        self._stores = stores
        self.changes = change_rule(
            name,
            target=target.environment,
            pattern=stores.apply(lambda known: change_pattern(config.capture, known.pairs[target.environment])),
            topic_arn=stores.apply(lambda known: known.source.failure_topic_arn),
            parent=self,
        )
        self.worker = self._worker(code)
        self.spec = self._spec(self.worker.queue)
        self.verification = self._verification(code)
        self.alarms = [
            *self.changes.alarms,
            *self.worker.alarms,
            self._lag_alarm(),
            *(self.verification.alarms if self.verification else ()),
        ]
        self.register_outputs({"queue_url": self.worker.queue.url, "alias_arn": self.worker.function.alias.arn})

    def outputs(self) -> RouteOutputs:
        """Return the route's part of the contract, whose scalars are outputs until it is exported."""
        queue, function = self.worker.queue, self.worker.function
        verifier = self.verification.function if self.verification else None
        return RouteOutputs(
            rule_name=eventually(self.changes.rule.name),
            rule_arn=eventually(self.changes.rule.arn),
            queue_name=eventually(queue.name),
            queue_url=eventually(queue.url),
            queue_arn=eventually(queue.arn),
            function_name=eventually(function.function.name),
            function_arn=eventually(function.function.arn),
            alias_arn=eventually(function.alias.arn),
            event_source_mapping_id=eventually(self.worker.mapping.uuid),
            log_group_name=eventually(function.log_group.name),
            verifier_function_name=eventually(verifier.function.name) if verifier else "",
            verifier_log_group_name=eventually(verifier.log_group.name) if verifier else "",
            spec=eventually(self.spec.apply(lambda spec: spec.document())),
            alarm_names=eventually(pulumi.Output.all(*(one.name for one in self.alarms)).apply(",".join)),
        )

    def _worker(self, code: pulumi.AssetArchive) -> QueueFunction:
        config, environment = self._config, self._target.environment
        return QueueFunction(
            f"{self._name}-",
            QueueConfig(
                timeout_seconds=config.timeout_seconds,
                max_receives=MAX_RECEIVES,
                batch_size=config.batch_size,
                batch_window_seconds=config.batch_window_seconds,
                max_concurrency=self._target.max_concurrency,
                age_alarm_seconds=config.queue_age_alarm_seconds,
                age_alarm=(
                    f"Changes have been waiting for {environment} for {config.queue_age_alarm_seconds} s or more: its "
                    "function fails, is throttled or can't keep up."
                ),
            ),
            feeds=[Feed(name=f"{self._name}-events", target_id=self._name, rule=self.changes.rule)],
            former_rule_arns=self._stores.apply(lambda stores: former_rule_arns(stores.source)),
            function=lambda queue: self._function(code, queue),
            store=self._stores.apply(lambda stores: stores.source),
            parent=self,
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
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _function(self, code: pulumi.AssetArchive, queue: aws.sqs.Queue) -> LiveFunction:
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
            code=self._code(code, queue),
            environment={},
            rights=pulumi.Output.all(stores=self._stores, queue_arn=queue.arn).apply(
                lambda known: replicator_rights(
                    known["stores"].pairs[target.environment],
                    source=known["stores"].source,
                    queue_arn=known["queue_arn"],
                )
            ),
            alarm_topic_arn=self._stores.apply(lambda stores: stores.source.failure_topic_arn),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _verification(self, code: pulumi.AssetArchive) -> SampleVerification | None:
        if self._target.verify is None:
            return None
        return SampleVerification(
            f"{self._name}-sample",
            self._config,
            self._target.verify,
            target=self._target,
            stores=self._stores,
            code=self._code(code, self.worker.queue),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _code(self, code: pulumi.AssetArchive, queue: aws.sqs.Queue) -> pulumi.Output[pulumi.Archive]:
        return with_document(code, ROUTE_FILE, self._spec(queue).apply(lambda spec: spec.document()))

    def _spec(self, queue: aws.sqs.Queue) -> pulumi.Output[RouteSpec]:
        def told(stores: Stores, queue_url: str) -> RouteSpec:
            environment = self._target.environment
            return route_spec(
                self._config,
                self._target,
                source=stores.source,
                replica=stores.targets[environment],
                pairs=stores.pairs[environment],
                queue_url=queue_url,
            )

        return pulumi.Output.all(stores=self._stores, queue_url=queue.url).apply(lambda known: told(**known))
