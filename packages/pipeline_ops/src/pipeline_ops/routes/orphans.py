"""The deletion of a replica that has no source, in the target itself: no notice can name its key."""

from datetime import datetime
from typing import Any

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.objects.heads import Absent, is_marked, read_head
from replication_core.replicas import REPLICATED_FROM, REPLICATION_TIMESTAMP
from replication_core.route_spec import RoutedDataset

__all__ = ["delete_orphan"]

_CHANGED = frozenset(
    {"ConditionalCheckFailedException", "PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}
)
"""What DynamoDB and S3 answer where it is not the same any more.

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
    try:
        return delete(sides, routed, key, written_before)
    except StoreError as error:
        if error.kind in _CHANGED:
            return False
        raise


def _delete_item(sides: Sides, routed: RoutedDataset, key: RecordKey, written_before: datetime) -> bool:
    condition: Any = {
        "ConditionExpression": "#from = :from AND #at < :before",
        "ExpressionAttributeNames": {"#from": REPLICATED_FROM, "#at": REPLICATION_TIMESTAMP},
        "ExpressionAttributeValues": {
            ":from": {"S": sides.route.source_environment},
            # As the replicator writes it, so that texts are in the order of the instants.
            ":before": {"S": written_before.isoformat(timespec="milliseconds")},
        },
    }
    with translated("DeleteItem"):
        sides.target_dynamodb.delete_item(TableName=routed.target, Key=key.attributes(), **condition)
    return True


def _delete_object(sides: Sides, routed: RoutedDataset, key: RecordKey, written_before: datetime) -> bool:
    client, bucket = sides.target_s3, routed.target
    head = read_head(client, bucket, key.object_key)
    if isinstance(head, Absent) or datetime.fromisoformat(head.last_modified) >= written_before:
        return False
    if not is_marked(client, bucket, key.object_key, head, head.version_id):
        return False
    with translated("DeleteObject"):
        client.delete_object(Bucket=bucket, Key=key.object_key, IfMatch=head.etag)
    return True
