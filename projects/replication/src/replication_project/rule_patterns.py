"""The patterns of events that mean a change for a route. Pure: a selection and names in, a pattern out."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_common.infra.limits import PATTERN_CHARACTERS
from replication_project.config import DatasetSelection
from replication_project.dataset_pairs import DatasetPair

__all__ = ["change_pattern"]

OBJECT_EVENTS = (
    "Object ACL Updated",
    "Object Created",
    "Object Deleted",
    "Object Restore Completed",
    "Object Tags Added",
    "Object Tags Deleted",
)
"""The events after which a replica may differ from its source; a restored object can be copied from then on.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
"""

OBJECT_CALLS = (
    "CompleteMultipartUpload",
    "CopyObject",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "PostObject",
    "PutObject",
    "PutObjectAcl",
    "PutObjectTagging",
)
"""The calls after which a replica may differ from its source.

Not RestoreObject, which only begins a restore: nothing is to be copied yet, and its end is no call.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
"""

ITEM_CALLS = (
    "BatchExecuteStatement",
    "BatchWriteItem",
    "DeleteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
)
"""The calls that may write items, those of PartiQL among them: its queries are recorded as if they were writes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/logging-using-cloudtrail.html
"""

Pattern = dict[str, Any]
Keys = Sequence[Mapping[str, Any]]
"""What a key may be, as alternatives of a pattern's field; nothing where it may be any."""

_WRITTEN_ALIKE = re.compile(r"[A-Za-z0-9_./-]*")
"""The beginning of a prefix that everybody writes alike, whether or not he percent-encodes keys in events."""


NO_BUCKET = ""
"""A name that no bucket has: the rule of a route without buckets matches nothing by it.

A stack that had no rule then would have other resources for what another stack exports.
"""


def change_pattern(capture: str, pairs: Sequence[DatasetPair]) -> str:
    """Return the pattern of the source's events that a route of these gets: no fewer than it needs, often no more.

    `capture` says whose events they are: the buckets' own (`native`), or those of calls that CloudTrail recorded. The
    function selects by itself, so that what a pattern can't say, or AWS takes no pattern that is long enough for, is
    left to it.
    """
    pattern = _recorded_writes if capture == "cloudtrail" else _object_events
    selective, whole = (json.dumps(pattern(pairs, is_selective)) for is_selective in (True, False))
    return selective if len(selective) <= PATTERN_CHARACTERS else whole


def _buckets(pairs: Sequence[DatasetPair], is_selective: bool) -> list[tuple[list[str], Keys]]:
    """Return the names of the source's buckets, together where the same is said of their keys, and that."""
    found: dict[str, tuple[list[str], Keys]] = {}
    for pair in pairs:
        if pair.is_bucket:
            keys = _keys(pair.selection) if is_selective else ()
            found.setdefault(json.dumps(keys), ([], keys))[0].append(pair.source.name)
    return list(found.values())


def _any(alternatives: Sequence[Pattern]) -> Pattern:
    """Return what matches by one of them: `$or` is of two or more.

    https://github.com/aws/event-ruler#the-or-primitive
    """
    return alternatives[0] if len(alternatives) == 1 else {"$or": list(alternatives)}


def _keys(selection: DatasetSelection) -> Keys:
    """Return what the keys that a target gets have in common, however an event writes them.

    A key that is written encoded may mean another, see `replication_core.object_keys`: an included prefix counts as far
    as everybody writes it alike, and an excluded one where no decoding makes something else of it. A field matches by
    any of its alternatives, and a second condition on it replaces the first: with prefixes of both kinds the excluded
    ones are left to the function.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    if selection.include:
        prefixes = {_WRITTEN_ALIKE.match(prefix)[0]: None for prefix in selection.include}  # type: ignore[index] # it matches anything
        return () if "" in prefixes else [{"prefix": prefix} for prefix in prefixes]
    excluded = [prefix for prefix in selection.exclude if not {"%", "+"} & set(prefix)]
    return [{"anything-but": {"prefix": excluded if len(excluded) > 1 else excluded[0]}}] if excluded else ()


def _object_events(pairs: Sequence[DatasetPair], is_selective: bool) -> Pattern:
    details = [
        {"bucket": {"name": names}, **({"object": {"key": list(keys)}} if keys else {})}
        for names, keys in _buckets(pairs, is_selective) or [([NO_BUCKET], ())]
    ]
    return {"source": ["aws.s3"], "detail-type": list(OBJECT_EVENTS), "detail": _any(details)}


def _recorded_writes(pairs: Sequence[DatasetPair], is_selective: bool) -> Pattern:
    """Return the pattern of the writes of the buckets and of the tables that the target gets.

    What is no call is never recorded, see docs/architecture.md. A DeleteObjects is recorded without its keys, and
    somebody has to hear of it. A table is matched among the resources of a call, since a call on several tables has no
    parameter with its name.
    """
    writes: list[Pattern] = []
    if buckets := _buckets(pairs, is_selective):
        parameters = [
            {"bucketName": names, **({"key": [*keys, {"exists": False}]} if keys else {})} for names, keys in buckets
        ]
        detail = _succeeded(OBJECT_CALLS) | {"requestParameters": _any(parameters)}
        writes.append({"source": ["aws.s3"], "detail": detail})
    if tables := [pair.source.arn for pair in pairs if not pair.is_bucket]:
        detail = _succeeded(ITEM_CALLS) | {"resources": {"ARN": tables}}
        writes.append({"source": ["aws.dynamodb"], "detail": detail})
    return {"detail-type": ["AWS API Call via CloudTrail"], **_any(writes)}


def _succeeded(calls: Sequence[str]) -> Pattern:
    return {"eventName": list(calls), "errorCode": [{"exists": False}]}
