"""Physical names made by the provider where the program gives none, as the AWS provider makes them."""

import hashlib
from dataclasses import dataclass

__all__ = ["Naming", "NamingError"]

_RANDOM_DIGITS = 7


class NamingError(ValueError):
    """No name can be made within the type's limit."""


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How a type's names are made: as the engine proposes, else the logical name, a dash and seven random digits."""

    maximum: int
    """The most characters that AWS takes in the name."""
    lower: bool = False
    """AWS takes no capital letters."""

    def name(self, logical_name: str, seed: bytes, proposed: str | None = None) -> str:
        """Return the name; the same seed gives the same one.

        `proposed` is the engine's, made by the stack's `pulumi:autonaming`; empty where that turns naming off. Raises
        NamingError for that, and where the name would be longer than `maximum`: the AWS provider shortens nothing
        either.
        """
        if proposed == "":
            raise NamingError("pulumi:autonaming is off for this resource, so that it has to be given a name")
        digits = hashlib.sha256(seed).hexdigest()[:_RANDOM_DIGITS]
        name = proposed or f"{logical_name}-{digits}"
        if self.lower:
            name = name.lower()
        if len(name) > self.maximum:
            raise NamingError(
                f"{name!r}, made from the resource's name, has {len(name)} characters: AWS takes at most {self.maximum}"
            )
        return name
