"""How changes of the table are noticed: by its stream, which a notifier reads for all routes."""

from collections.abc import Sequence
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.infra.alarms import AlarmRule, alarm
from pipeline_common.infra.lambda_archive import with_document
from pipeline_common.infra.live_function import FunctionConfig, LiveFunction
from replication_core.route_spec import ROUTES_FILE, routes_document
from replication_project.config import ReplicationConfig
from replication_project.policies import notifier_rights
from replication_project.route import ReplicationRoute
from replication_project.stores import Stores
from replicator_lambda.settings import NOTIFIER_HANDLER

__all__ = ["ItemChanges"]

NOTIFIER_MEMORY_MB = 256
NOTIFIER_TIMEOUT_SECONDS = 60
NOTIFIER_BATCH_SIZE = 1000
MAX_RECORD_AGE_SECONDS = 23 * 3600
"""An hour less than the stream keeps a record: what is too old is handed over before the stream drops it."""
MAX_RETRIES = 1000
"""Tries of a batch, halved each time it fails, so that a record that can't be announced stands alone soon."""


class ItemChanges(pulumi.ComponentResource):
    """The notifier that reads the table's stream for all routes (`pipeline:replication:ItemChanges`).

    One reader, because a stream's shard serves two at most. Guarantees: from the oldest record that the stream has
    when this is first deployed, every change is announced on each given target's queue, or, where that does not take
    it, kept in the dead-letter queue for that target; a record that can be put nowhere is isolated and handed to the
    dead-letter queue; falling behind alarms before the stream drops anything.

    Leaves out: the items themselves, which neither the stream nor a queue carries.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:ItemChanges"  # noqa: S105 - a resource type's token

    function: LiveFunction
    mapping: aws.lambda_.EventSourceMapping

    def __init__(
        self,
        name: str,
        config: ReplicationConfig,
        *,
        stores: pulumi.Output[Stores],
        routes: Sequence[ReplicationRoute],
        code: pulumi.AssetArchive,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        source = stores.apply(lambda known: known.source)
        topic_arn = source.apply(lambda known: known.failure_topic_arn)
        dead_letters = source.apply(lambda known: known.dlq_arn)
        specs = pulumi.Output.all(*(route.spec for route in routes))
        queue_arns = pulumi.Output.all(*(route.worker.queue.arn for route in routes))
        self.function = LiveFunction(
            f"{name}-notifier",
            FunctionConfig(
                handler=NOTIFIER_HANDLER,
                description="Announces the source table's changes on the routes' queues",
                memory_mb=NOTIFIER_MEMORY_MB,
                timeout_seconds=NOTIFIER_TIMEOUT_SECONDS,
                log_retention_days=config.log_retention_days,
                errors_alarm_count=config.errors_alarm_count,
                throttles_alarm_count=config.throttles_alarm_count,
            ),
            code=with_document(code, ROUTES_FILE, specs.apply(routes_document)),
            environment={},
            rights=pulumi.Output.all(source=source, queue_arns=queue_arns).apply(
                lambda known: notifier_rights(**known)
            ),
            alarm_topic_arn=topic_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.mapping = aws.lambda_.EventSourceMapping(
            f"{name}-mapping",
            event_source_arn=source.apply(lambda known: known.table_stream_arn),
            function_name=self.function.alias.arn,
            # From the oldest record: what changed while this was being made is announced too, and twice is harmless.
            starting_position="TRIM_HORIZON",
            batch_size=NOTIFIER_BATCH_SIZE,
            bisect_batch_on_function_error=True,
            function_response_types=["ReportBatchItemFailures"],
            maximum_record_age_in_seconds=MAX_RECORD_AGE_SECONDS,
            maximum_retry_attempts=MAX_RETRIES,
            destination_config=aws.lambda_.EventSourceMappingDestinationConfigArgs(
                on_failure=aws.lambda_.EventSourceMappingDestinationConfigOnFailureArgs(destination_arn=dead_letters)
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=self.function.ready),
        )
        stream_age = alarm(
            f"{name}-stream-age",
            AlarmRule(
                namespace="AWS/Lambda",
                metric="IteratorAge",
                statistic="Maximum",
                threshold=config.stream_age_alarm_seconds * 1000,  # the metric is in milliseconds
                periods=3,
                description=(
                    f"The notifier is {config.stream_age_alarm_seconds} s or more behind the table: "
                    "after 24 hours changes are lost, and a backfill is needed."
                ),
                runbook="stream-age",
            ),
            dimensions={"FunctionName": self.function.function.name},
            topic_arn=topic_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.alarms = [*self.function.alarms, stream_age]
        self.register_outputs({"alias_arn": self.function.alias.arn})
