"""The leave to delete that a store asks for; who gives it is the route's brake, or nobody."""

from collections.abc import Callable

from replication_core.aws.errors import StoreError

__all__ = ["Admit", "Braked", "freely"]

Admit = Callable[[Callable[[], int]], None]
"""Lets as many replicas be deleted as the call says are there, or raises StoreError."""


def freely(_there: Callable[[], int]) -> None:
    """Let any number be deleted, as a route without a brake does."""


class Braked(StoreError):  # noqa: N818 - a refusal that waits for somebody
    """A delete that the route's brake does not let through."""

    def __init__(self, why: str) -> None:
        super().__init__("Braked", f"the route would delete {why}")
