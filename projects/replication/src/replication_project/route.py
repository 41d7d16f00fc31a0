"""One target's route: its own rule, queue, function, role, limit and alarms."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import RouteOutputs
from pipeline_common.holds import Hold
from pipeline_common.infra.alarms import ONE_DAY_SECONDS, alarm
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.lambda_archive import with_document
from pipeline_common.infra.live_function import LiveFunction
from pipeline_common.infra.part import Shift
from pipeline_common.infra.policies import Statement
from pipeline_common.infra.queue_function import Feed, QueueConfig, QueueFunction
from pipeline_common.release import deployed_version
from replication_core.delete_brake import BRAKE_EXPIRY, BRAKE_KEY
from replication_core.masking.policy import MaskingPolicy
from replication_core.route_spec import ROUTE_FILE, RouteSpec
from replication_project.config import ReplicationConfig, TargetConfig
from replication_project.policies import brake_rights, former_rule_arns, mask_key_policy, replicator_rights
from replication_project.rule_patterns import change_pattern
from replication_project.sample_verification import SampleVerification
from replication_project.specification import route_spec
from replication_project.stores import Stores
from replicator_lambda.settings import (
    BRAKED_METRIC,
    LATENCY_METRIC,
    MAX_RECEIVES,
    METRICS_NAMESPACE,
    REPLICATOR_HANDLER,
    TARGET_DIMENSION,
)

__all__ = ["ReplicationRoute"]

UNDELIVERED = (
    (
        "undelivered",
        "FailedInvocations",
        "Events did not reach the queue of {target}: they are dead letters, to be redriven.",
    ),
    (
        "lost",
        "InvocationsFailedToBeSentToDlq",
        "Events reached neither the queue of {target} nor the dead letters, and are lost: compare and repair.",
    ),
)
"""The alarms on the rule: a name, the metric and what it means.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
"""


class ReplicationRoute(pulumi.ComponentResource):
    """What carries changes to one target and applies them (`pipeline:replication:ReplicationRoute`).

    Guarantees: its role may write to this target only, and read only what the target gets; what masks has a key of its
    own, that no other route and no other environment may use; its rule, its queue, its
    function and its concurrency are its own, so that another target's trouble is not felt here; what can't be delivered
    or applied ends in the source's dead-letter queue; undelivered events, lag, a queue that isn't drained, errors and
    throttles alarm.

    Leaves out: the tables' streams, whose notifier sends to the queue.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:ReplicationRoute"  # noqa: S105 - a resource type's token

    rule: aws.cloudwatch.EventRule
    mask_key: aws.kms.Key | None = None
    """The key that pseudonyms are made with; None where nothing is masked."""
    brake_table: aws.dynamodb.Table | None = None
    """Where its deletes are counted; None where its policy has no brake."""
    worker: QueueFunction
    spec: pulumi.Output[RouteSpec]
    verification: SampleVerification | None = None
    alarms: Sequence[aws.cloudwatch.MetricAlarm]

    def __init__(
        self,
        name: str,
        config: ReplicationConfig,
        *,
        target: TargetConfig,
        policy: MaskingPolicy | None,
        shadow: MaskingPolicy | None,
        stores: pulumi.Output[Stores],
        code: pulumi.AssetArchive,
        hold: Hold | None = None,
        shift: Shift | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self._name, self._config, self._target, self._stores = name, config, target, stores
        self._policy, self._shadow, self._hold, self._shift = policy, shadow, hold, shift
        self._topic_arn = stores.apply(lambda known: known.source.failure_topic_arn)
        self.rule = aws.cloudwatch.EventRule(
            f"{name}-rule",
            description=f"Changes of the source that {target.environment} gets, for the queue of its route",
            event_pattern=stores.apply(lambda known: change_pattern(config.capture, known.pairs[target.environment])),
            opts=pulumi.ResourceOptions(parent=self),
        )
        if policy is not None:
            self.mask_key = self._mask_key()
        self._mask_key_arn = self.mask_key.arn if self.mask_key else pulumi.Output.from_input("")
        if policy is not None and policy.brake is not None:
            self.brake_table = self._brake_table()
        self.worker = self._worker(code)
        if target.verify is not None:
            self.verification = SampleVerification(
                f"{name}-sample",
                config,
                target.verify,
                target=target,
                stores=stores,
                mask_key_arn=self._mask_key_arn,
                code=self._code,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.alarms = [
            *self._rule_alarms(),
            *self.worker.alarms,
            self._lag_alarm(),
            *([self._brake_alarm()] if self.brake_table else []),
            *(self.verification.alarms if self.verification else ()),
        ]
        self.register_outputs({"queue_url": self.worker.queue.url, "alias_arn": self.worker.function.alias.arn})

    def outputs(self) -> RouteOutputs:
        """Return the route's part of the contract, whose scalars are outputs until it is exported."""
        queue, function = self.worker.queue, self.worker.function
        verifier = self.verification.function if self.verification else None
        return RouteOutputs(
            rule_name=eventually(self.rule.name),
            rule_arn=eventually(self.rule.arn),
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
            version=eventually(function.alias.function_version),
            held=self._hold.document() if self._hold else {},
            alarm_names=eventually(pulumi.Output.all(*(one.name for one in self.alarms)).apply(",".join)),
        )

    def _mask_key(self) -> aws.kms.Key:
        """Return the key, which outlives every release and policy: another one would change every pseudonym."""
        target = self._target.environment
        users = self._config.mask_key_users
        policy = self._stores.apply(lambda known: mask_key_policy(known.source, target, users))
        return aws.kms.Key(
            f"{self._name}-mask-key",
            description=f"What the pseudonyms in {target} are made with: without it none can be made again",
            key_usage="GENERATE_VERIFY_MAC",
            customer_master_key_spec="HMAC_256",
            deletion_window_in_days=30,
            policy=pulumi.Output.json_dumps(policy),
            opts=pulumi.ResourceOptions(parent=self, protect=self._config.deletion_protection),
        )

    def _brake_table(self) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            f"{self._name}-brake",
            billing_mode="PAY_PER_REQUEST",
            hash_key=BRAKE_KEY,
            attributes=[aws.dynamodb.TableAttributeArgs(name=BRAKE_KEY, type="S")],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=BRAKE_EXPIRY, enabled=True),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _brake_alarm(self) -> aws.cloudwatch.MetricAlarm:
        return alarm(
            f"{self._name}-brake-holds",
            namespace=METRICS_NAMESPACE,
            metric=BRAKED_METRIC,
            dimensions=self._dimensions,
            statistic="Maximum",
            threshold=1,
            period_seconds=ONE_DAY_SECONDS,
            description=f"The route would delete too much of {self._target.environment}, and has paused itself.",
            runbook="a-brake-that-holds",
            topic_arn=self._topic_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )

    @property
    def _dimensions(self) -> dict[str, pulumi.Output[str]]:
        target = self._target.environment
        return {TARGET_DIMENSION: self._stores.apply(lambda known: str(known.targets[target].instance))}

    def _worker(self, code: pulumi.AssetArchive) -> QueueFunction:
        config, environment = self._config, self._target.environment

        def function(queue: aws.sqs.Queue) -> LiveFunction:
            """Register the function that works off the queue, which its specification names."""
            told = pulumi.Output.all(
                stores=self._stores,
                queue_url=queue.url,
                mask_key_arn=self._mask_key_arn,
                brake_table=self.brake_table.name if self.brake_table else "",
            )
            release = str(deployed_version())
            of_target = partial(
                route_spec, config, self._target, policy=self._policy, shadow=self._shadow, release=release
            )
            self.spec = told.apply(lambda known: of_target(**known))
            self._code = with_document(code, ROUTE_FILE, self.spec.apply(lambda spec: spec.document()))
            return self._function(queue)

        return QueueFunction(
            f"{self._name}-",
            QueueConfig(
                timeout_seconds=config.timeout_seconds,
                max_receives=MAX_RECEIVES,
                batch_size=config.batch_size,
                batch_window_seconds=config.batch_window_seconds,
                max_concurrency=self._target.max_concurrency,
                feeds_itself=self._policy is not None,
                age_alarm_seconds=config.queue_age_alarm_seconds,
                age_alarm=(
                    f"Changes have been waiting for {environment} for {config.queue_age_alarm_seconds} s or more: its "
                    "function fails, is throttled or can't keep up."
                ),
            ),
            feeds=[Feed(name=f"{self._name}-events", target_id=self._name, rule=self.rule)],
            former_rule_arns=self._stores.apply(lambda stores: former_rule_arns(stores.source)),
            function=function,
            store=self._stores.apply(lambda stores: stores.source),
            parent=self,
        )

    def _function(self, queue: aws.sqs.Queue) -> LiveFunction:
        target = self._target
        return LiveFunction(
            f"{self._name}-replicator",
            self._config,
            handler=REPLICATOR_HANDLER,
            description=f"Makes {target.environment} equal to its source, key by key",
            code=self._code,
            environment={},
            rights=pulumi.Output.all(
                self._stores,
                queue.arn,
                self._mask_key_arn,
                self.brake_table.arn if self.brake_table else "",
            ).apply(lambda known: self._rights(*known)),
            alarm_topic_arn=self._topic_arn,
            held_at=self._hold.version if self._hold else None,
            shift=self._shift,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _rights(self, stores: Stores, queue_arn: str, mask_key_arn: str, brake_table_arn: str) -> list[Statement]:
        target, source = self._target.environment, stores.source
        pairs = stores.pairs[target]
        brake = brake_rights(pairs, source=source, target=target, table_arn=brake_table_arn) if brake_table_arn else ()
        return replicator_rights(pairs, source=source, queue_arn=queue_arn, mask_key_arn=mask_key_arn, own_brake=brake)

    def _rule_alarms(self) -> list[aws.cloudwatch.MetricAlarm]:
        return [
            alarm(
                f"{self._name}-{what}",
                namespace="AWS/Events",
                metric=metric,
                dimensions={"RuleName": self.rule.name},
                statistic="Sum",
                threshold=1,
                period_seconds=300,
                description=meaning.format(target=self._target.environment),
                runbook="undelivered-events",
                topic_arn=self._topic_arn,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for what, metric, meaning in UNDELIVERED
        ]

    def _lag_alarm(self) -> aws.cloudwatch.MetricAlarm:
        seconds, environment = self._config.lag_alarm_seconds, self._target.environment
        return alarm(
            f"{self._name}-lag",
            namespace=METRICS_NAMESPACE,
            metric=LATENCY_METRIC,
            dimensions=self._dimensions,
            statistic="Maximum",
            threshold=seconds * 1000,  # the metric is in milliseconds
            periods=3,
            description=f"Changes reach {environment} {seconds} s or more after production has them.",
            runbook="lag",
            topic_arn=self._topic_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
