"""Desired state: of a source's state the replica that it asks for, or a refusal. Pure.

The replicator writes it, and whoever compares compares with it: nobody else knows what a replica looks like.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from replication_core.aws.errors import StoreError
from replication_core.datasets import Dataset, RecordKey
from replication_core.items.states import Item
from replication_core.masking.refusals import Unclassified
from replication_core.object_keys import fits_xml
from replication_core.objects.heads import EXPIRES
from replication_core.objects.provenance import masked_metadata, own_tags
from replication_core.objects.request_headers import Telling, copy_source_bytes, tell, tell_masked
from replication_core.objects.states import ObjectState
from replication_core.replicas import PROVENANCE_POLICY, REPLICATED_FROM, REPLICATED_POLICY

if TYPE_CHECKING:
    from replication_core.masking.mask import Mask, ObjectMask

__all__ = [
    "DEFAULT_LARGE_FROM",
    "MOST_WHOLE",
    "DesiredObject",
    "desired_item",
    "desired_key",
    "desired_object",
    "possible_keys",
]

DEFAULT_LARGE_FROM = 512 * 1024**2
"""Bytes that one CopyObject is given at most, unless it is the only way.

S3 takes more, but nothing can stop or follow a call that has begun. This many are copied in the deadline's reserve of
15 seconds at 35 MiB/s; of a slower copy that began just before the deadline Lambda ends the function, and its messages
come back after the visibility timeout.
"""

MOST_WHOLE = 5 * 1024**3
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: bytes that one CopyObject takes."""

_ENCODED_WORD = re.compile(r"=\?.*\?=")
"""https://www.rfc-editor.org/rfc/rfc2047: how S3 tells metadata beyond ASCII."""

_EXPIRES = "Expires"
"""The policy's name for the header that is told as EXPIRES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredObject:
    """The replica that an object is to have, and how it is made."""

    key: str
    telling: Telling
    """What it has besides its bytes."""

    in_parts: bool = False
    """Whether S3 copies it in parts."""

    masked: "ObjectMask | None" = None
    """What its bytes are masked by; None where S3 copies them as they are."""


def desired_object(
    state: ObjectState,
    *,
    bucket: str,
    key: RecordKey,
    environment: str,
    large_from: int = DEFAULT_LARGE_FROM,
    mask: "Mask | None" = None,
) -> DesiredObject | None:
    """Return what the replica of an object in this state, of this key of the source's bucket, has besides its bytes.

    None where the policy has it not travel. A large object whose bytes are not masked is copied in parts. Where parts
    can't make the replica what it is to be, it is copied whole, as long as S3 does that. Raises StoreError where there
    can be none, Unclassified among them.
    """
    if mask is None:
        return _unmasked(state, bucket, key.object_key, large_from, environment)
    rule = mask.object(key.object_key, key.dataset)
    if not rule.wants(own_tags(state.tags)):
        return None
    mark = mask.mark(RecordKey(key.dataset, (rule.key,)))
    telling = _masked_telling(state, environment, rule, mask.version, mark)
    if rule.is_opaque:
        copied = _copied(state, bucket, key.object_key, large_from, telling)
        return replace(copied, key=rule.key)
    return DesiredObject(key=rule.key, telling=telling(), masked=rule)


def _unmasked(state: ObjectState, bucket: str, key: str, large_from: int, environment: str) -> DesiredObject:
    """Return the replica that no policy makes, and that does not say that one did, though its source may."""
    metadata = dict(state.head.metadata)
    if PROVENANCE_POLICY not in metadata:
        return _copied(state, bucket, key, large_from, partial(tell, state, environment))
    del metadata[PROVENANCE_POLICY]
    own = replace(state, head=replace(state.head, metadata=tuple(metadata.items())))
    copied = _copied(own, bucket, key, large_from, partial(tell, own, environment))
    if not copied.telling.exact:
        why = f"metadata that S3 alone can copy, and {PROVENANCE_POLICY} among it, which only a policy's replica has"
        raise StoreError("NotCopyable", why, permanent=True)
    return copied


def _copied(
    state: ObjectState, bucket: str, key: str, large_from: int, telling: Callable[..., Telling]
) -> DesiredObject:
    head = state.head
    why_whole = ""
    if head.size > large_from:
        told = telling()
        why_whole = _why_whole(key, told)
        if not why_whole:
            return DesiredObject(key=key, telling=told, in_parts=True)
    if head.size > MOST_WHOLE:
        raise StoreError("NotCopyable", f"an object of more than 5 GiB {why_whole}", permanent=True)
    return DesiredObject(key=key, telling=telling(used=copy_source_bytes(bucket, key, head.version_id)))


def _masked_telling(
    state: ObjectState, environment: str, rule: "ObjectMask", version_of: Callable[[str], str], mark: str
) -> Callable[..., Telling]:
    """Return what tells of the replica what the policy makes of the source's headers, metadata and tags."""
    head = state.head
    if head.missing_metadata:
        raise Unclassified("it has metadata that S3 tells nobody", path="metadata")
    headers = {_EXPIRES if name == EXPIRES else name: value for name, value in head.headers}
    told = _masked_texts("headers", headers, rule.headers)
    version = str(head.version_id) if head.pinned else version_of(head.etag)
    metadata = _masked_texts("metadata", dict(head.metadata), rule.metadata)
    return partial(
        tell_masked,
        {EXPIRES if name == _EXPIRES else name: value for name, value in told.items()},
        masked_metadata(metadata, environment, version, mark),
        rule.tags(state.tags),
    )


