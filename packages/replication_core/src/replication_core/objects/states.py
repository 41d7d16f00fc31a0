"""Objects as the reconciler sees them: which S3 calls, in which order, tell that a replica is level.

An object costs three calls: a head, a copy and a confirming read of its tags, whose answer carries the current
version too; one more where the head tells that there are tags, one more where those are too long for the copy's
headers, and one more where the source has no versions. One that is copied in parts costs two more, and one more where
nothing but a tag can prove its bytes later.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from replication_core.aws.errors import StoreError
from replication_core.reconcile import Reading, SourceMoved, Writing

__all__ = ["UNVERSIONED", "Head", "ObjectCalls", "ObjectState", "ObjectStore", "Tags", "TagsRead"]

Tags = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

UNVERSIONED = frozenset({None, "null"})
"""What is told instead of a version's name where there are no versions, or are none any more."""

_READS = 3


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


class ObjectCalls(Protocol):
    """The calls that a replica costs, each a single request but for the copy of a large object.

    They raise StoreError where S3 refuses or fails.
    """

    def head(self, key: str) -> Head | None:
        """Read the source's current object; None where there is none or a delete marker is current."""

    def tags(self, key: str, version_id: str | None) -> TagsRead | None:
        """Read the tags of a version of the source, or of the current one; None where there is no such object."""

    def copy(self, key: str, state: ObjectState) -> int:
        """Make the replica equal to this state, and return the bytes copied.

        Raises SourceMoved where the version is gone, or the source is another object by now.
        """

    def delete(self, key: str) -> None:
        """Delete the replica; there may be none."""

    def has_replica(self, key: str) -> bool:
        """Tell whether the target has an object of the key that bears a replica's mark."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The reconciler's store of objects, one key at a time."""

    calls: ObjectCalls

    def read(self, keys: Collection[str]) -> Reading[str, ObjectState]:
        """Read the source's current objects with their tags."""
        return {key: self._read(key) for key in keys}

    def write(self, states: Mapping[str, ObjectState | None]) -> Writing[str]:
        """Copy or delete, one object at a time."""
        return {key: self._write(key, state) for key, state in states.items()}

    def confirm(self, states: Mapping[str, ObjectState | None]) -> Reading[str, ObjectState]:
        """Read the current versions and tags, and the whole object only where the version is another one."""
        return {key: self._confirm(key, state) for key, state in states.items()}

    def is_nowhere(self, key: str) -> bool:
        """Tell whether neither source nor target has an object of the key, but for one that is the target's own.

        Raises StoreError where that can't be told.
        """
        return self.calls.head(key) is None and not self.calls.has_replica(key)

    def _read(self, key: str) -> ObjectState | StoreError | None:
        try:
            return self._state(key)
        except StoreError as error:
            return error

    def _state(self, key: str) -> ObjectState | None:
        for _ in range(_READS):
            head = self.calls.head(key)
            if head is None:
                return None
            if head.archived:
                raise StoreError("Archived", "the object is archived and not restored", permanent=True)
            if not head.tag_count:
                return ObjectState(head, ())
            found = self.calls.tags(key, head.version_id)
            if found is not None:
                return ObjectState(head, found.tags)
        raise StoreError("SourceKeepsChanging", f"the object was gone after each of {_READS} heads")

    def _write(self, key: str, state: ObjectState | None) -> int | StoreError | SourceMoved:
        try:
            if state is not None:
                return self.calls.copy(key, state)
            self.calls.delete(key)
        except (StoreError, SourceMoved) as error:
            return error
        return 0

    def _confirm(self, key: str, state: ObjectState | None) -> ObjectState | StoreError | None:
        if state is None:
            return self._read(key)
        try:
            # The tags are read whether or not the head told of any: they may be new, and not every S3-compatible
            # store counts them in a head, nor does S3 for a role that lacks s3:GetObjectTagging.
            found = self.calls.tags(key, None)
            if found is None or found.version_id != state.head.version_id or not self._is_still(key, state.head):
                return self._state(key)
        except StoreError as error:
            return error
        return replace(state, tags=found.tags)

    def _is_still(self, key: str, head: Head) -> bool:
        """Tell whether the source is the object of this head, given that its version's name is the same."""
        return head.pinned or self.calls.head(key) == head
