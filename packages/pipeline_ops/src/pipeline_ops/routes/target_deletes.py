"""Deletes in a target itself, of what no notice can name: a replica without a source, and versions of objects."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.items.dynamodb import delete_item
from replication_core.objects.heads import ABSENT, Absent, is_marked, read_head
from replication_core.replicas import REPLICATED_FROM, REPLICATION_TIMESTAMP
from replication_core.route_spec import RoutedDataset

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["delete_object", "delete_orphan"]

_CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", *ABSENT})
"""What S3 answers where an object is another one meanwhile, or none.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
"""


def delete_orphan(sides: Sides, written_before: datetime, key: RecordKey) -> bool:
    """Delete the target's record of this key, if it is a replica of the route that was written before then.

    Return whether it was. Raises StoreError.
    """
    routed = sides.route.dataset(key.dataset.name)
    if routed is None or not routed.target:
        return False
    delete = _delete_object if routed.dataset.is_bucket else _delete_item
    return delete(sides, routed, key, written_before)


def _delete_item(sides: Sides, routed: RoutedDataset, key: RecordKey, written_before: datetime) -> bool:
    condition = {
        "ConditionExpression": "#from = :from AND #at < :before",
        "ExpressionAttributeNames": {"#from": REPLICATED_FROM, "#at": REPLICATION_TIMESTAMP},
        "ExpressionAttributeValues": {
            ":from": {"S": sides.route.source_environment},
            # As the replicator writes it, so that texts are in the order of the instants.
            ":before": {"S": written_before.isoformat(timespec="milliseconds")},
        },
    }
    return delete_item(sides.target_dynamodb, routed.target, key, condition)


def _delete_object(sides: Sides, routed: RoutedDataset, key: RecordKey, written_before: datetime) -> bool:
    client, bucket = sides.target_s3, routed.target
    head = read_head(client, bucket, key.object_key)
    if isinstance(head, Absent) or datetime.fromisoformat(head.last_modified) >= written_before:
        return False
    source = sides.route.source_environment
    if not is_marked(client, bucket, key.object_key, head, head.version_id, source=source):
        return False
    return delete_object(client, bucket, key.object_key, IfMatch=head.etag)


def delete_object(client: "S3Client", bucket: str, key: str, **which: str) -> bool:
    """Delete a version for good, or the object if it still has that ETag; tell whether it was that. Raises StoreError.

    S3 takes no condition on a version, nor, of a bucket as they are here, on the time of writing: an object that is
    written anew with the same bytes is deleted as well.
    """
    told: Any = which
    try:
        with translated("DeleteObject"):
            client.delete_object(Bucket=bucket, Key=key, **told)
    except StoreError as error:
        if error.kind in _CHANGED:
            return False
        raise
    return True
