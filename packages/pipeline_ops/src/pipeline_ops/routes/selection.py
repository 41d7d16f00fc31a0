"""Which of a route's keys a command is about."""

from dataclasses import dataclass

from pipeline_ops.errors import MISUSED, OperatorError
from replicator_lambda.settings import ReplicatorSettings

__all__ = ["Selection", "select"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Objects below a prefix, items, or both."""

    prefix: str | None
    """Of the objects' keys, the empty one for all; None for no objects."""

    items: bool

    def __str__(self) -> str:
        objects = [] if self.prefix is None else [f"objects below {self.prefix}" if self.prefix else "all objects"]
        return " and ".join([*objects, *(["all items"] if self.items else [])])


def select(settings: ReplicatorSettings, *, prefix: str | None, items: bool) -> Selection:
    """Return what was asked for, where nothing was, all that the route replicates.

    Raises OperatorError, as misuse, for items that it does not.
    """
    if items and not settings.replicate_items:
        raise OperatorError(f"The route to {settings.target} replicates no items (replication:targets).", MISUSED)
    if prefix is None and not items:
        return Selection(prefix="", items=settings.replicate_items)
    return Selection(prefix=prefix, items=items)
