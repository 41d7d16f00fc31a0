"""How changes of tables are noticed: by their streams, which a notifier reads for all routes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StoredDataset
from pipeline_common.infra.alarms import alarm
from pipeline_common.infra.lambda_archive import with_document
from pipeline_common.infra.live_function import LiveFunction
from replication_core.datasets import ITEMS
from replication_core.route_spec import ROUTES_FILE, RouteSpec
from replication_project.config import ReplicationConfig
from replication_project.policies import notifier_rights
from replication_project.route import ReplicationRoute
from replication_project.stores import Stores
from replicator_lambda.settings import NOTIFIER_HANDLER

__all__ = ["ItemChanges"]

NOTIFIER_SETTINGS = {"memory_mb": 1024, "timeout_seconds": 60}
"""Of memory for its processor alone, which its notices wait for: it is done the sooner, and costs the same."""

NOTIFIER_BATCH_SIZE = 1000
MAX_RECORD_AGE_SECONDS = 23 * 3600
"""An hour less than the stream keeps a record: what is too old is handed over before the stream drops it."""
MAX_RETRIES = 1000
"""Tries of a batch, halved each time it fails, so that a record that can't be announced stands alone soon."""


class ItemChanges(pulumi.ComponentResource):
    """The notifier that reads the tables' streams for all routes (`pipeline:replication:ItemChanges`).

    One reader, because a stream's shard serves two at most. Guarantees: from the oldest record that a table's stream
    has when it is first replicated, every change is announced on the queue of each route that gets the table, or, where
    that does not take it, kept in the dead-letter queue for that target; a record that can be put nowhere is isolated
    and handed to the dead-letter queue; falling behind alarms before a stream drops anything.

    Leaves out: the items themselves, which neither the stream nor a queue carries.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:ItemChanges"  # noqa: S105 - a resource type's token

    function: LiveFunction
    mappings: pulumi.Output[dict[str, str]]
    """The ids of what reads the tables' streams, by their datasets' names: of those that some target gets."""

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
        self._name = name
        topic_arn = stores.apply(lambda known: known.source.failure_topic_arn)
        known = (pulumi.Output.all(route.spec, route.worker.queue.arn) for route in routes)
        announced = pulumi.Output.all(*known).apply(
            lambda told: [(spec, arn) for spec, arn in told if any(not each.dataset.is_bucket for each in spec.routed)]
        )
        self.function = LiveFunction(
            f"{name}-notifier",
            config.model_copy(update=NOTIFIER_SETTINGS),
            handler=NOTIFIER_HANDLER,
            description="Announces the source tables' changes on the routes' queues",
            code=with_document(code, ROUTES_FILE, announced.apply(lambda routes: [_told(spec) for spec, _ in routes])),
            environment={},
            rights=pulumi.Output.all(stores=stores, announced=announced).apply(
                lambda known: notifier_rights(
                    known["stores"].replicated_tables,
                    source=known["stores"].source,
                    queue_arns=[arn for _, arn in known["announced"]],
                )
            ),
            alarm_topic_arn=topic_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # How many there are is known once the contracts are: before anything is previewed, since stacks export them.
        self.mappings = stores.apply(self._mappings)
        stream_age = alarm(
            f"{name}-stream-age",
            namespace="AWS/Lambda",
            metric="IteratorAge",
            dimensions={"FunctionName": self.function.function.name},
            statistic="Maximum",
            threshold=config.stream_age_alarm_seconds * 1000,  # the metric is in milliseconds
            periods=3,
            description=(
                f"The notifier is {config.stream_age_alarm_seconds} s or more behind the tables: "
                "after 24 hours changes are lost, and a backfill is needed."
            ),
            runbook="stream-age",
            topic_arn=topic_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.alarms = [*self.function.alarms, stream_age]
        self.register_outputs({"alias_arn": self.function.alias.arn})

    def _mappings(self, stores: Stores) -> pulumi.Output[dict[str, str]]:
        ids: dict[str, Any] = {
            table.dataset.name: self._mapping(table, dead_letters=stores.source.dlq_arn).uuid
            for table in stores.replicated_tables
        }
        return pulumi.Output.from_input(ids)

    def _mapping(self, table: StoredDataset, *, dead_letters: str) -> aws.lambda_.EventSourceMapping:
        # A former release had that of `items` alone, under this name; by another it would be a second one.
        infix = "" if table.dataset.name == ITEMS.name else f"-{table.dataset.name}"
        return aws.lambda_.EventSourceMapping(
            f"{self._name}{infix}-mapping",
            event_source_arn=table.stream_arn,
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


def _told(spec: RouteSpec) -> dict[str, Any]:
    """Return what the notifier is told of a route: keys go into the queue as they are, so nothing of its policy."""
    return replace(spec, masking={}, shadow={}, mask_key_arn="").document()
