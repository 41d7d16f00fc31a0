"""Which of a route's keys a command is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline_ops.errors import MISUSED, OperatorError
from replication_core.comparing.stores import Stores
from replication_core.objects.listings import KeyRange, Listed, list_objects
from replication_core.route_spec import ReplicatorSettings

__all__ = ["Selection", "chosen_objects", "select"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Objects below a prefix, items, or both."""

    prefix: str | None
    """Of the objects' keys, the empty one for all; None for no objects."""

    items: bool

    def __str__(self) -> str:
        objects = [] if self.prefix is None else [f"objects below {self.prefix}" if self.prefix else "all objects"]
        return " and ".join([*objects, *(["all items"] if self.items else [])])


def chosen_objects(stores: Stores, prefix: str, key_range: KeyRange, since: datetime | None) -> Iterator[Listed]:
    """List the source's objects of a range that the route replicates, and that were modified at or after an instant."""
    for listed in list_objects(stores.source_s3, stores.settings.source_bucket, prefix, key_range):
        if stores.settings.wants_object(listed.key) and (since is None or listed.last_modified >= since):
            yield listed


def select(settings: ReplicatorSettings, *, prefix: str | None, items: bool) -> Selection:
    """Return what was asked for, where nothing was, all that the route replicates.

    Raises OperatorError, as misuse, for items that it does not.
    """
    if items and not settings.replicate_items:
        raise OperatorError(f"The route to {settings.target} replicates no items (replication:targets).", MISUSED)
    if prefix is None and not items:
        return Selection(prefix="", items=settings.replicate_items)
    return Selection(prefix=prefix, items=items)
