"""Pseudonyms: of equal values in a namespace the same one, which nobody makes or undoes without the route's key. Pure.

This is the algorithm of a policy's `version: 1`, which golden vectors fix for ever: to change it is to write another.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["BYTES", "ROOT_MESSAGE", "Digest", "Pseudonyms", "frame", "hkdf", "token", "whole_number"]

ROOT_MESSAGE: Final = b"pipeline.masking/1"
"""What KMS is asked for the HMAC of: that, a route's root key, is what all of its pseudonyms come from."""

BYTES = 16
"""Of a digest."""

_ROOT_BYTES = 32
_BLOCK = 64
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)
_SHIFTS = tuple(range(120, -1, -10))
_LARGEST = 10**38
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: digits of a number."""

Digest = Callable[[str, str | bytes], bytes]
"""Makes the digest, in one namespace, of a type and a value."""


class Pseudonyms:
    """What a route's root key makes of values.

    A namespace's key is HKDF-SHA256 of the root (RFC 5869), so that who learnt one would know no other. A digest is
    HMAC-SHA256 over the value's type and the value, cut to 128 bits. Types and values are framed: each has its length
    before it, so that no two inputs are one text. Namespaces that begin with `~` are the masking's own: no policy has
    such a name.
    """

    def __init__(self, root: bytes, generation: int) -> None:
        """Take 32 secret bytes; another generation of the same root has nothing in common with this one."""
        if len(root) != _ROOT_BYTES:
            raise ValueError(f"a root key has {_ROOT_BYTES} bytes, not {len(root)}")
        self._root = root
        self._generation = frame(str(generation).encode())
        self._namespaces: dict[str, Digest] = {}

    def namespace(self, name: str) -> Digest:
        """Return what makes a namespace's digests."""
        if name not in self._namespaces:
            info = self._generation + frame(name.encode())
            self._namespaces[name] = _keyed(hkdf(self._root, salt=ROOT_MESSAGE, info=info, length=32))
        return self._namespaces[name]

    def digest(self, namespace: str, type_: str, value: str | bytes) -> bytes:
        """Return a value's 16 bytes; a number is told in its one spelling, a binary by its bytes."""
        return self.namespace(namespace)(type_, value)


def token(digest: bytes) -> str:
    """Return a digest as 26 small letters and digits: base32 (RFC 4648) in lower case, without padding.

    >>> token(bytes(15) + bytes([7]))
    'aaaaaaaaaaaaaaaaaaaaaaaaa4'
    """
    bits = int.from_bytes(digest, "big") << 2
    return "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])


def whole_number(digest: bytes) -> str:
    """Return a digest as a whole number of up to 38 digits, as many as DynamoDB keeps."""
    return str(int.from_bytes(digest, "big") % _LARGEST)


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Return so many bytes of HKDF-SHA256 (https://www.rfc-editor.org/rfc/rfc5869)."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    block, made = b"", b""
    while len(made) < length:
        block = hmac.digest(key, block + info + bytes([len(made) // 32 + 1]), "sha256")
        made += block
    return made[:length]


def _keyed(key: bytes) -> Digest:
    """Return what makes one key's digests: HMAC (RFC 2104) whose two keyed states are made once."""
    padded = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded)).copy
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded)).copy
    tags: Mapping[str, bytes] = {type_: frame(type_.encode()) for type_ in ("S", "N", "B")}

    def digest(type_: str, value: str | bytes) -> bytes:
        # A JSON text may hold half a surrogate pair, which is a value like others.
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        within, around = inner(), outer()
        within.update(tags[type_] + len(raw).to_bytes(4, "big") + raw)
        around.update(within.digest())
        return around.digest()[:BYTES]

    return digest


def frame(value: bytes) -> bytes:
    """Return a value with its length before it."""
    return len(value).to_bytes(4, "big") + value
