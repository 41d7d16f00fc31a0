"""The targets that the replication's committed settings name, and what they say of each one's masking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_ops.stack_settings import StackSettings
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.route_spec import UNMASKED

__all__ = ["TARGETS", "ConfiguredTarget", "configured_targets"]

TARGETS = "replication:targets"
_EXAMPLE = "[{environment: dev, masking: policies/dev.yaml}]"


@dataclass(frozen=True, slots=True)
class ConfiguredTarget:
    """A target, as the settings have it."""

    environment: str
    masking: str
    """The policy's file, from the repository's root; `UNMASKED`, or empty where nothing is said."""

    shadow: str
    """The file of the next policy that is tried beside it, likewise; empty where there is none."""

    reason: str
    """Why nothing of it is masked, where that is so."""

    settings: Mapping[str, Any]

    @property
    def is_masked(self) -> bool:
        """Whether it names a policy."""
        return self.masking not in {"", UNMASKED}

    @property
    def policies(self) -> tuple[str, ...]:
        """The files of the policies that it names."""
        return tuple(file for file in (self.masking, self.shadow) if file not in {"", UNMASKED})

    def gets(self, dataset: str) -> bool:
        """Tell whether it gets a dataset that both sides have."""
        if dataset == ITEMS.name and "items" in self.settings:
            return bool(self.settings["items"])
        named = self.settings.get("datasets")
        return named is None or dataset in named or (dataset == OBJECTS.name and "objects" in self.settings)


def configured_targets(settings: StackSettings) -> tuple[ConfiguredTarget, ...]:
    """Return the targets in the replication's settings, in their order; raises OperatorError."""
    entries = settings.mappings(TARGETS, _EXAMPLE)
    return tuple(_target(entry) for entry in entries if "environment" in entry)


def _target(entry: Mapping[str, Any]) -> ConfiguredTarget:
    masking, shadow = (_file(str(entry.get(setting) or "")) for setting in ("masking", "shadow"))
    return ConfiguredTarget(str(entry["environment"]), masking, shadow, str(entry.get("reason") or ""), entry)


def _file(told: str) -> str:
    return told if told in {"", UNMASKED} else f"projects/replication/{told}"
