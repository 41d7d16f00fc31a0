"""A route's specification, made of the contracts and the configuration. Pure."""

from pipeline_common.contracts import StoredDataset
from replication_core.masking.policy import MaskingPolicy
from replication_core.route_spec import RoutedDataset, RouteSpec
from replication_project.config import ReplicationConfig, TargetConfig, VerificationConfig
from replication_project.dataset_pairs import DatasetPair
from replication_project.stores import Stores

__all__ = ["route_spec"]

MOST_SETTLE_SECONDS = 600
"""What may still arrive is waited for so long by a sample's comparison; the rest of its time is for comparing."""


def route_spec(
    config: ReplicationConfig,
    target: TargetConfig,
    *,
    policy: MaskingPolicy | None,
    shadow: MaskingPolicy | None,
    stores: Stores,
    queue_url: str,
    mask_key_arn: str,
    brake_table: str,
    release: str,
) -> RouteSpec:
    """Return what the functions of a target's route, and the operator's commands, are told of it."""
    source, replica = stores.source, stores.targets[target.environment]
    gets = {pair.source.dataset.name: pair for pair in stores.pairs[target.environment]}
    verification = target.verify or VerificationConfig(schedule="rate(1 day)")
    return RouteSpec(
        target=target.environment,
        target_environment=str(replica.instance),
        source_environment=str(source.instance),
        source_region=source.region,
        target_region=replica.region,
        datasets=tuple(_routed(stored, gets.get(name)) for name, stored in source.datasets.items()),
        queue_url=queue_url,
        release=release,
        dlq_url=source.dlq_url,
        success_topic_arn=source.success_topic_arn,
        failure_topic_arn=source.failure_topic_arn,
        notifications=config.notifications,
        sample_keys=verification.sample_keys,
        # What takes longer than the alarm on lag allows is somebody's to look at, whatever it is.
        settle_seconds=min(config.lag_alarm_seconds, MOST_SETTLE_SECONDS),
        soak_seconds=config.soak_seconds,
        soak_answer_seconds=config.soak_answer_seconds,
        masking=policy.document() if policy else {},
        shadow=shadow.document() if shadow else {},
        unmasked_reason=target.reason or "",
        mask_key_arn=mask_key_arn,
        brake_table=brake_table,
    )


def _routed(stored: StoredDataset, pair: DatasetPair | None) -> RoutedDataset:
    return RoutedDataset(
        dataset=stored.dataset,
        source=stored.name,
        target=pair.replica.name if pair else "",
        include=pair.selection.include if pair else (),
        exclude=pair.selection.exclude if pair else (),
    )
