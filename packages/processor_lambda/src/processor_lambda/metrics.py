"""A batch's figures, as CloudWatch's embedded metric format on standard output."""

from collections.abc import Sequence

from aws_lambda_powertools.metrics import MetricUnit

from processor_lambda.processor import NoticeOutcome
from processor_lambda.settings import ENVIRONMENT_DIMENSION, METRICS_NAMESPACE, Metric, ProcessorSettings
from queue_worker.metrics import metrics_of

__all__ = ["emit"]


def emit(settings: ProcessorSettings, outcomes: Sequence[NoticeOutcome], failures: int) -> None:
    """Write a batch's metrics by the environment, and by its release too.

    `failures` are the envelopes sent. The counts are written also where they are 0, so that an alarm sees data whenever
    the processor works; the duration only for runs that were finished.
    """
    metrics = metrics_of(METRICS_NAMESPACE, settings.release, **{ENVIRONMENT_DIMENSION: settings.instance})
    finished = [outcome.summary for outcome in outcomes if outcome.summary is not None]
    counts = {
        Metric.RUNS: len(finished),
        Metric.FAILED_RUNS: sum(outcome.failure is not None for outcome in outcomes),
        Metric.READ: sum(outcome.read for outcome in outcomes),
        Metric.REJECTED: sum(outcome.rejected for outcome in outcomes),
        Metric.WRITTEN: sum(outcome.written for outcome in outcomes),
        Metric.FAILURES: failures,
    }
    for metric, value in counts.items():
        metrics.add_metric(metric.value, MetricUnit.Count, value)
    for summary in finished:
        metrics.add_metric(Metric.DURATION.value, MetricUnit.Milliseconds, summary["duration_ms"])
    metrics.flush_metrics()
