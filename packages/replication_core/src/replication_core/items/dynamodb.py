"""DynamoDB's side of the replicas: exact attribute values in, exact or masked ones out, in batches.

100 keys cost six calls, masked or not: a consistent batch read, four batch writes, and the confirming batch read. The
low-level clients are used, so that numbers of 38 digits, binaries, empty values and sets stay what they are.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replication_core.admission import Admit, freely
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.batching import batches, thoroughly
from replication_core.clients import Clients
from replication_core.datasets import Dataset, RecordKey
from replication_core.desired import desired_item, desired_key, possible_keys
from replication_core.items.batch_write import WRITE_BATCH, unprocessed, write_items
from replication_core.items.states import Item, ItemState
from replication_core.masking.refusals import Unclassified
from replication_core.reconcile import Action, Reading, Writing, Written
from replication_core.replicas import REPLICATED_FROM, REPLICATED_POLICY, REPLICATION_TIMESTAMP
from replication_core.route_mask import Masking, unmasked
from replication_core.route_spec import RoutedDataset, RouteSpec

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from replication_core.masking.mask import Mask

__all__ = ["READ_BATCH", "ItemStore", "count_items", "delete_doubtful", "delete_item", "projection", "read_items"]

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
    mask: Masking = unmasked
    admit: Admit = freely
    executor: Executor | None = None
    """Makes the calls of a write at the same time; without it they are made one after another."""

    clock: Callable[[], datetime] = _now

    def read(self, keys: Collection[RecordKey]) -> Reading[RecordKey, ItemState]:
        """Read the source's current items, consistently."""
        return read_items(self.clients.source_dynamodb, self.routed.source, self.routed.dataset, keys)

    def write(self, states: Mapping[RecordKey, ItemState | None]) -> Writing[RecordKey]:
        """Write and delete replicas, under their masked keys; an item that is refused fails alone.

        Nothing is written while there is no mask where there is to be one. A replica that another policy has made, or
        none, outlives neither the refusal of its item, nor the end of one whose replicas are kept.
        """
        try:
            mask = self.mask()
        except StoreError as error:
            return dict.fromkeys(states, error)
        wanted = {key: self._wanted(key, state, mask) for key, state in states.items()}
        answers: dict[RecordKey, Written] = {
            key: each.done if isinstance(each, _Write) else each for key, each in wanted.items()
        }
        writes = {key: each for key, each in wanted.items() if isinstance(each, _Write)}
        held = self._held(writes)
        answers.update(held | self._put({key: each for key, each in writes.items() if key not in held}))
        if mask is None:
            return answers
        answers.update({key: _as_refusal(answer) for key, answer in answers.items() if isinstance(answer, StoreError)})
        left = [key for key, each in answers.items() if each is Action.IGNORED or isinstance(each, Unclassified)]
        return answers | self._withdraw(left, mask)

    def confirm(self, states: Mapping[RecordKey, ItemState | None]) -> Reading[RecordKey, ItemState]:
        """Read the same items again."""
        return self.read(states.keys())

    def _wanted(self, key: RecordKey, state: ItemState | None, mask: "Mask | None") -> "_Write | Action | Unclassified":
        """Return what is to be written, that a deleted item's replica is to be left, or the refusal."""
        try:
            place = desired_key(key, mask)
            if state is not None:
                return _Write(place, self._replica(state, mask))
            is_kept = mask is not None and mask.policy.keeps_deleted(self.routed.dataset.name)
            return Action.IGNORED if is_kept else _Write(place, None)
        except Unclassified as refusal:
            return Action.IGNORED if state is None else refusal

    def _replica(self, state: ItemState, mask: "Mask | None") -> Item | None:
        dataset, route = self.routed.dataset, self.route
        replica = desired_item(state.item, dataset, source=route.source_environment, target=route.target, mask=mask)
        if replica is None or REPLICATION_TIMESTAMP in dataset.attribute_names:
            return replica
        return {**replica, REPLICATION_TIMESTAMP: {"S": self.clock().isoformat(timespec="milliseconds")}}

    def _held(self, writes: Mapping[RecordKey, "_Write"]) -> dict[RecordKey, StoreError]:
        """Return an error for each delete where they are not let through."""
        deletes = {key: each.place for key, each in writes.items() if each.replica is None}
        try:
            if deletes:
                self.admit(lambda: self._there(deletes.values()))
        except StoreError as error:
            return dict.fromkeys(deletes, error)
        return {}

    def _there(self, places: Collection[RecordKey]) -> int:
        """Return how many of these the target has; what can't be read may be there."""
        client, dataset = self.clients.target_dynamodb, self.routed.dataset
        found = read_items(client, self.routed.target, dataset, places, only=dataset.attribute_names)
        return sum(state is not None for state in found.values())

    def _put(self, writes: Mapping[RecordKey, "_Write"]) -> dict[RecordKey, StoreError]:
        """Write these, and return an error for each that was not taken."""

        def put(batch: Sequence[RecordKey]) -> Mapping[RecordKey, StoreError]:
            replicas = [(writes[key].place, writes[key].replica) for key in batch]
            errors = write_items(self.clients.target_dynamodb, self.routed.target, self.routed.dataset, replicas)
            return {key: errors[writes[key].place] for key in batch if writes[key].place in errors}

        batched = list(batches(writes, WRITE_BATCH))
        if self.executor is None or len(batched) == 1:
            found = [thoroughly(batch, put) for batch in batched]
        else:
            calls = [self.executor.submit(thoroughly, batch, put) for batch in batched]
            # All of them, whatever becomes of one: a write under way could come after one of a newer state.
            wait(calls)
            found = [call.result() for call in calls]
        return {key: error for errors in found for key, error in errors.items()}

    def _withdraw(self, keys: Collection[RecordKey], mask: "Mask") -> dict[RecordKey, StoreError]:
        """Delete what other policies have left of these records; return an error for each where that failed.

        What has no mark is the target's own. The brake counts these like other deletes.
        """
        client, table, dataset = self.clients.target_dynamodb, self.routed.target, self.routed.dataset
        places = {place: key for key in keys for place in possible_keys(key, mask)}
        only = (*dataset.attribute_names, REPLICATED_FROM, REPLICATED_POLICY)
        found = read_items(client, table, dataset, places, only=only)
        errors = {places[place]: each for place, each in found.items() if isinstance(each, StoreError)}
        outdated = [
            place
            for place, each in found.items()
            if isinstance(each, ItemState) and REPLICATED_FROM in each.item and mask.item_doubt(each.item, dataset)
        ]
        try:
            self.admit(lambda: len(outdated))
        except StoreError as error:
            return errors | {places[place]: error for place in outdated}
        for place in outdated:
            try:
                delete_doubtful(client, table, place, mask)
            except StoreError as error:
                errors[places[place]] = error
        return errors


