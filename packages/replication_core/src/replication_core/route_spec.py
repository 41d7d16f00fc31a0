"""What one route replicates, from where and to where."""

from dataclasses import dataclass
from typing import ClassVar

from replication_core.environment import EnvironmentSettings, SettingsError

__all__ = ["NOTIFICATIONS", "ReplicatorSettings"]

NOTIFICATIONS = ("each", "batch", "failures")
"""How the topics are told: failures by change and successes by batch; both by batch; failures by change alone."""


@dataclass(frozen=True, kw_only=True)
class ReplicatorSettings(EnvironmentSettings):
    """One route: its source, its target, and where it reports."""

    PREFIX: ClassVar[str] = "REPLICATOR_"

    target: str
    """The target environment's name: on every replica, notification and envelope."""

    source_environment: str
    """As its stacks are named, so with the suffix of an instance, which the target is of too: on every replica."""

    source_bucket: str
    source_table: str
    source_region: str
    target_bucket: str
    target_table: str
    target_region: str
    queue_url: str
    dlq_url: str
    success_topic_arn: str
    failure_topic_arn: str

    notifications: str = "each"
    """One of `NOTIFICATIONS`."""

    object_include: tuple[str, ...] = ()
    """Prefixes of the keys to replicate; none means all of them."""

    object_exclude: tuple[str, ...] = ()
    """Prefixes of the keys not to replicate; they win over `object_include`."""

    replicate_items: bool = True

    def __post_init__(self) -> None:
        if self.notifications not in NOTIFICATIONS:
            raise SettingsError(f"notifications must be one of {', '.join(NOTIFICATIONS)}, not {self.notifications!r}")

    @property
    def target_instance(self) -> str:
        """The target as its stacks are named: of the source's own instance."""
        _, hyphen, suffix = self.source_environment.partition("-")
        return f"{self.target}{hyphen}{suffix}"

    def wants_object(self, key: str) -> bool:
        """Tell whether the route replicates this object's key."""
        included = not self.object_include or key.startswith(self.object_include)
        return included and not key.startswith(self.object_exclude)
