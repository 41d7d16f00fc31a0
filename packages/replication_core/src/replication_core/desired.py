"""Desired state: of a source's state the replica that it asks for, or a refusal. Pure.

The replicator writes it, and whoever compares compares with it: nobody else knows what a replica looks like.
"""

from dataclasses import replace

from replication_core.aws.errors import StoreError
from replication_core.datasets import Dataset
from replication_core.items.states import Item
from replication_core.object_keys import fits_xml
from replication_core.objects.request_headers import Telling, copy_source_bytes, tell
from replication_core.objects.states import ObjectState
from replication_core.replicas import REPLICATED_FROM

__all__ = ["ADDED_ATTRIBUTES", "DEFAULT_LARGE_FROM", "MOST_WHOLE", "desired_item", "desired_object"]

DEFAULT_LARGE_FROM = 512 * 1024**2
"""Bytes that one CopyObject is given at most, unless it is the only way.

S3 takes more, but nothing can stop or follow a call that has begun. This many are copied in the deadline's reserve of
15 seconds at 35 MiB/s; of a slower copy that began just before the deadline Lambda ends the function, and its messages
come back after the visibility timeout.
"""

MOST_WHOLE = 5 * 1024**3
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: bytes that one CopyObject takes."""


ADDED_ATTRIBUTES = ("environment", REPLICATED_FROM)
"""The attributes of every item's replica besides its source's and the time of its writing."""


def desired_object(
    state: ObjectState, *, bucket: str, key: str, environment: str, large_from: int = DEFAULT_LARGE_FROM
) -> Telling:
    """Return what the replica of an object in this state, of this key of the source's bucket, has besides its bytes.

    A large object is copied in parts. Where parts can't make the replica what it is to be, it is copied whole, as long
    as S3 does that. Raises StoreError where there can be none.
    """
    head = state.head
    why_whole = ""
    if head.size > large_from:
        telling = tell(state, environment)
        why_whole = _why_whole(key, telling)
        if not why_whole:
            return replace(telling, in_parts=True)
    if head.size > MOST_WHOLE:
        raise StoreError("NotCopyable", f"an object of more than 5 GiB {why_whole}", permanent=True)
    return tell(state, environment, used=copy_source_bytes(bucket, key, head.version_id))


def _why_whole(key: str, telling: Telling) -> str:
    if not fits_xml(key):
        return "whose key has a character that no XML can hold, such as the answers to an upload in parts"
    return "" if telling.exact else "whose headers or metadata are too long, or not ASCII"


def desired_item(item: Item, dataset: Dataset, *, source: str, target: str) -> Item:
    """Return the replica of an item, but for the time of its writing.

    `source` and `target` are the environments' names. What is added wins over attributes of the source so named, other
    than those of the key.
    """
    added = zip(ADDED_ATTRIBUTES, (target, source), strict=True)
    return {**item, **{name: {"S": value} for name, value in added if name not in dataset.attribute_names}}
