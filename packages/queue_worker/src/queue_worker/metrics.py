"""Figures of an invocation, in CloudWatch's embedded metric format on standard output."""

from aws_lambda_powertools.metrics import EphemeralMetrics

__all__ = ["RELEASE_DIMENSION", "metrics_of"]

RELEASE_DIMENSION = "release"
"""The dimension by which a release's own figures are found, beside that which all releases have."""


def metrics_of(namespace: str, release: str, **dimension: str) -> EphemeralMetrics:
    """Return metrics of the namespace that have just the given dimension, and once more with the release besides.

    CloudWatch makes a metric of each set: alarms and dashboards go on over releases, and a release has its own figures.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = EphemeralMetrics(namespace=namespace)
    # Else powertools takes POWERTOOLS_SERVICE_NAME for a second dimension, and no alarm would find the metric.
    metrics.service = None  # type: ignore[assignment] # powertools' own value where there is no service
    metrics.set_default_dimensions(**dimension)
    if release:
        metrics.add_dimensions(**{RELEASE_DIMENSION: release})
    return metrics
