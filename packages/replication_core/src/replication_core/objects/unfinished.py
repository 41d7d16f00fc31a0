"""A masked copy that one invocation did not finish: where the next one goes on. Pure, and nothing of the data."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from replication_core.aws.errors import StoreError

__all__ = ["UnfinishedCopy"]

_MOST_ROUNDS = 10_000
"""Invocations that one copy may take, each asked for by the one before: as many as there may be parts.

Lambda's own bound of about 16 is off for the function: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html.
"""

_MOST_FRUITLESS = 20
"""Invocations running that may end without another part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedCopy:
    """How far a copy has come, as one invocation tells the next in a message of the route's queue.

    Whoever may send messages may have written it: the seal says whether the route's own function did.
    """

    version: str
    """The source's version, as the replica's metadata tells it."""

    fingerprint: str
    """The mark of the rules that its parts were made by."""

    upload: str = ""
    """The upload's id; empty before the first part."""

    parts: int = 0
    size: int = 0
    """The bytes in them."""

    crc: int = 0
    """The CRC32 of those bytes."""

    position: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Where the next part begins in the source, as `BodyPosition` tells it."""

    rounds: int = 0
    """Invocations that it has taken."""

    fruitless: int = 0
    """How many of the last of them have made no part."""

    seal: str = ""
    """A code of all the rest, made with the route's key."""

    def put_off(self) -> Self:
        """Return it as an invocation leaves it that had no time for it."""
        return self._after(self.fruitless)

    def after(self, begun: Self) -> Self:
        """Return it as an invocation leaves it that found it `begun` so far; raises StoreError where it never ends."""
        return self._after(begun.fruitless + 1 if self.parts == begun.parts else 0)

    def _after(self, fruitless: int) -> Self:
        if self.rounds >= _MOST_ROUNDS or fruitless > _MOST_FRUITLESS:
            why = f"after {self.rounds + 1} invocations its body is not masked: give the function more time, or memory"
            raise StoreError("Endless", why, permanent=True)
        return replace(self, rounds=self.rounds + 1, fruitless=fruitless)

    def anew(self) -> Self:
        """Return it without any part."""
        return replace(self, upload="", parts=0, size=0, crc=0, position={})

    def sealed(self, name: str, code: Callable[[str], str]) -> Self:
        """Return it with the seal, for the record of this name."""
        return replace(self, seal=code(self._sealed_text(name)))

    def is_sealed(self, name: str, code: Callable[[str], str]) -> bool:
        """Tell whether the seal is the route's own, and the record's."""
        return self.seal == code(self._sealed_text(name))

    def _sealed_text(self, name: str) -> str:
        return json.dumps([name, asdict(replace(self, seal=""))], sort_keys=True)

    def document(self) -> dict[str, Any]:
        """Return it as a message holds it, and `parse` reads it."""
        return asdict(self)

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError for anything else."""
        known = asdict(cls(version="", fingerprint=""))
        if not isinstance(document, dict) or any(
            type(document.get(name)) is not type(it) for name, it in known.items()
        ):
            raise ValueError("nothing that could be gone on with")
        return cls(**{name: document[name] for name in known})
