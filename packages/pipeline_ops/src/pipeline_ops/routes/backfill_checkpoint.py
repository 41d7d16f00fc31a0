"""The checkpoint of a backfill on disk, from which it goes on after whatever ended it."""

import hashlib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from pipeline_ops.errors import OperatorError
from pipeline_ops.private_files import open_private, private_folder
from replication_core.datasets import ITEMS, OBJECTS

__all__ = ["Checkpoint", "ItemsPart", "ObjectsPart", "Part"]


class ObjectsPart(BaseModel):
    """A range of a bucket's keys."""

    kind: Literal["objects"] = "objects"
    dataset: str = OBJECTS.name
    after: str | None
    """The last key that is enqueued; at first the one that the range begins after."""

    until: str | None
    done: bool = False


class ItemsPart(BaseModel):
    """A segment of a table."""

    kind: Literal["items"] = "items"
    dataset: str = ITEMS.name
    segment: int
    of: int
    after: tuple[str, ...] | None = None
    """The key's values of the last item that is enqueued."""

    done: bool = False


Part = Annotated[ObjectsPart | ItemsPart, Field(discriminator="kind")]


class Checkpoint(BaseModel):
    """A backfill's parts, and how far each has come."""

    form: Literal["pipeline.backfill/1", "pipeline.backfill/2"] = "pipeline.backfill/1"
    """The second one where a part is of a dataset that the first release did not know."""

    run: str = Field(default_factory=lambda: uuid.uuid4().hex[:8])
    begun: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    saved: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    enqueued: int = 0
    parts: list[Part]

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Return what an earlier run has left there; None where none was, or it ended.

        Raises OperatorError for a file that is no checkpoint.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise OperatorError(f"{path} is no checkpoint that can be read: --restart begins anew.") from error

    def save(self, path: Path) -> None:
        """Write it, whole or not at all. Raises OperatorError where the disk does not take it."""
        self.saved = datetime.now(UTC)
        known = {OBJECTS.name, ITEMS.name}
        self.form = "pipeline.backfill/1" if {part.dataset for part in self.parts} <= known else "pipeline.backfill/2"
        beside = path.with_suffix(".new")
        try:
            private_folder(path.parent)
            with open_private(beside) as file:
                file.write(self.model_dump_json())
            beside.replace(path)
        except OSError as error:
            raise OperatorError(f"The checkpoint can't be kept in {path}: {error.strerror}.") from error

    @staticmethod
    def path(folder: Path, target: str, what: str) -> Path:
        """Return where a backfill's checkpoint is kept."""
        return folder / f"backfill-{target}-{hashlib.sha256(what.encode()).hexdigest()[:12]}.json"
