"""DynamoDB's side of the replicas: exact attribute values in, exact attribute values out."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replication_core.aws.failures import told, translated
from replication_core.datasets import Dataset, RecordKey
from replication_core.desired import desired_item
from replication_core.items.batch_write import write_items
from replication_core.items.states import Item
from replication_core.replicas import REPLICATION_TIMESTAMP

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["DynamoItems", "projection", "read_items"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoItems:
    """Reads items from the source's table and writes their replicas to the target's.

    The low-level clients are used, so that numbers of 38 digits, binaries, empty values and sets stay what they are.
    """

    dataset: Dataset
    source: "DynamoDBClient"
    source_table: str
    source_environment: str
    target: "DynamoDBClient"
    target_table: str
    target_environment: str
    clock: Callable[[], datetime] = _now

    def get(self, keys: Sequence[RecordKey]) -> tuple[Mapping[RecordKey, Item], Collection[RecordKey]]:
        """Read items consistently; return them, and the keys left unprocessed."""
        return read_items(self.source, self.source_table, self.dataset, keys)

    def write(self, items: Mapping[RecordKey, Item | None]) -> Collection[RecordKey]:
        """Put and delete replicas; return the keys left unprocessed."""
        replicas = [(key, None if item is None else self._replica(item)) for key, item in items.items()]
        return write_items(self.target, self.target_table, self.dataset, replicas)

    def _replica(self, item: Item) -> Item:
        replica = desired_item(item, self.dataset, source=self.source_environment, target=self.target_environment)
        if REPLICATION_TIMESTAMP in self.dataset.attribute_names:
            return replica
        return {**replica, REPLICATION_TIMESTAMP: {"S": self.clock().isoformat(timespec="milliseconds")}}


def read_items(
    client: "DynamoDBClient", table: str, dataset: Dataset, keys: Sequence[RecordKey], *, only_keys: bool = False
) -> tuple[Mapping[RecordKey, Item], Collection[RecordKey]]:
    """Read up to 100 items of a table consistently; return them, and the keys left unprocessed."""
    asked: Any = {"Keys": [key.attributes() for key in keys], "ConsistentRead": True}
    if only_keys:
        asked |= projection(dataset.attribute_names)
    with translated("BatchGetItem"):
        answer = client.batch_get_item(RequestItems={table: asked})
    # An answer without these would mean that there is no such item, and delete replicas.
    found = {dataset.of_item(item): item for item in told("BatchGetItem", answer, "Responses").get(table, ())}
    left: Any = told("BatchGetItem", answer, "UnprocessedKeys").get(table, {})
    return found, [dataset.of_item(named) for named in left.get("Keys", ())]


def projection(attributes: Iterable[str]) -> dict[str, Any]:
    """Return what a read is asked for that needs these attributes alone: the key's, where none but that is needed."""
    names = {f"#{position}": name for position, name in enumerate(dict.fromkeys(attributes))}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
