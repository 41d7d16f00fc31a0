"""DynamoDB's side of the replicas: exact attribute values in, exact attribute values out, in batches.

100 keys cost six calls: a consistent batch read, four batch writes, and the confirming batch read. The low-level
clients are used, so that numbers of 38 digits, binaries, empty values and sets stay what they are.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.batching import batches, thoroughly
from replication_core.clients import Clients
from replication_core.datasets import Dataset, RecordKey
from replication_core.desired import desired_item
from replication_core.items.batch_write import WRITE_BATCH, unprocessed, write_items
from replication_core.items.states import Item, ItemState
from replication_core.reconcile import Reading, SourceMoved, Writing
from replication_core.replicas import REPLICATION_TIMESTAMP
from replication_core.route_spec import RoutedDataset, RouteSpec

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["READ_BATCH", "ItemStore", "projection", "read_items"]

READ_BATCH = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html: keys per call."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemStore:
    """The reconciler's store of a dataset's items: the source's table, and the target's."""

    clients: Clients
    route: RouteSpec
    routed: RoutedDataset
    clock: Callable[[], datetime] = _now

    def read(self, keys: Collection[RecordKey]) -> Reading[RecordKey, ItemState]:
        """Read the source's current items, consistently."""
        return read_items(self.clients.source_dynamodb, self.routed.source, self.routed.dataset, keys)

    def write(self, states: Mapping[RecordKey, ItemState | None]) -> Writing[RecordKey]:
        """Write and delete replicas; an item that DynamoDB won't take fails alone."""
        answers: dict[RecordKey, int | StoreError | SourceMoved] = dict.fromkeys(states, 0)

        def put(batch: Sequence[RecordKey]) -> Mapping[RecordKey, StoreError]:
            replicas = ((key, self._replica(states[key])) for key in batch)
            return write_items(self.clients.target_dynamodb, self.routed.target, self.routed.dataset, replicas)

        for batch in batches(states, WRITE_BATCH):
            answers.update(thoroughly(batch, put))
        return answers

    def confirm(self, states: Mapping[RecordKey, ItemState | None]) -> Reading[RecordKey, ItemState]:
        """Read the same items again."""
        return self.read(states.keys())

    def _replica(self, state: ItemState | None) -> Item | None:
        if state is None:
            return None
        dataset, route = self.routed.dataset, self.route
        replica = desired_item(state.item, dataset, source=route.source_environment, target=route.target)
        if REPLICATION_TIMESTAMP in dataset.attribute_names:
            return replica
        return {**replica, REPLICATION_TIMESTAMP: {"S": self.clock().isoformat(timespec="milliseconds")}}


def read_items(
    client: "DynamoDBClient", table: str, dataset: Dataset, keys: Collection[RecordKey], *, only_keys: bool = False
) -> dict[RecordKey, ItemState | StoreError | None]:
    """Read items of a table consistently, and again what a call leaves; None for a key that has no item."""
    states: dict[RecordKey, ItemState | StoreError | None] = {}
    only = projection(dataset.attribute_names) if only_keys else {}

    def get(batch: Sequence[RecordKey]) -> Mapping[RecordKey, StoreError]:
        asked: Any = {"Keys": [key.attributes() for key in batch], "ConsistentRead": True, **only}
        with translated("BatchGetItem"):
            answer = client.batch_get_item(RequestItems={table: asked})
        # An answer without these would mean that there is no such item, and delete replicas.
        found = {
            dataset.of_item(item): ItemState(item) for item in told("BatchGetItem", answer, "Responses").get(table, ())
        }
        left = told("BatchGetItem", answer, "UnprocessedKeys").get(table, {}).get("Keys", ())
        errors = unprocessed("BatchGetItem", dataset, left)
        states.update({key: found.get(key) for key in batch if key not in errors})
        return errors

    for batch in batches(keys, READ_BATCH):
        states.update(thoroughly(batch, get))
    return states


def projection(attributes: Iterable[str]) -> dict[str, Any]:
    """Return what a read is asked for that needs these attributes alone: the key's, where none but that is needed."""
    names = {f"#{position}": name for position, name in enumerate(dict.fromkeys(attributes))}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
