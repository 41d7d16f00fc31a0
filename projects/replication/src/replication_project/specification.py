"""A route's specification, made of the contracts and the configuration. Pure."""

from pipeline_common.contracts import StorageOutputs
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.route_spec import RoutedDataset, RouteSpec
from replication_project.config import ReplicationConfig, TargetConfig, VerificationConfig

__all__ = ["route_spec"]

MOST_SETTLE_SECONDS = 600
"""What may still arrive is waited for so long by a sample's comparison; the rest of its time is for comparing."""


def route_spec(
    config: ReplicationConfig, target: TargetConfig, *, source: StorageOutputs, replica: StorageOutputs, queue_url: str
) -> RouteSpec:
    """Return what the functions of a target's route, and the operator's commands, are told of it."""
    verification = target.verify or VerificationConfig(schedule="rate(1 day)")
    return RouteSpec(
        target=target.environment,
        target_environment=str(replica.instance),
        source_environment=str(source.instance),
        source_region=source.region,
        target_region=replica.region,
        datasets=(
            RoutedDataset(
                dataset=OBJECTS,
                source=source.bucket_name,
                target=replica.bucket_name,
                include=target.objects.include,
                exclude=target.objects.exclude,
            ),
            RoutedDataset(dataset=ITEMS, source=source.table_name, target=replica.table_name if target.items else ""),
        ),
        queue_url=queue_url,
        dlq_url=source.dlq_url,
        success_topic_arn=source.success_topic_arn,
        failure_topic_arn=source.failure_topic_arn,
        notifications=config.notifications,
        sample_keys=verification.sample_keys,
        # What takes longer than the alarm on lag allows is somebody's to look at, whatever it is.
        settle_seconds=min(config.lag_alarm_seconds, MOST_SETTLE_SECONDS),
    )
