"""A route's specification, made of the contracts and the configuration. Pure."""

from collections.abc import Sequence

from pipeline_common.contracts import StorageOutputs, StoredDataset
from replication_core.route_spec import RoutedDataset, RouteSpec
from replication_project.config import ReplicationConfig, TargetConfig, VerificationConfig
from replication_project.dataset_pairs import DatasetPair

__all__ = ["route_spec"]

MOST_SETTLE_SECONDS = 600
"""What may still arrive is waited for so long by a sample's comparison; the rest of its time is for comparing."""


def route_spec(
    config: ReplicationConfig,
    target: TargetConfig,
    *,
    source: StorageOutputs,
    replica: StorageOutputs,
    pairs: Sequence[DatasetPair],
    queue_url: str,
) -> RouteSpec:
    """Return what the functions of a target's route, and the operator's commands, are told of it."""
    verification = target.verify or VerificationConfig(schedule="rate(1 day)")
    return RouteSpec(
        target=target.environment,
        target_environment=str(replica.instance),
        source_environment=str(source.instance),
        source_region=source.region,
        target_region=replica.region,
        datasets=_routed(source, pairs),
        queue_url=queue_url,
        dlq_url=source.dlq_url,
        success_topic_arn=source.success_topic_arn,
        failure_topic_arn=source.failure_topic_arn,
        notifications=config.notifications,
        sample_keys=verification.sample_keys,
        # What takes longer than the alarm on lag allows is somebody's to look at, whatever it is.
        settle_seconds=min(config.lag_alarm_seconds, MOST_SETTLE_SECONDS),
    )


def _routed(source: StorageOutputs, pairs: Sequence[DatasetPair]) -> tuple[RoutedDataset, ...]:
    """Return every dataset of the source, with what of it the target gets."""
    gets = {pair.source.dataset.name: pair for pair in pairs}
    return tuple(_dataset(stored, gets.get(name)) for name, stored in source.datasets.items())


def _dataset(stored: StoredDataset, pair: DatasetPair | None) -> RoutedDataset:
    if pair is None:
        return RoutedDataset(dataset=stored.dataset, source=stored.name, target="")
    return RoutedDataset(
        dataset=stored.dataset,
        source=stored.name,
        target=pair.replica.name,
        include=pair.selection.include,
        exclude=pair.selection.exclude,
    )
