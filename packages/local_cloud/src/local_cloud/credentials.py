"""The key that requests to a local cloud are signed with."""

import secrets
from dataclasses import dataclass, field
from typing import Self

__all__ = ["ANYBODY", "Credentials"]


@dataclass(frozen=True)
class Credentials:
    """An access key: its id, which may be seen, and its secret, which is never shown."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def random(cls) -> Self:
        """Make a key that cannot be guessed, of a real one's length; no account's number, which an id of digits is."""
        return cls(f"LOCAL{secrets.token_hex(8)[:15].upper()}", secrets.token_urlsafe(30))


ANYBODY = Credentials("test", "test")
"""What a LocalStack or MiniStack is usually asked with: it takes any key."""
