"""DynamoDB's side of the replicas: exact attribute values in, exact attribute values out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambda_common.failures import translated
from lambda_common.replicas import REPLICATED_FROM, REPLICATION_TIMESTAMP
from replicator_lambda.item_states import Item
from replicator_lambda.notices import ItemKey, number_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["ADDED_ATTRIBUTES", "DynamoItems"]

ADDED_ATTRIBUTES = ("environment", REPLICATED_FROM, REPLICATION_TIMESTAMP)
"""What every replica has besides its source's attributes; they win over attributes of the source so named."""


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
        wanted: Any = {self.source_table: {"Keys": [_attributes(key) for key in keys], "ConsistentRead": True}}
        with translated("BatchGetItem"):
            answer = self.source.batch_get_item(RequestItems=wanted)
        found = {_key(item): item for item in answer.get("Responses", {}).get(self.source_table, ())}
        left: Any = answer.get("UnprocessedKeys", {}).get(self.source_table, {})
        return found, [_key(named) for named in left.get("Keys", ())]

    def write(self, items: Mapping[ItemKey, Item | None]) -> Collection[ItemKey]:
        """Put and delete replicas; return the keys left unprocessed."""
        requests: Any = [
            {"DeleteRequest": {"Key": _attributes(key)}}
            if item is None
            else {"PutRequest": {"Item": self._replica(item)}}
            for key, item in items.items()
        ]
        with translated("BatchWriteItem"):
            answer = self.target.batch_write_item(RequestItems={self.target_table: requests})
        left: Any = answer.get("UnprocessedItems", {}).get(self.target_table, ())
        return [
            _key(request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"])
            for request in left
        ]

    def _replica(self, item: Item) -> Item:
        added = (self.target_environment, self.source_environment, self.clock().isoformat(timespec="milliseconds"))
        return {**item, **{name: {"S": value} for name, value in zip(ADDED_ATTRIBUTES, added, strict=True)}}


def _attributes(key: ItemKey) -> Item:
    return {"id": {"S": key.id}, "timestamp": {"N": key.timestamp}}


def _key(item: Item) -> ItemKey:
    return ItemKey(item["id"]["S"], number_text(item["timestamp"]["N"]))
