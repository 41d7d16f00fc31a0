"""What is said of a bucket or a table that can't be adopted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from pipeline_common.infra.stack_config import StackConfigError, stack_file
from replication_core.datasets import Dataset

__all__ = ["Adoption", "looked_up"]


@dataclass(frozen=True)
class Adoption:
    """A bucket or a table that is to serve as a dataset."""

    dataset: Dataset
    name: str

    def refuse(self, why: str) -> NoReturn:
        """Raise StackConfigError, naming the setting; `why` says what is wrong and how to mend it."""
        setting = f"storage:datasets.{self.dataset.name}.existing"
        raise StackConfigError(f"{stack_file()}: {setting} names the {self.dataset.kind} {self.name}, which {why}.")


@contextmanager
def looked_up(adoption: Adoption) -> Iterator[None]:
    """Refuse, for the block, what the provider can't look up: it does not say which of its answers means what."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the SDK raises no narrower one
        told = " ".join(str(error).split())
        adoption.refuse(f"can't be looked up: name one that is there and may be read ({told})")
