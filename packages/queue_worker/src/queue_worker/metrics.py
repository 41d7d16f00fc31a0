"""Figures of an invocation, in CloudWatch's embedded metric format on standard output."""

from aws_lambda_powertools.metrics import EphemeralMetrics

__all__ = ["metrics_of"]


def metrics_of(namespace: str, **dimension: str) -> EphemeralMetrics:
    """Return metrics of the namespace that have just the given dimension."""
    metrics = EphemeralMetrics(namespace=namespace)
    # Else powertools takes POWERTOOLS_SERVICE_NAME for a second dimension, and no alarm would find the metric.
    metrics.service = None  # type: ignore[assignment] # powertools' own value where there is no service
    metrics.set_default_dimensions(**dimension)
    return metrics
