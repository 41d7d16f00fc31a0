"""Differences between a replica and its desired state. Pure: states in, the names of what differs out."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from replication_core.aws.errors import StoreError
from replication_core.datasets import Dataset, RecordKey
from replication_core.desired import DesiredObject, desired_object
from replication_core.items.states import Item, ordered
from replication_core.objects.content import same_bytes
from replication_core.objects.provenance import own_tags, recorded_etag, tells_version
from replication_core.objects.states import Head, ObjectState, Tags
from replication_core.replicas import (
    ADDED_METADATA,
    PROVENANCE_ENVIRONMENT,
    PROVENANCE_POLICY,
    PROVENANCE_VERSION,
    REPLICA_TAG,
    REPLICATION_TIMESTAMP,
)

__all__ = ["item_differences", "masked_differences", "object_differences"]

_PROVENANCE = {PROVENANCE_ENVIRONMENT, PROVENANCE_VERSION}


def object_differences(
    original: ObjectState, replica: ObjectState, *, bucket: str, key: RecordKey, environment: str
) -> tuple[str, ...]:
    """Return what of a replica is not as the replicator would make it from this original; nothing if all is.

    `environment` is the source's, `bucket` and `key` are where the original is. Bytes are compared by what heads tell;
    where that proves nothing (see `content`), by whether the replica's provenance names the original's very version;
    and where that could not be told, by size alone.
    """
    metadata, tags = _wanted(original, bucket, key, environment)
    own = _without(dict(original.head.metadata), {PROVENANCE_POLICY})
    is_of_version = tells_version(dict(replica.head.metadata), original.head)
    return (
        *_content(original.head, replica, is_of_version, told=tells_version(metadata, original.head)),
        *_names("header", dict(original.head.headers), dict(replica.head.headers)),
        *_metadata(metadata, dict(replica.head.metadata), own, mark=_mark(tags, replica.tags)),
        *_names("tag", dict(own_tags(original.tags)), dict(own_tags(replica.tags))),
    )


def masked_differences(
    desired: DesiredObject, original: Head, replica: ObjectState, is_same: bool | None = None
) -> tuple[str, ...]:
    """Return what of a replica that the route's policy has made is not as it is to be; nothing if all is.

    Masked bytes are those of the version that the provenance names, whatever their size, unless it is known otherwise
    whether each `is_same`. Others are compared as the bytes of an unmasked replica are.
    """
    telling, found = desired.telling, dict(replica.head.metadata)
    headers = {name: value for name, value in telling.arguments.items() if name not in {"Metadata", "Tagging"}}
    is_of_version = found.get(PROVENANCE_VERSION) == telling.metadata[PROVENANCE_VERSION]
    return (
        *(
            (("bytes",) if is_same is False else ())
            if desired.masked
            else _content(original, replica, is_of_version, told=True)
        ),
        *_names("header", headers, dict(replica.head.headers)),
        *(("provenance",) if any(telling.metadata[name] != found.get(name) for name in ADDED_METADATA) else ()),
        *_names("metadata", _without(telling.metadata, ADDED_METADATA), _without(found, ADDED_METADATA)),
        *_names("tag", dict(own_tags(telling.tags)), dict(own_tags(replica.tags))),
    )


def _wanted(original: ObjectState, bucket: str, key: RecordKey, environment: str) -> tuple[Mapping[str, str], Tags]:
    """Return the metadata and tags that the replicator gives a replica.

    Where it makes none, such as one that no mark has room in, they are the source's, and the mark all the same: what a
    former release has made there without one is processed like the target's own.
    """
    with suppress(StoreError):
        desired = desired_object(original, bucket=bucket, key=key, environment=environment)
        if desired is not None:
            return desired.telling.metadata, desired.telling.tags
    return dict(original.head.metadata), (*own_tags(original.tags), (REPLICA_TAG, environment))


def _mark(wanted: Tags, found: Tags) -> bool:
    """Tell whether the tags have the mark, if it is to be there."""
    environment = dict(wanted).get(REPLICA_TAG)
    return environment is None or dict(found).get(REPLICA_TAG, "").partition(" ")[0] == environment


def _content(original: Head, replica: ObjectState, is_of_version: bool, *, told: bool) -> Iterator[str]:
    """Yield what differs, where the replica's provenance is or is not of this very version, if that could be `told`."""
    same = same_bytes(original, replica.head, recorded_etag(replica.tags) if is_of_version else None)
    if same is None:
        same = is_of_version or not told
    if original.size != replica.head.size:
        yield "size"
    elif not same:
        yield "bytes"
    if original.missing_metadata != replica.head.missing_metadata:
        yield "metadata that can't be told"


def _metadata(
    wanted: Mapping[str, str], found: Mapping[str, str], own: Mapping[str, str], *, mark: bool
) -> Iterator[str]:
    """Yield what differs; what the replicator adds to the source's `own`, or to its tags, is told as the provenance."""
    added = _PROVENANCE - own.keys()
    if not mark or any(wanted.get(name) != found.get(name) for name in added):
        yield "provenance"
    yield from _names("metadata", own, _without(found, added))


def item_differences(wanted: Item, replica: Item, dataset: Dataset) -> tuple[str, ...]:
    """Return what of a replica is not as it is to be but for the time of its writing; nothing if all is.

    Sets are compared whatever their order.
    """
    if REPLICATION_TIMESTAMP not in dataset.attribute_names:
        stamp = replica.get(REPLICATION_TIMESTAMP, {})
        wanted = {**wanted, REPLICATION_TIMESTAMP: stamp if "S" in stamp else {"S": "any"}}
    return () if wanted == replica else tuple(_names("attribute", wanted, replica))


def _without(texts: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in texts.items() if name not in names}


def _names(what: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(name), found.get(name)
        # Most are equal as they are: only for what is not is it worth sorting the sets in it.
        if one != other and ordered(one) != ordered(other):
            yield f"{what} {name!r}"
