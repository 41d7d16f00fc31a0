"""The patterns of events that mean a change for a route. Pure: a selection and names in, a pattern out."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline_common.contracts import StorageOutputs
from pipeline_common.infra.limits import PATTERN_CHARACTERS
from replication_project.config import ObjectSelection, TargetConfig

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


def change_pattern(capture: str, target: TargetConfig, source: StorageOutputs) -> str:
    """Return the pattern of the source's events that the target's route gets: no fewer than it needs, often no more.

    `capture` says whose events they are: the bucket's own (`native`), or those of calls that CloudTrail recorded. The
    function selects by itself, so that what a pattern can't say, or AWS takes no pattern that is long enough for, is
    left to it.
    """
    patterns: Mapping[str, Callable[[TargetConfig, StorageOutputs, Keys], Pattern]] = {
        "native": _object_events,
        "cloudtrail": _recorded_writes,
    }
    selective, whole = (json.dumps(patterns[capture](target, source, keys)) for keys in (_keys(target.objects), ()))
    return selective if len(selective) <= PATTERN_CHARACTERS else whole


def _keys(selection: ObjectSelection) -> Keys:
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


def _object_events(_: TargetConfig, source: StorageOutputs, keys: Keys) -> Pattern:
    of_keys = {"object": {"key": list(keys)}} if keys else {}
    return {
        "source": ["aws.s3"],
        "detail-type": list(OBJECT_EVENTS),
        "detail": {"bucket": {"name": [source.bucket_name]}, **of_keys},
    }


def _recorded_writes(target: TargetConfig, source: StorageOutputs, keys: Keys) -> Pattern:
    """Return the pattern of the writes of the bucket, and, where the target gets items, of those of the table.

    What is no call is never recorded, see docs/architecture.md. A DeleteObjects is recorded without its keys, and
    somebody has to hear of it. A table is matched among the resources of a call, since a call on several tables has no
    parameter with its name.
    """
    of_keys = {"key": [*keys, {"exists": False}]} if keys else {}
    objects: Pattern = {
        "source": ["aws.s3"],
        "detail": _succeeded(OBJECT_CALLS) | {"requestParameters": {"bucketName": [source.bucket_name], **of_keys}},
    }
    items: Pattern = {
        "source": ["aws.dynamodb"],
        "detail": _succeeded(ITEM_CALLS) | {"resources": {"ARN": [source.table_arn]}},
    }
    # `$or` is one of two or more: https://github.com/aws/event-ruler#the-or-primitive
    writes = {"$or": [objects, items]} if target.items else objects
    return {"detail-type": ["AWS API Call via CloudTrail"], **writes}


def _succeeded(calls: Sequence[str]) -> Pattern:
    return {"eventName": list(calls), "errorCode": [{"exists": False}]}
