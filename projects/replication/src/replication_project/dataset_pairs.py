"""The datasets that a target gets: its configuration, applied to what both sides' storage has. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline_common.contracts import StorageOutputs, StoredDataset
from replication_core.datasets import Dataset
from replication_project.config import DatasetSelection, TargetConfig

__all__ = ["DatasetPair", "dataset_pairs", "pairing_faults"]


@dataclass(frozen=True, kw_only=True)
class DatasetPair:
    """A dataset on both sides, and what of it the target gets."""

    source: StoredDataset
    replica: StoredDataset
    selection: DatasetSelection

    @property
    def is_bucket(self) -> bool:
        """Whether its records are objects."""
        return self.source.dataset.is_bucket


def dataset_pairs(target: TargetConfig, *, source: StorageOutputs, replica: StorageOutputs) -> list[DatasetPair]:
    """Return the datasets that the target gets, in the order of the source's: those that both sides have alike."""
    found = []
    for name, original in source.datasets.items():
        selection, other = target.selection(name), replica.datasets.get(name)
        if selection is not None and other is not None and other.dataset == original.dataset:
            found.append(DatasetPair(source=original, replica=other, selection=selection))
    return found


def pairing_faults(target: TargetConfig, *, source: StorageOutputs, replica: StorageOutputs) -> Iterator[str]:
    """Say why the target can't get a dataset, a sentence each: its key below the target's first."""
    for name in target.chosen:
        if fault := _fault(name, target, source, replica):
            yield f"{target.key_of(name)}: {fault}"
    pairs = dataset_pairs(target, source=source, replica=replica)
    if not pairs and not target.chosen:
        yield (
            f": the storage of {source.environment} and of {replica.environment} have no dataset in common: "
            "declare one alike by storage:datasets, or remove the target."
        )
    originals = {stored.arn for stored in source.datasets.values()}
    for pair in pairs:
        if pair.replica.arn in originals:
            yield (
                f"{target.key_of(pair.replica.dataset.name)}: the storage of {replica.environment} and of "
                f"{source.environment} have the same {pair.replica.dataset.kind}, {pair.replica.arn}: a target must "
                "not be its own source."
            )


def _fault(name: str, target: TargetConfig, source: StorageOutputs, replica: StorageOutputs) -> str | None:
    """Say why the target can't get a dataset that it chooses; None where it can."""
    original, other = source.datasets.get(name), replica.datasets.get(name)
    if original is None or other is None:
        lacking = [side.environment for side in (source, replica) if name not in side.datasets]
        return (
            f"the storage of {' and of '.join(lacking)} has no dataset {name}: declare it by storage:datasets there "
            "and deploy that, or remove it here."
        )
    if original.dataset != other.dataset:
        return (
            f"{name} is {_described(original.dataset)} in {source.environment}, and {_described(other.dataset)} in "
            f"{replica.environment}: declare it alike by storage:datasets, or remove it here."
        )
    if not original.dataset.is_bucket and target.selection(name) != DatasetSelection():
        return f"{name} is a table, and prefixes are of objects' keys: remove include and exclude."
    return None


def _described(dataset: Dataset) -> str:
    if dataset.is_bucket:
        return "a bucket"
    return f"a table by {' and '.join(f'{each.name} ({each.type})' for each in dataset.key)}"
