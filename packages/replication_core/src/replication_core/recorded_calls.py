"""Changes in CloudTrail's data events: the objects or items that a recorded call names.

What AWS does not document is read in each form that it may have, since looking at a key too many does no harm: how a
number is written, and how BatchWriteItem's requests are nested.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/understanding-ddb-log-entries.html
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from replication_core.datasets import Dataset, KeyType, RecordKey

__all__ = ["DETAIL_TYPE", "RecordedWrite", "UnnamedKeysError", "item_key", "recorded_writes"]

DETAIL_TYPE = "AWS API Call via CloudTrail"
"""What EventBridge calls such an event.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""


class UnnamedKeysError(ValueError):
    """The record is of a write, but does not tell which keys were written."""


class RecordedWrite(NamedTuple):
    """An object or an item that a call wrote or deleted."""

    is_object: bool
    store: str
    """The bucket's name, or the table's."""

    key: Any
    """As the record has it: an object's as text, an item's, if it has one, in any form."""


def recorded_writes(detail: Mapping[str, Any]) -> list[RecordedWrite]:
    """Return what the call may have changed, from the `detail` of its event: of any bucket, and of any of its tables.

    Nothing for a PartiQL query, which DynamoDB records like a write. Raises UnnamedKeysError for a write whose keys
    are not in its record: by DeleteObjects or PartiQL, and where CloudTrail left out parameters that were too long.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html: DeleteObjects
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html: omitted
    """
    match detail.get("eventSource"), detail.get("requestParameters"):
        case "dynamodb.amazonaws.com", dict(parameters):
            return [item for table, request in _requests(parameters) for item in _items(table, request)]
        case "s3.amazonaws.com", {"bucketName": str(bucket), "key": str(key)}:
            return [RecordedWrite(True, bucket, key)]
        case "s3.amazonaws.com", dict():
            raise UnnamedKeysError("it names no object")
        case source, dict():
            raise UnnamedKeysError(f"it is a call of {source}")
    raise UnnamedKeysError("it has no parameters")


def _requests(parameters: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Return each request of a call with its table: the call itself, or those that it packs."""
    packed = _field(parameters, "requestItems")
    if packed is None:
        yield _field(parameters, "tableName"), parameters
    elif isinstance(packed, dict):
        for table, requests in packed.items():
            for request in _sections(requests):
                # `putRequest` or `deleteRequest` around it, as the API has them.
                yield from ((table, inner) for inner in _sections([*request.values()]))
    else:
        yield from ((_field(request, "tableName"), request) for request in _sections(packed))


def _items(table: Any, request: Mapping[str, Any]) -> Iterator[RecordedWrite]:
    statement = _field(request, "statement")
    if isinstance(statement, str):
        # PartiQL's record hides the values of an insert, its keys' among them, and is not read for the others either.
        if statement.lstrip()[:6].upper() != "SELECT":
            raise UnnamedKeysError("it is PartiQL, whose keys are hidden or within a statement")
    elif _field(request, "operation") != "ConditionCheck":
        if not isinstance(table, str):
            raise UnnamedKeysError("it names no item")
        # A table may be named by its ARN.
        yield RecordedWrite(False, table.rpartition("/")[2], _field(request, "key"))


def _field(section: Mapping[str, Any], name: str) -> Any:
    """Return a field, which AWS's own examples write with a small or a capital first letter."""
    return section.get(name, section.get(name[:1].upper() + name[1:]))


def _sections(values: Any) -> list[Mapping[str, Any]]:
    if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
        raise UnnamedKeysError("its requests are not as they are known")
    return values


def item_key(recorded: Any, dataset: Dataset) -> RecordKey:
    """Return an item's recorded key, as one of the dataset that its table is.

    Raises UnnamedKeysError where none is recorded, and InvalidKeyError for one that DynamoDB would not take.
    """
    if not isinstance(recorded, Mapping) or not set(dataset.attribute_names) <= recorded.keys():
        raise UnnamedKeysError("it names no item")
    return dataset.record(*(_text(recorded[attribute.name], attribute.type) for attribute in dataset.key))


def _text(value: Any, type_: KeyType) -> str:
    match value:
        case str():
            return value
        case int() if not isinstance(value, bool):
            return str(value)
        case {type_.value: str(text)}:
            return text
        case dict() if isinstance(small := value.get(type_.value.lower()), str):
            return small
        case _:
            raise UnnamedKeysError("it hides an item's key")
