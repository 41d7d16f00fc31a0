"""What is wrong with the policies of a checkout, told without Pulumi and without AWS.

A policy is held against what each target that names it gets, as far as the committed settings tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masking_policy.faults import Fault, Faults, PolicyFileError
from masking_policy.places import rules_of
from masking_policy.stored import KnownDataset, ProcessedFiles, StoredData
from pipeline_common.infra.part import Part
from pipeline_ops.configured_targets import TARGETS, ConfiguredTarget, configured_targets
from pipeline_ops.counts import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.policies import compile_file
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
from replication_core.masking.policy import MaskingPolicy
from replication_core.route_spec import UNMASKED

__all__ = ["PolicyCheck", "check_policies", "require_usable_policies"]


@dataclass(frozen=True)
class PolicyCheck:
    """What was found in one file, or of a target that names none."""

    file: str
    targets: tuple[str, ...]
    """The environments of the targets that name it."""

    faults: tuple[Fault, ...]
    said: str
    """What the policy has, or why there is none, as a sentence goes on about the file."""

    @property
    def is_usable(self) -> bool:
        """Whether nothing is wrong with it."""
        return all(fault.is_warning for fault in self.faults)

    @property
    def title(self) -> str:
        """How it is told of."""
        return f"{self.file} ({', '.join(self.targets)})" if self.targets else self.file

    def document(self) -> dict[str, Any]:
        """Return it as a report in JSON holds it."""
        faults = [fault.document() for fault in self.faults]
        return {"file": self.file, "targets": list(self.targets), "usable": self.is_usable, "faults": faults}


def check_policies(projects: Projects, words: Sequence[str], folder: Path) -> tuple[PolicyCheck, ...]:
    """Check what the words name, targets or files below `folder`; without words all that the targets name.

    Raises OperatorError for a word that is neither, and for settings that are not what they have to be.
    """
    settings = projects.settings(projects.only_stack("replication"))
    targets = configured_targets(settings)
    if words:
        files = dict.fromkeys(file for word in words for file in _named(projects, targets, word, folder))
        return tuple(_of_file(projects, file, targets) for file in files)
    files = dict.fromkeys(file for target in targets for file in target.policies)
    unmasked = [_of_unmasked(settings.name, target) for target in targets if not target.is_masked]
    return (*(_of_file(projects, file, targets) for file in files), *unmasked)


def require_usable_policies(projects: Projects, part: Part) -> None:
    """Raise OperatorError with all that is wrong with the policies by which the part's routes mask."""
    faults = [
        str(fault)
        for check in check_policies(projects, (), projects.repository)
        for fault in check.faults
        if not fault.is_warning and (part.is_whole or set(part.routes) & set(check.targets))
    ]
    if faults:
        raise OperatorError("The policies can't be deployed as they are:", MISUSED, details=faults)


def _named(projects: Projects, targets: Sequence[ConfiguredTarget], word: str, folder: Path) -> tuple[str, ...]:
    """Return the files that a word names, from the repository's root where they are below that."""
    for target in targets:
        if target.environment == word:
            if not target.is_masked:
                raise OperatorError(f"{word} names no policy: its masking is {target.masking or 'not said'}.", MISUSED)
            return target.policies
    path = (folder / word).resolve()
    if not path.is_file():
        named = ", ".join(target.environment for target in targets)
        raise OperatorError(f"{word!r} is no target ({named}), and no file.", MISUSED)
    root = projects.repository.resolve()
    return (path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path),)


def _of_unmasked(settings_file: str, target: ConfiguredTarget) -> PolicyCheck:
    faults = Faults(settings_file)
    name = target.environment
    if not target.masking:
        fix = f"write `masking: policies/{name}.yaml`, or `masking: {UNMASKED}` with a `reason`"
        faults.add(0, TARGETS, f"says of {name} no masking", fix)
    elif not target.reason:
        faults.add(0, TARGETS, f"says of {name} masking: {UNMASKED} without a reason", "add `reason:`")
    return PolicyCheck(settings_file, (name,), faults.errors, f"masks nothing: {target.reason}")


def _of_file(projects: Projects, file: str, targets: Sequence[ConfiguredTarget]) -> PolicyCheck:
    naming = [target for target in targets if file in target.policies]
    found: dict[Fault, None] = {}
    said = ""
    held_against: list[StoredData | None] = [_stored_data(projects, target) for target in naming]
    for stored in held_against or [None]:
        try:
            checked = compile_file(projects.repository / file, file, stored)
        except PolicyFileError as error:
            found |= dict.fromkeys(error.faults)
        else:
            found |= dict.fromkeys(checked.warnings)
            said = _contents(checked.policy)
    return PolicyCheck(file, tuple(target.environment for target in naming), tuple(sorted(found)), said)


def _contents(policy: MaskingPolicy) -> str:
    rules = counted(sum(1 for _ in rules_of(policy)), "rule")
    tables, buckets = counted(len(policy.tables), "table"), counted(len(policy.buckets), "bucket")
    return f"{rules} for {tables} and {buckets}"


# --- What the committed settings say is stored


def _stored_data(projects: Projects, target: ConfiguredTarget) -> StoredData:
    source = projects.only_stack("replication").name
    stored = _datasets(projects, source, _DEFAULTS)
    theirs = _datasets(projects, target.environment, stored)
    files = None
    if source in projects.environments("processing"):
        files = _files(projects.settings(StackId("processing", source)), stored)
    gets = [known for name, known in stored.items() if name in theirs and target.gets(name)]
    return StoredData(datasets=gets, files=files)


_DEFAULTS = {dataset.name: KnownDataset(dataset=dataset) for dataset in (OBJECTS, ITEMS)}


def _datasets(projects: Projects, environment: str, without: Mapping[str, KnownDataset]) -> Mapping[str, KnownDataset]:
    """Return an environment's datasets by their names; those given where it has no storage here."""
    if environment not in projects.environments("storage"):
        return without
    settings = projects.settings(StackId("storage", environment))
    if (declared := settings.config.get("storage:datasets")) is None:
        return _DEFAULTS
    try:
        return {name: _dataset(name, entry) for name, entry in declared.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OperatorError(
            f"{settings.name}: storage:datasets is not what it has to be ({error}): "
            "write a mapping of names to `kind` and, for a table, `partitionKey`."
        ) from error


def _dataset(name: str, entry: Mapping[str, Any]) -> KnownDataset:
    if Kind(entry["kind"]) is Kind.BUCKET:
        return KnownDataset(dataset=Dataset(name, Kind.BUCKET, OBJECTS.key))
    indexes = {index: _key(keys) for index, keys in entry.get("indexes", {}).items()}
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