def _masked_texts(
    what: str, texts: Mapping[str, str], mask: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> Mapping[str, str]:
    """Return what becomes of headers or metadata; raises Unclassified for what can't be read, or told, as it is.

    What is beyond ASCII is told as if it were Latin-1, or in encoded words: no rule sees what it says.
    """
    masked = mask(texts)
    for name, value in masked.items():
        if not f"{name}{texts[name]}{value}".isascii() or _ENCODED_WORD.search(texts[name]):
            raise Unclassified("has characters beyond ASCII, which can be dropped alone", path=what)
    return masked


def _why_whole(key: str, telling: Telling) -> str:
    if not fits_xml(key):
        return "whose key has a character that no XML can hold, such as the answers to an upload in parts"
    return "" if telling.exact else "whose headers or metadata are too long, or not ASCII"


def desired_key(key: RecordKey, mask: "Mask | None" = None) -> RecordKey:
    """Return the key of a record's replica, of the record's own key alone; raises Unclassified where there can be none.

    No two keys have the same.
    """
    return key if mask is None else mask.key(key)


def possible_keys(key: RecordKey, mask: "Mask | None") -> set[RecordKey]:
    """Return where a replica of a record may be: at its own key too, where none or another policy has left it."""
    try:
        return {key, desired_key(key, mask)}
    except Unclassified:
        return {key}


def desired_item(item: Item, dataset: Dataset, *, source: str, target: str, mask: "Mask | None" = None) -> Item | None:
    """Return the replica of an item, but for the time of its writing; None where the policy has it not travel.

    `source` and `target` are the environments' names. What is added wins over attributes of the source so named, other
    than those of the key, which a masked item may not have; and none but a policy's replica says that one has made it.
    Raises Unclassified.
    """
    added = {"environment": target, REPLICATED_FROM: source}
    if mask is not None:
        if not {*added, REPLICATED_POLICY}.isdisjoint(dataset.attribute_names):
            raise Unclassified("an attribute of the key has the name of one that every masked replica has of its own")
        masked = mask.item(item, dataset)
        if masked is None:
            return None
        item = masked
        added[REPLICATED_POLICY] = mask.mark(dataset.of_item(masked))
    elif REPLICATED_POLICY in item and REPLICATED_POLICY not in dataset.attribute_names:
        item = {name: value for name, value in item.items() if name != REPLICATED_POLICY}
    return {**item, **{name: {"S": value} for name, value in added.items() if name not in dataset.attribute_names}}
