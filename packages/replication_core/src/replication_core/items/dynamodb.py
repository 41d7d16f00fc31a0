"""DynamoDB's side of the replicas: exact attribute values in, exact attribute values out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replication_core.aws.failures import told, translated
from replication_core.changes import ItemKey, number_text
from replication_core.items.states import Item
from replication_core.replicas import REPLICATED_FROM, REPLICATION_TIMESTAMP

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["ADDED_ATTRIBUTES", "KEYS_ALONE", "DynamoItems", "key_attributes", "key_of", "read_items"]

ADDED_ATTRIBUTES = ("environment", REPLICATED_FROM, REPLICATION_TIMESTAMP)
"""What every replica has besides its source's attributes; they win over attributes of the source so named."""

KEYS_ALONE: Mapping[str, Any] = {
    "ProjectionExpression": "#id, #timestamp",
    "ExpressionAttributeNames": {"#id": "id", "#timestamp": "timestamp"},
}
"""What a read is asked for that needs no item, only whether it is there."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoItems:
    """Reads items from the source's table and writes their replicas to the target's.

    The low-level clients are used, so that numbers of 38 digits, binaries, empty values and sets stay what they are.
    """

    source: "DynamoDBClient"
    source_table: str
    source_environment: str
    target: "DynamoDBClient"
    target_table: str
    target_environment: str
    clock: Callable[[], datetime] = _now

    def get(self, keys: Sequence[ItemKey]) -> tuple[Mapping[ItemKey, Item], Collection[ItemKey]]:
        """Read items consistently; return them, and the keys left unprocessed."""
        return read_items(self.source, self.source_table, keys)

    def write(self, items: Mapping[ItemKey, Item | None]) -> Collection[ItemKey]:
        """Put and delete replicas; return the keys left unprocessed."""
        requests: Any = [
            {"DeleteRequest": {"Key": key_attributes(key)}}
            if item is None
            else {"PutRequest": {"Item": self._replica(item)}}
            for key, item in items.items()
        ]
        with translated("BatchWriteItem"):
            answer = self.target.batch_write_item(RequestItems={self.target_table: requests})
        # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html: empty when done.
        left: Any = told("BatchWriteItem", answer, "UnprocessedItems").get(self.target_table, ())
        return [
            key_of(request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"])
            for request in left
        ]

    def _replica(self, item: Item) -> Item:
        added = (self.target_environment, self.source_environment, self.clock().isoformat(timespec="milliseconds"))
        return {**item, **{name: {"S": value} for name, value in zip(ADDED_ATTRIBUTES, added, strict=True)}}


def read_items(
    client: "DynamoDBClient", table: str, keys: Sequence[ItemKey], *, only_keys: bool = False
) -> tuple[Mapping[ItemKey, Item], Collection[ItemKey]]:
    """Read up to 100 items of a table consistently; return them, and the keys left unprocessed."""
    asked: Any = {"Keys": [key_attributes(key) for key in keys], "ConsistentRead": True}
    if only_keys:
        asked |= KEYS_ALONE
    with translated("BatchGetItem"):
        answer = client.batch_get_item(RequestItems={table: asked})
    # An answer without these would mean that there is no such item, and delete replicas.
    found = {key_of(item): item for item in told("BatchGetItem", answer, "Responses").get(table, ())}
    left: Any = told("BatchGetItem", answer, "UnprocessedKeys").get(table, {})
    return found, [key_of(named) for named in left.get("Keys", ())]


def key_attributes(key: ItemKey) -> Item:
    """Return a key as the two attributes that it is."""
    return {"id": {"S": key.id}, "timestamp": {"N": key.timestamp}}


def key_of(item: Item) -> ItemKey:
    """Return the key of an item, or of what has at least its two attributes."""
    return ItemKey(item["id"]["S"], number_text(item["timestamp"]["N"]))
