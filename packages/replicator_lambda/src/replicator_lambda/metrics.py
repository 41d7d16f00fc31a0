"""A batch's figures, and a sample's, as CloudWatch's embedded metric format on standard output."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from queue_worker.metrics import metrics_of
from replication_core.admission import Braked
from replication_core.datasets import RecordKey
from replication_core.reconcile import Action, Outcome
from replication_core.route_spec import RouteSpec
from replicator_lambda.settings import (
    BRAKED_METRIC,
    BYTES_METRIC,
    CHANGES_METRIC,
    DELETES_METRIC,
    DRIFT_METRIC,
    FAILURES_METRIC,
    LATENCY_METRIC,
    METRICS_NAMESPACE,
    REREADS_METRIC,
    SAMPLED_METRIC,
    SHADOW_CHANGES_METRIC,
    SHADOW_REFUSALS_METRIC,
    SHADOWED_METRIC,
    TARGET_DIMENSION,
    UNMASKED_METRIC,
)

if TYPE_CHECKING:
    from replication_core.masking.shadow import Shadowed

__all__ = ["emit", "emit_sample"]


def emit(
    route: RouteSpec, outcomes: Mapping[RecordKey, Outcome], changed_at: Mapping[RecordKey, datetime], failures: int
) -> None:
    """Write a batch's metrics by the target, and by the route's release too.

    `failures` are the envelopes sent. The counts are written also where they are 0, so that an alarm sees data
    whenever the route works; the latency only for changes whose instant is known.
    """
    metrics = _of(route)
    level = {key: outcome for key, outcome in outcomes.items() if outcome.action in {Action.COPIED, Action.DELETED}}
    counts = {
        CHANGES_METRIC: len(level),
        DELETES_METRIC: sum(outcome.action is Action.DELETED for outcome in level.values()),
        REREADS_METRIC: sum(outcome.rereads for outcome in outcomes.values()),
        FAILURES_METRIC: failures,
    }
    if route.brake_table:
        counts[BRAKED_METRIC] = sum(isinstance(outcome.error, Braked) for outcome in outcomes.values())
    if route.shadow:
        counts |= _of_shadow([outcome.shadow for outcome in outcomes.values() if outcome.shadow])
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.add_metric(BYTES_METRIC, MetricUnit.Bytes, sum(outcome.size for outcome in level.values()))
    for key, outcome in level.items():
        if key in changed_at and outcome.settled_at is not None:
            waited = (outcome.settled_at - changed_at[key]).total_seconds() * 1000
            # The clocks of S3, DynamoDB and this function differ, and S3's events have whole seconds.
            metrics.add_metric(LATENCY_METRIC, MetricUnit.Milliseconds, max(waited, 0.0))
    if metrics.metric_set:  # powertools has flushed by itself at each hundredth value, and warns when there is nothing
        metrics.flush_metrics()


def _of_shadow(found: Sequence["Shadowed"]) -> dict[str, int]:
    return {
        SHADOWED_METRIC: sum(each.is_compared for each in found),
        SHADOW_CHANGES_METRIC: sum(each.is_change for each in found),
        SHADOW_REFUSALS_METRIC: sum(each.is_refusal for each in found),
    }


def emit_sample(route: RouteSpec, *, compared: int, drifted: int, unmasked: int) -> None:
    """Write how many keys a sample has compared, how many of them have drifted, and how many of these are unmasked."""
    metrics = _of(route)
    metrics.add_metric(SAMPLED_METRIC, MetricUnit.Count, compared)
    metrics.add_metric(DRIFT_METRIC, MetricUnit.Count, drifted)
    metrics.add_metric(UNMASKED_METRIC, MetricUnit.Count, unmasked)
    metrics.flush_metrics()


def _of(route: RouteSpec) -> EphemeralMetrics:
    return metrics_of(METRICS_NAMESPACE, route.release, **{TARGET_DIMENSION: route.target_environment})
