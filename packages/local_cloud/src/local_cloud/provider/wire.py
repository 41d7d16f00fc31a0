"""Property values as the engine sends and expects them, in protobuf Structs.

Plain JSON values stay plain. What JSON cannot say is marked by the engine with a signature key or, for a value not
known yet, with a reserved string per type. Signatures and reserved strings:
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/properties.go and .../plugin/rpc.go
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

__all__ = ["UNKNOWN", "Archive", "Asset", "Unknown", "decode", "encode", "has_unknown"]

Properties = dict[str, Any]


class Unknown(Enum):
    """The one value that stands for "known only after the deployment"."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_ASSET = "c44067f5952c0a294b673a41bacd8c17"
_ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the signature of a secret, not one
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"

_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # an array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file's content. Two are equal when the engine's hashes of their contents are."""

    hash: str = ""
    path: str | None = field(default=None, compare=False)
    text: str | None = field(default=None, compare=False)
    uri: str | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A folder, an archive file or a table of both. Two are equal when the engine's hashes of their contents are."""

    hash: str = ""
    path: str | None = field(default=None, compare=False)
    uri: str | None = field(default=None, compare=False)
    assets: "Mapping[str, Asset | Archive] | None" = field(default=None, compare=False)


def decode(struct: struct_pb2.Struct) -> Properties:
    """Return the Struct's properties as Python values: whole numbers as int, secrets unwrapped, unknowns as UNKNOWN."""
    return {name: _decode(value) for name, value in MessageToDict(struct).items()}


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return the properties as a Struct, the inverse of `decode` except that no secret is marked.

    The engine marks an output as secret itself where its input was one, since the provider does not accept secrets.
    """
    struct = struct_pb2.Struct()
    struct.update({name: _encode(value) for name, value in properties.items()})
    return struct


def has_unknown(value: Any) -> bool:
    """Tell whether the value is unknown or holds something unknown."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def _decode(value: Any) -> Any:
    match value:
        case str():
            return UNKNOWN if value in _UNKNOWNS else value
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_decode(item) for item in value]
        case dict():
            plain = {name: _decode(item) for name, item in value.items()}
            return _MARKED[plain.pop(_SIGNATURE)](plain) if _SIGNATURE in plain else plain
        case _:
            return value


_MARKED: Mapping[str, Callable[[Properties], Any]] = {
    _SECRET: lambda plain: plain["value"],
    _OUTPUT: lambda plain: plain.get("value", UNKNOWN),
    _RESOURCE: lambda plain: plain.get("id") or UNKNOWN,
    _ASSET: lambda plain: Asset(**{name: part for name, part in plain.items() if part}),
    _ARCHIVE: lambda plain: Archive(**{name: part for name, part in plain.items() if part}),
}


def _encode(value: Any) -> Any:
    match value:
        case Unknown():
            return _UNKNOWN_STRING
        case Asset() | Archive():
            parts = {name: part for name, part in vars(value).items() if part is not None}
            return _encode({_SIGNATURE: _ASSET if isinstance(value, Asset) else _ARCHIVE, **parts})
        case Mapping():
            return {name: _encode(item) for name, item in value.items()}
        case list() | tuple():
            return [_encode(item) for item in value]
        case _:
            return value
