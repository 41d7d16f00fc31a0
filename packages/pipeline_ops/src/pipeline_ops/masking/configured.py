"""What the committed settings say of masking: by which file each target is masked, and what of the source it gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from masking_policy.stored import KnownDataset, ProcessedFiles, StoredData
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.stack_settings import StackSettings
from processor_lambda.settings import (
    INPUT_PREFIX,
    REJECTED_PREFIX,
    RESULTS_PREFIX,
    FieldType,
    RecordField,
    SettingsError,
    fields_of,
)
from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind
from replication_core.route_spec import UNMASKED

__all__ = ["ConfiguredTarget", "configured_targets", "stored_data"]

_TARGETS = "replication:targets"
_TARGET = "[{environment: dev, masking: policies/dev.yaml}]"


@dataclass(frozen=True, slots=True)
class ConfiguredTarget:
    """A target, as the settings have it."""

    environment: str
    masking: str
    """The policy's file, from the repository's root; `UNMASKED`, or empty where nothing is said."""

    reason: str
    """Why nothing of it is masked, where that is so."""

    settings: Mapping[str, Any]

    @property
    def is_masked(self) -> bool:
        """Whether it names a policy."""
        return self.masking not in {"", UNMASKED}


def configured_targets(settings: StackSettings) -> tuple[ConfiguredTarget, ...]:
    """Return the targets in the replication's settings."""
    return tuple(_target(entry) for entry in settings.mappings(_TARGETS, _TARGET))


def _target(entry: Mapping[str, Any]) -> ConfiguredTarget:
    masking = str(entry.get("masking") or "")
    file = masking if masking in {"", UNMASKED} else f"projects/replication/{masking}"
    return ConfiguredTarget(str(entry.get("environment")), file, str(entry.get("reason") or ""), entry)


def stored_data(projects: Projects, source: StackId, target: ConfiguredTarget) -> StoredData:
    """Return what a target gets of its source, as far as the committed settings tell.

    Raises OperatorError for settings that are not what they have to be.
    """
    storage = {
        name: _datasets(projects.settings(StackId("storage", name)))
        for name in (source.name, target.environment)
        if name in projects.environments("storage")
    }
    stored = storage.get(source.name, _DEFAULTS)
    gets = [name for name in stored if name in storage.get(target.environment, stored) and _chosen(target, name)]
    files = None
    if source.name in projects.environments("processing"):
        files = _files(projects.settings(StackId("processing", source.name)), stored)
    return StoredData(datasets=[stored[name] for name in gets], files=files)


def _chosen(target: ConfiguredTarget, name: str) -> bool:
    """Tell whether a target gets a dataset that both sides have."""
    if name == ITEMS.name and "items" in target.settings:
        return bool(target.settings["items"])
    named = target.settings.get("datasets")
    return named is None or name in named or (name == OBJECTS.name and "objects" in target.settings)


_DEFAULTS = {dataset.name: KnownDataset(dataset=dataset) for dataset in (OBJECTS, ITEMS)}


def _datasets(settings: StackSettings) -> Mapping[str, KnownDataset]:
    declared = settings.config.get("storage:datasets")
    if declared is None:
        return _DEFAULTS
    try:
        return {name: _dataset(name, entry) for name, entry in declared.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OperatorError(
            f"{settings.name}: storage:datasets is not what it has to be ({error}): "
            "write a mapping of names to `kind` and, for a table, `partitionKey`."
        ) from error


def _dataset(name: str, entry: Mapping[str, Any]) -> KnownDataset:
    indexes = {index: _key(keys) for index, keys in entry.get("indexes", {}).items()}
    if Kind(entry["kind"]) is Kind.BUCKET:
        return KnownDataset(dataset=Dataset(name, Kind.BUCKET, OBJECTS.key))
    time_to_live = str(entry.get("timeToLive", ""))
    return KnownDataset(dataset=Dataset(name, Kind.TABLE, _key(entry)), indexes=indexes, time_to_live=time_to_live)


def _key(entry: Mapping[str, Any]) -> tuple[KeyAttribute, ...]:
    parts = (entry["partitionKey"], entry.get("sortKey"))
    return tuple(KeyAttribute(str(part["name"]), KeyType(part["type"])) for part in parts if part)


_TYPES: Mapping[FieldType, str] = {
    FieldType.ANY: "",
    FieldType.STRING: "S",
    FieldType.NUMBER: "N",
    FieldType.INTEGER: "N",
    FieldType.BOOLEAN: "BOOL",
    FieldType.BINARY: "B",
}
"""DynamoDB's types of what the processor makes of declared fields."""


def _files(settings: StackSettings, stored: Mapping[str, KnownDataset]) -> ProcessedFiles | None:
    """Return which files the processor makes items of, where it does."""
    table = stored.get(settings.text("processing:table") or ITEMS.name)
    if table is None or table.dataset.is_bucket:
        return None
    entries = settings.mappings("processing:schema", "[{name: amount, type: number}]")
    try:
        fields = fields_of([_field(entry) for entry in entries], table.dataset)
    except (KeyError, ValueError, SettingsError) as error:
        raise OperatorError(f"{settings.name}: processing:schema is not what it has to be: {error}.") from error
    return ProcessedFiles(
        bucket=settings.text("processing:bucket") or OBJECTS.name,
        prefix=settings.text("processing:inputPrefix") or INPUT_PREFIX,
        table=table.dataset.name,
        types={field.name: _TYPES[field.type] for field in fields},
        required=[field.name for field in fields if field.required],
        written=[REJECTED_PREFIX, RESULTS_PREFIX],
    )


def _field(entry: Mapping[str, Any]) -> RecordField:
    return RecordField(str(entry["name"]), FieldType(entry["type"]), bool(entry.get("required")))
