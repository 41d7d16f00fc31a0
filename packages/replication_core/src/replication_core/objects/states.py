"""Objects, and their states as the reconciler compares them. Pure."""

from dataclasses import dataclass, field

__all__ = ["UNVERSIONED", "Head", "ObjectState", "Tags", "TagsRead"]

Tags = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

UNVERSIONED = frozenset({None, "null"})
"""What is told instead of a version's name where there are no versions, or are none any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a head tells of an object, as far as its replica is to have it."""

    version_id: str | None
    etag: str
    size: int
    last_modified: str
    headers: tuple[tuple[str, str], ...] = ()
    """The stored headers, by the name of CopyObject's parameter that sets each."""

    metadata: tuple[tuple[str, str], ...] = ()
    missing_metadata: bool = False
    """There is more metadata, which can't be told in headers."""

    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    checksum: str | None = None
    """The checksum's value, in base64."""

    encryption: str | None = None
    tag_count: int = field(default=0, compare=False)
    archived: bool = field(default=False, compare=False)
    """In a storage class whose objects can't be read, and not restored from it."""

    expires: str | None = field(default=None, compare=False)
    """When its bucket's lifecycle has it removed, as an HTTP date."""

    @property
    def pinned(self) -> bool:
        """Tell whether the version names these very bytes and headers for ever."""
        return self.version_id not in UNVERSIONED


@dataclass(frozen=True, slots=True)
class TagsRead:
    """Tags, and the version that they were read from."""

    version_id: str | None
    tags: Tags


@dataclass(frozen=True, slots=True)
class ObjectState:
    """All that a replica has to be equal to; the bytes are named by version and ETag."""

    head: Head
    tags: Tags
