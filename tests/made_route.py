"""A route of the two datasets that there are by default, by its stores' names: what tests make routes of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from replication_core.clients import Clients
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.route_spec import RoutedDataset, RouteSpec

__all__ = ["MadeRoute", "clients_of"]


def clients_of(client: Callable[[str], Any]) -> Clients:
    """Return the clients of a route within one region, each made by its service's name and shared by both sides."""
    s3, dynamodb = client("s3"), client("dynamodb")
    return Clients(
        source_s3=s3,
        target_s3=s3,
        copying_s3=s3,
        source_dynamodb=dynamodb,
        target_dynamodb=dynamodb,
        sqs=client("sqs"),
        sns=client("sns"),
        kms=client("kms"),
    )


@dataclass(frozen=True, kw_only=True)
class MadeRoute:
    """The names, and the specification that they make."""

    target: str = "dev"
    source_environment: str = "prod"
    source_bucket: str
    source_table: str
    source_region: str = "source-region"
    target_bucket: str = "target-bucket"
    target_table: str = "target-table"
    target_region: str = "target-region"
    queue_url: str = "queue-url"
    dlq_url: str = "dlq-url"
    success_topic_arn: str = "success-topic-arn"
    failure_topic_arn: str = "failure-topic-arn"
    release: str = "v1.4.0"
    notifications: str = "each"
    object_include: tuple[str, ...] = ()
    object_exclude: tuple[str, ...] = ()
    replicate_items: bool = True
    others: tuple[RoutedDataset, ...] = ()
    """Datasets besides."""

    masking: dict[str, Any] = field(default_factory=dict)
    """The compiled policy."""

    shadow: dict[str, Any] = field(default_factory=dict)
    """The next one."""

    sample_keys: int = 1000
    settle_seconds: int = 300
    brake_table: str = ""

    @property
    def spec(self) -> RouteSpec:
        objects = RoutedDataset(
            dataset=OBJECTS,
            source=self.source_bucket,
            target=self.target_bucket,
            include=self.object_include,
            exclude=self.object_exclude,
        )
        target_table = self.target_table if self.replicate_items else ""
        items = RoutedDataset(dataset=ITEMS, source=self.source_table, target=target_table)
        plain: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                *("target", "source_environment", "source_region", "target_region", "queue_url", "dlq_url"),
                *("success_topic_arn", "failure_topic_arn", "release", "notifications"),
                *("masking", "shadow", "sample_keys", "settle_seconds", "brake_table"),
            )
        }
        return RouteSpec(
            **plain, mask_key_arn="mask-key-arn" if self.masking else "", datasets=(objects, items, *self.others)
        )
