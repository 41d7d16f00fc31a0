"""The part of a stack that a deploy is to change, as its program is told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

__all__ = ["WHOLE", "Part", "Shift", "current_part", "part_of_program"]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A part of a function's invocations that goes to its new version, while the former one keeps the others."""

    former: str
    share: float
    """Of all invocations, between 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Chosen routes of the replication, or the whole stack; and what there was before."""

    routes: tuple[str, ...] = ()
    """The targets whose routes are chosen; empty for the whole stack."""

    ends_holds: bool = False
    """Whether a held route is released whatever release it was put back from."""

    shift: Shift | None = None
    """How the invocations of a chosen route are shared; None where all go to the new version."""

    exported: Mapping[str, Any] = field(default_factory=dict)
    """What the stack exported before; empty where it is not deployed, or nobody knows."""

    @property
    def is_whole(self) -> bool:
        """Whether all of the stack may change."""
        return not self.routes


WHOLE = Part()
"""All of a stack of which nobody knows what it exported: that of a program run by hand."""

_part: ContextVar[Part] = ContextVar("part", default=WHOLE)


def current_part() -> Part:
    """Return what the running program is to declare."""
    return _part.get()


@contextmanager
def part_of_program(part: Part) -> Iterator[None]:
    """Say what the program that runs inside the block is to declare."""
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)
