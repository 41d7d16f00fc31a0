"""S3's side of the replicas: server-side copies pinned to the version that was read, never a body through here.

An object costs three calls: a head, a copy and a confirming read of its tags, whose answer carries the version too. One
more each: where the head counts tags, where those are too long for the copy's headers, and where the source has no
versions. A copy in parts costs two more, and one more where nothing but a tag can prove its bytes later.
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from replication_core.admission import Admit, Braked, freely
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.clients import Clients
from replication_core.datasets import RecordKey
from replication_core.desired import DEFAULT_LARGE_FROM, DesiredObject, desired_key, desired_object, possible_keys
from replication_core.masking.refusals import Unclassified
from replication_core.objects.content import same_bytes
from replication_core.objects.heads import (
    DELETE_MARKER,
    EXPIRES,
    Absent,
    checksum_of,
    is_marked,
    read_head,
    read_tags,
)
from replication_core.objects.large_copy import LargeCopy, LargeObject
from replication_core.objects.provenance import recorded_etag, with_mark
from replication_core.objects.request_headers import Telling
from replication_core.objects.states import UNVERSIONED, Head, ObjectState, Tags, TagsRead
from replication_core.objects.unfinished import UnfinishedCopy
from replication_core.reconcile import Action, Reading, SourceMoved, Writing, Written
from replication_core.replicas import PROVENANCE_POLICY
from replication_core.route_mask import Masking, unmasked
from replication_core.route_spec import RoutedDataset, RouteSpec

if TYPE_CHECKING:
    from replication_core.masking.mask import ObjectMask
    from replication_core.objects.masked_copy import MaskedCopy

__all__ = ["ObjectStore", "S3Objects"]

# The last of them where the replica was deleted between its copy and its tags, by who saw a newer source.
_MOVED = frozenset({"NoSuchKey", "NoSuchVersion", "PreconditionFailed", "404", "412"}) | DELETE_MARKER
_BUCKET_SEEN_SECONDS = 60.0
_READS = 3


@dataclass(slots=True, kw_only=True)
class S3Objects:
    """Reads objects of the source bucket and copies or deletes their replicas in the target bucket.

    A replica has its source's bytes, stored headers, user metadata, tags and checksum algorithm. Its storage class
    is STANDARD and its encryption the target bucket's default: both are the target's own policy, as its lifecycle
    is. Object locks, ACLs and annotations are not replicated. What a request can't say of it S3 takes from the source
    by itself (see `request_headers`). A replica is never without a mark: where its metadata has no room for one, a tag
    that is written with it is the mark (see `provenance`). One exception is left, in a target without versions: ten
    tags that are put apart may land on the next state's replica, whose metadata has no room, until it is copied again.

    Not excluded: a write whose answer was lost, and which S3 lets take effect only after a later reconcile of the
    key has confirmed another state. No call of S3's can be taken back or fenced; the key's next notice mends it.
    """

    clients: Clients
    route: RouteSpec
    routed: RoutedDataset
    large_copy: LargeCopy
    masked_copy: "Callable[[], MaskedCopy]"
    """Returns what masks bodies, always the same; not loaded where nothing is masked."""

    large_from: int = DEFAULT_LARGE_FROM
    """Objects of more bytes than this are copied in parts."""

    mask: Masking = unmasked
    admit: Admit = freely
    clock: Callable[[], float] = time.monotonic
    _bucket_seen: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for operation in ("CopyObject", "PutObject", "CreateMultipartUpload"):
            events = self.clients.copying_s3.meta.events
            # Named, so that replicators that share a client register this once.
            events.register(f"before-parameter-build.s3.{operation}", _take_expires, f"take-expires-{operation}")
            events.register(f"before-call.s3.{operation}", _send_expires, f"send-expires-{operation}")

    def head(self, key: str) -> Head | None:
        """Read the source's current object; None where there is none or a delete marker is current.

        A head that finds nothing can't tell a missing object from a missing bucket, and the one must delete a
        replica while the other must not: without a delete marker the bucket is looked at, once a minute at most.
        """
        found = read_head(self.clients.source_s3, self.routed.source, key)
        if isinstance(found, Head):
            return found
        if not found.marked:
            self._see_bucket()
        return None

    def tags(self, key: str, version_id: str | None) -> TagsRead | None:
        """Read the tags of a version of the source, or of the current one; None where there is no such object."""
        return read_tags(self.clients.source_s3, self.routed.source, key, version_id)

    def decides_by_tags(self) -> bool:
        """Tell whether an object's tags decide whether it travels: then they are read, whatever its head counts."""
        mask = self.mask()
        policy = mask and mask.policy.buckets.get(self.routed.dataset.name)
        return bool(policy and policy.tags)

    def copy(self, key: str, state: ObjectState, begun: UnfinishedCopy | None = None) -> Written:
        """Make the replica what this state asks for, going on with what was begun; return the bytes copied.

        It is one write, or two where the tags are put by themselves. Two reconcilers' writes may alternate: each looks
        at the source after its last one, so that who wrote last has seen its own state there, or writes again.
        """
        source: Any = {"Bucket": self.routed.source, "Key": key}
        if state.head.version_id is not None:
            source["VersionId"] = state.head.version_id
        try:
            desired = desired_object(
                state,
                bucket=self.routed.source,
                key=self._record(key),
                environment=self.route.source_environment,
                large_from=self.large_from,
                mask=self.mask(),
            )
            if desired is not None and desired.masked is not None:
                return self._copy_masked(desired, desired.masked, key, state.head, begun)
            self.abandon(key, begun)
            if desired is None:
                self._remove(key)
                return Action.DELETED
            copy = self._copy_in_parts if desired.in_parts else self._copy_whole
            return copy(desired, state.head, source)
        except StoreError as error:
            if error.kind in _MOVED:
                raise SourceMoved from error
            raise

    def delete(self, key: str) -> int | Action:
        """Delete the replica, unless the policy has made it and keeps it.

        A versioned target keeps it below a delete marker, also where there was none.
        """
        mask = self.mask()
        if mask is not None and mask.policy.keeps_deleted(self.routed.dataset.name):
            self.delete_outdated(key)
            return Action.IGNORED
        self._remove(key)
        return 0

    def abandon(self, key: str, begun: UnfinishedCopy | None) -> None:
        """Abort what was begun of a replica that is not to be made so."""
        if begun is not None and begun.is_sealed(str(self._record(key)), self._seal):
            with suppress(Unclassified):
                self.masked_copy().discard(self.routed.target, self._replica_key(key), begun)

    def has_replica(self, key: str) -> bool:
        """Tell whether the target has an object that may be the key's replica, and bears a replica's mark."""
        return any(self._marked(place) for place in self._places(key))

    def delete_outdated(self, key: str) -> bool:
        """Delete what another policy, or none, has made of an object; tell if it was there.

        Raises a retryable StoreError where that fails, Braked among them: it must not be left as it is.
        """
        try:
            marked = {place: self._marked(place) for place in self._places(key)}
            outdated = [place for place, there in marked.items() if there and not self._is_current(place, there)]
            self.admit(lambda: len(outdated))
            for place in outdated:
                self._delete(place)
        except Braked:
            raise
        except StoreError as error:
            why = f"what another policy, or none, has made of the object can't be deleted: {error.message}"
            raise StoreError(error.kind, why) from error
        return bool(outdated)

    def _is_current(self, place: str, there: Head) -> bool:
        """Tell whether the policy itself has made what is there."""
        mask = self.mask()
        return mask is None or mask.object_doubt(self._record(place), dict(there.metadata)) is None

    def _record(self, key: str) -> RecordKey:
        return RecordKey(self.routed.dataset, (key,))

    def _replica_key(self, key: str) -> str:
        return desired_key(self._record(key), self.mask()).object_key

    def _places(self, key: str) -> set[str]:
        return {place.object_key for place in possible_keys(self._record(key), self.mask())}

    def _marked(self, place: str) -> Head | None:
        """Return the head of what the target has there, if that bears a replica's mark."""
        there = read_head(self.clients.target_s3, self.routed.target, place)
        if isinstance(there, Absent) or not is_marked(self.clients.target_s3, self.routed.target, place, there):
            return None
        return there

    def _remove(self, key: str) -> None:
        place = self._replica_key(key)

        def there() -> int:
            return int(isinstance(read_head(self.clients.target_s3, self.routed.target, place), Head))

        self.admit(there)
        self._delete(place)

    def _delete(self, place: str) -> None:
        with translated("DeleteObject"):
            self.clients.target_s3.delete_object(Bucket=self.routed.target, Key=place)

    def _copy_whole(self, desired: DesiredObject, head: Head, source: Any) -> int:
        telling = desired.telling
        if head.size > self.large_copy.part_size:
            self.large_copy.see_deadline()
        with translated("CopyObject"):
            answer = self.clients.copying_s3.copy_object(
                Bucket=self.routed.target,
                Key=desired.key,
                CopySource=source,
                CopySourceIfMatch=head.etag,
                MetadataDirective="REPLACE" if telling.exact else "COPY",
                # The tags of a version change, so that S3's own copy of them might be of another moment.
                TaggingDirective="REPLACE",
                # S3 would copy them by default, for which the role has no right: they are not part of a replica.
                AnnotationDirective="EXCLUDE",
                **telling.arguments,
            )
        told("CopyObject", answer, "CopyObjectResult", "ETag")
        if telling.tags_apart:
            self._put_tags(desired.key, telling.tags, answer.get("VersionId"))
        return head.size

    def _copy_in_parts(self, desired: DesiredObject, head: Head, source: Mapping[str, str]) -> int:
        key, telling = desired.key, desired.telling
        if self._is_there(desired, partial(same_bytes, head)):
            return 0
        arguments = {"Bucket": self.routed.target, "Key": key, **telling.arguments}
        if head.checksum_algorithm is not None:
            # CopyObject keeps the source's by itself.
            arguments["ChecksumAlgorithm"] = head.checksum_algorithm
        if head.checksum_type is not None and (head.checksum_algorithm or "").startswith("CRC"):
            arguments["ChecksumType"] = head.checksum_type
        large = LargeObject(source=source, etag=head.etag, size=head.size, arguments=arguments)
        made = self.large_copy.copy(large)
        tags = self._with_proof(head, telling, made)
        if telling.tags_apart or tags != telling.tags:
            self._put_tags(key, tags, made.get("VersionId"))
        return head.size

    def _copy_masked(
        self, desired: DesiredObject, rule: "ObjectMask", key: str, head: Head, begun: UnfinishedCopy | None
    ) -> int | UnfinishedCopy:
        """Mask the bytes of this version; return how many they became, or what is left for another invocation."""
        from replication_core.objects.masked_copy import MaskedObject  # noqa: PLC0415 - a route that masks nothing
        from replication_core.objects.pinned import PinnedObject  # noqa: PLC0415 - loads neither

        begun, masked_copy = self._going_on(desired, key, begun), self.masked_copy()
        if head.size > masked_copy.part_size and self._is_there(desired, _is_as_recorded):
            masked_copy.discard(self.routed.target, desired.key, begun)
            return 0
        source = PinnedObject.of(self.clients.source_s3, self.routed.source, key, head)
        arguments = {"Bucket": self.routed.target, "Key": desired.key, **desired.telling.arguments}
        asked = MaskedObject.of(source, head, rule, arguments)
        made = masked_copy.copy(asked, begun)
        if isinstance(made, UnfinishedCopy):
            return made.sealed(str(self._record(key)), self._seal)
        telling, tags = desired.telling, desired.telling.tags
        if made.in_parts:
            tags = with_mark(tags, self.route.source_environment, made.answer["ETag"]) or tags
        if telling.tags_apart or tags != telling.tags:
            self._put_tags(desired.key, tags, made.answer.get("VersionId"))
        return made.size

    def _going_on(self, desired: DesiredObject, key: str, begun: UnfinishedCopy | None) -> UnfinishedCopy:
        """Return what was begun, where this function has begun it, of the same version and by the same rules."""
        telling = desired.telling
        anew = UnfinishedCopy(version=telling.version, fingerprint=telling.metadata[PROVENANCE_POLICY])
        if begun is None or not begun.is_sealed(str(self._record(key)), self._seal):
            return anew
        if (begun.version, begun.fingerprint) == (anew.version, anew.fingerprint):
            return begun
        self.abandon(key, begun)
        return replace(anew, rounds=begun.rounds)

    def _seal(self, text: str) -> str:
        mask = self.mask()
        return mask.seal(text) if mask else ""

    def _with_proof(self, head: Head, telling: Telling, made: Mapping[str, Any]) -> Tags:
        """Return the replica's tags, with the ETag that it has now where nothing else will prove its bytes later.

        Where the tags have no room for it, or the metadata none for the version, the object is copied again whenever
        a notice of it comes. Raises a retryable StoreError where S3 tells that the bytes are others.
        """
        algorithm, checksum = checksum_of(made)
        replica = replace(
            head,
            etag=made["ETag"],
            checksum_algorithm=algorithm,
            checksum_type=made.get("ChecksumType"),
            checksum=checksum,
            encryption=made.get("ServerSideEncryption"),
        )
        same = same_bytes(head, replica)
        if same is False:
            raise StoreError(
                "OtherBytes", "the checksum of what was copied is not the source's; it is to be copied again"
            )
        if same or not telling.version:
            return telling.tags
        return with_mark(telling.tags, self.route.source_environment, made["ETag"]) or telling.tags

    def _is_there(self, desired: DesiredObject, proves: Callable[[Head, str | None], bool | None]) -> bool:
        """Tell whether an earlier try has made this very replica, and bring its tags level if it has.

        It costs a head and a read of tags, beside which a copy of the same bytes costs a call per part, and minutes.
        What is not proven to have the right bytes, by its head or the ETag that it had when made, is made again.
        """
        key, telling = desired.key, desired.telling
        there = read_head(self.clients.target_s3, self.routed.target, key)
        if isinstance(there, Absent):
            return False
        if (dict(there.headers), dict(there.metadata)) != (telling.headers, telling.metadata):
            return False
        found = read_tags(self.clients.target_s3, self.routed.target, key, None)
        if found is None:
            return False
        recorded = telling.recorded(there, found.tags)
        if not proves(there, recorded):
            return False
        tags = telling.tags if recorded is None else with_mark(telling.tags, self.route.source_environment, recorded)
        if found.tags != tags:
            self._put_tags(key, tags or telling.tags, there.version_id)
        return True

    def _put_tags(self, key: str, tags: Tags, version_id: str | None) -> None:
        """Put the tags of this version of the replica, and of no other that somebody has made meanwhile.

        Without versions they land on whatever is there by now, whose only mark may be a tag: they have it as well then,
        if there is room.
        """
        pinned: Any = {"VersionId": version_id}
        if version_id in UNVERSIONED:
            pinned = {}
            tags = with_mark(tags, self.route.source_environment, recorded_etag(tags)) or tags
        tag_set: Any = [{"Key": name, "Value": value} for name, value in tags]
        with translated("PutObjectTagging"):
            self.clients.target_s3.put_object_tagging(
                Bucket=self.routed.target, Key=key, Tagging={"TagSet": tag_set}, **pinned
            )

    def _see_bucket(self) -> None:
        now = self.clock()
        if self._bucket_seen is not None and now - self._bucket_seen < _BUCKET_SEEN_SECONDS:
            return
        try:
            with translated("HeadBucket"):
                self.clients.source_s3.head_bucket(Bucket=self.routed.source)
        except StoreError as error:
            raise StoreError("SourceBucket", f"the source bucket can't be seen: {error.message}") from error
        self._bucket_seen = now


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The reconciler's store of objects, one key at a time."""

    calls: S3Objects
    begun: dict[str, UnfinishedCopy] = field(default_factory=dict)
    """What an earlier invocation has left of some keys' work."""

    def going_on(self, key: str, begun: UnfinishedCopy) -> Self:
        """Return a store that goes on with what was begun of a key."""
        return replace(self, begun={key: begun})

    def read(self, keys: Collection[str]) -> Reading[str, ObjectState]:
        """Read the source's current objects with their tags."""
        return {key: self._current(key, None) for key in keys}

    def write(self, states: Mapping[str, ObjectState | None]) -> Writing[str]:
        """Copy or delete, one object at a time."""
        return {key: self._write(key, state) for key, state in states.items()}

    def confirm(self, states: Mapping[str, ObjectState | None]) -> Reading[str, ObjectState]:
        """Read the current versions and tags, and the whole object only where the version is another one."""
        return {key: self._current(key, state) for key, state in states.items()}

    def is_nowhere(self, key: str) -> bool:
        """Tell whether neither source nor target has an object of the key, but for one that is the target's own.

        Raises StoreError where that can't be told.
        """
        return self.calls.head(key) is None and not self.calls.has_replica(key)

    def _state(self, key: str) -> ObjectState | None:
        for _ in range(_READS):
            head = self.calls.head(key)
            if head is None:
                return None
            if head.archived:
                raise StoreError("Archived", "the object is archived and not restored", permanent=True)
            if not head.tag_count and not self.calls.decides_by_tags():
                return ObjectState(head, ())
            found = self.calls.tags(key, head.version_id)
            if found is not None:
                return ObjectState(head, found.tags)
        raise StoreError("SourceKeepsChanging", f"the object was gone after each of {_READS} heads")

    def _write(self, key: str, state: ObjectState | None) -> Written:
        begun = self.begun.pop(key, None)
        try:
            if state is not None:
                return self.calls.copy(key, state, begun)
            self.calls.abandon(key, begun)
            return self.calls.delete(key)
        except Unclassified as refusal:
            self.calls.abandon(key, begun)
            return self._refused(key, state, refusal)
        except (StoreError, SourceMoved) as error:
            return error

    def _refused(self, key: str, state: ObjectState | None, refusal: Unclassified) -> Written:
        """Leave nothing that another policy has made of a refused object, and look at the source after a delete."""
        try:
            is_changed = self.calls.delete_outdated(key)
        except StoreError as error:
            return error
        if state is None:
            return 0
        return SourceMoved() if is_changed and self._current(key, state) != state else refusal

    def _current(self, key: str, written: ObjectState | None) -> ObjectState | StoreError | None:
        try:
            if written is None:
                return self._state(key)
            # The tags are read whether or not the head told of any: they may be new, and not every S3-compatible
            # store counts them in a head, nor does S3 for a role that lacks s3:GetObjectTagging.
            found, head = self.calls.tags(key, None), written.head
            if found is None or found.version_id != head.version_id:
                return self._state(key)
            is_still = head.pinned or self.calls.head(key) == head
            return replace(written, tags=found.tags) if is_still else self._state(key)
        except StoreError as error:
            return error


def _is_as_recorded(there: Head, recorded: str | None) -> bool:
    """Tell whether a masked replica has the bytes that it had when it was made: nothing of the source tells of them."""
    return recorded is not None and recorded == there.etag


def _take_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Put the Expires header aside before botocore would parse it and send it differently, or refuse it.

    It is whatever text the writer stored, `0` and `-1` among them, and the replica's is to be the same.
    """
    if EXPIRES in params:
        context["replica_expires"] = params.pop(EXPIRES)


def _send_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if "replica_expires" in context:
        params["headers"]["Expires"] = context["replica_expires"]
