"""How a replica is made: whole or in parts, and what its request tells. Pure, and the same for who compares."""

from dataclasses import dataclass

from replication_core.aws.errors import StoreError
from replication_core.object_keys import fits_xml
from replication_core.objects.request_headers import Telling, copy_source_bytes, tell
from replication_core.objects.states import ObjectState

__all__ = ["DEFAULT_LARGE_FROM", "MOST_WHOLE", "Plan", "plan_copy"]

DEFAULT_LARGE_FROM = 512 * 1024**2
"""Bytes that one CopyObject is given at most, unless it is the only way.

S3 takes more, but nothing can stop or follow a call that has begun. This many are copied in the deadline's reserve of
15 seconds at 35 MiB/s; of a slower copy that began just before the deadline Lambda ends the function, and its messages
come back after the visibility timeout.
"""

MOST_WHOLE = 5 * 1024**3
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: bytes that one CopyObject takes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a replica is made."""

    telling: Telling
    in_parts: bool


def plan_copy(
    state: ObjectState, *, bucket: str, key: str, environment: str, large_from: int = DEFAULT_LARGE_FROM
) -> Plan:
    """Decide how a replica of this state, of this key of the source's bucket, is made.

    A large object is copied in parts. Where parts can't make the replica what it is to be, it is copied whole, as long
    as S3 does that. Raises StoreError where there is no way.
    """
    head = state.head
    why_whole = ""
    if head.size > large_from:
        telling = tell(state, environment)
        why_whole = _why_whole(key, telling)
        if not why_whole:
            return Plan(telling, in_parts=True)
    if head.size > MOST_WHOLE:
        raise StoreError("NotCopyable", f"an object of more than 5 GiB {why_whole}", permanent=True)
    used = copy_source_bytes(bucket, key, head.version_id)
    return Plan(tell(state, environment, used=used), in_parts=False)


def _why_whole(key: str, telling: Telling) -> str:
    if not fits_xml(key):
        return "whose key has a character that no XML can hold, such as the answers to an upload in parts"
    return "" if telling.exact else "whose headers or metadata are too long, or not ASCII"