@dataclass(frozen=True, slots=True)
class _Write:
    """A replica that is to be put at its key, or, of None, deleted there."""

    place: RecordKey
    replica: Item | None

    @property
    def done(self) -> int | Action:
        """What has become of the replica once it is written."""
        return Action.DELETED if self.replica is None else 0


def _as_refusal(error: StoreError) -> StoreError:
    """Return what DynamoDB won't take of a masked item as a refusal, without its words: they may quote a value."""
    if not error.permanent or isinstance(error, Unclassified):
        return error
    return Unclassified(f"DynamoDB takes no such item ({error.kind}): its size, or an index that needs another type")


def read_items(
    client: "DynamoDBClient", table: str, dataset: Dataset, keys: Collection[RecordKey], *, only: Sequence[str] = ()
) -> dict[RecordKey, ItemState | StoreError | None]:
    """Read items of a table consistently, and again what a call leaves; None for a key that has no item.

    `only` are the attributes that are asked for, all where none is named.
    """
    states: dict[RecordKey, ItemState | StoreError | None] = {}

    def get(batch: Sequence[RecordKey]) -> Mapping[RecordKey, StoreError]:
        asked: Any = {
            "Keys": [key.attributes() for key in batch],
            "ConsistentRead": True,
            **(projection(only) if only else {}),
        }
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


def count_items(client: "DynamoDBClient", table: str, most: int) -> int:
    """Count a table's items, as far as this number."""
    found = 0
    start: dict[str, Any] = {}
    while found < most:
        with translated("Scan"):
            page: Any = client.scan(TableName=table, Select="COUNT", Limit=most - found, **start)
        found += told("Scan", page, "Count")
        if not page.get("LastEvaluatedKey"):
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    return found


def delete_doubtful(client: "DynamoDBClient", table: str, place: RecordKey, mask: "Mask") -> bool:
    """Delete a replica unless by now the policy has made it, of another state of the source; tell whether it did.

    Raises StoreError.
    """
    condition: Any = {
        "ConditionExpression": "attribute_exists(#from) AND (attribute_not_exists(#policy) OR #policy <> :current)",
        "ExpressionAttributeNames": {"#from": REPLICATED_FROM, "#policy": REPLICATED_POLICY},
        "ExpressionAttributeValues": {":current": {"S": mask.mark(place)}},
    }
    return delete_item(client, table, place, condition)


def delete_item(client: "DynamoDBClient", table: str, place: RecordKey, condition: Mapping[str, Any]) -> bool:
    """Delete an item if it meets a condition, as DynamoDB's API has one; tell whether it did. Raises StoreError."""
    told: Any = condition
    try:
        with translated("DeleteItem"):
            client.delete_item(TableName=table, Key=place.attributes(), **told)
    except StoreError as error:
        if error.kind != "ConditionalCheckFailedException":
            raise
        return False
    return True


def projection(attributes: Iterable[str]) -> dict[str, Any]:
    """Return what a read is asked for that needs these attributes alone: the key's, where none but that is needed."""
    names = {f"#{position}": name for position, name in enumerate(dict.fromkeys(attributes))}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
