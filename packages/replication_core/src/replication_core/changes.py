"""What a queue's message says: that keys of the source may have changed, and since when.

A notice carries no state, and where an event may mean one of several keys, there is a notice of each. Five forms are
understood: S3's events as EventBridge delivers them, CloudTrail's records of calls of S3 and DynamoDB as EventBridge
delivers them, S3's own event notifications, the test event S3 sends when such a notification is set up, and the
pipeline's own notices.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from replication_core import numbers
from replication_core.object_keys import KEY_BYTES, readings
from replication_core.recorded_calls import DETAIL_TYPE, ChangedItem, ChangedObject, UnnamedKeysError, changes

__all__ = [
    "NOTICE_SCHEMA",
    "ItemKey",
    "Key",
    "KeysNotRecordedError",
    "Notice",
    "ObjectKey",
    "PoisonError",
    "named",
    "number_text",
    "parse",
]

NOTICE_SCHEMA = "pipeline.notice/1"
"""Names the form of the pipeline's own notices."""

_ID_BYTES = 2048  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: partition keys


class PoisonError(ValueError):
    """A message that is no notice, however often it is tried."""

    kind = "PoisonNotice"
    """The reason in the message's envelope."""


class KeysNotRecordedError(PoisonError):
    """A recorded call that changed the source, but does not tell which keys: somebody has to find them there."""

    kind = "KeysNotRecorded"


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """An object of the source bucket."""

    key: str

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True, order=True)
class ItemKey:
    """An item of the source table; `timestamp` is a number as `number_text` writes it."""

    id: str
    timestamp: str

    def __str__(self) -> str:
        return f"{self.id}@{self.timestamp}"


Key = ObjectKey | ItemKey


@dataclass(frozen=True, slots=True)
class Notice:
    """A hint that a key's source may have changed."""

    key: Key
    reason: str
    changed_at: datetime | None = None
    """When the source changed, or when somebody asked for the key to be looked at."""

    bucket: str | None = None
    """The bucket that an event or a recorded call is about."""

    table: str | None = None
    """The table that a recorded call is about."""

    unsure: bool = False
    """Whether the event may mean another key instead, by how keys are written there: see `object_keys`."""

    def body(self) -> str:
        """Return the message, in the pipeline's own form, that `parse` reads this notice from."""
        when = {} if self.changed_at is None else {"changed_at": self.changed_at.isoformat()}
        guessed = {"unsure": True} if self.unsure else {}
        # Escaped to ASCII, since a queue refuses the characters that XML does, and a key may hold them.
        return json.dumps({"schema": NOTICE_SCHEMA, **named(self.key), "reason": self.reason, **when, **guessed})


def named(key: Key) -> dict[str, str]:
    """Return a key as every document of the pipeline names one."""
    match key:
        case ObjectKey(name):
            return {"kind": "object", "key": name}
        case ItemKey(id_, timestamp):
            return {"kind": "item", "id": id_, "timestamp": timestamp}


def number_text(text: str) -> str:
    """Return an item's timestamp in its one spelling, so that equal numbers are equal keys.

    Raises PoisonError for what DynamoDB would not take as a number.
    """
    try:
        return numbers.number_text(text)
    except numbers.NumberError as error:
        raise PoisonError(f"an item's timestamp {error}") from error


def parse(body: str) -> tuple[Notice, ...]:
    """Return the notices of a queue's message.

    None for S3's test event and for a recorded query; more than one where S3 packs them so, and for a recorded call
    that names several keys. Raises PoisonError, whose text says what is wrong with the message, for anything else.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PoisonError("the message is not JSON, or nested too deep") from error
    if not isinstance(message, dict):
        raise PoisonError("the message is not a JSON object")
    if message.get("schema") == NOTICE_SCHEMA:
        return (_own(message),)
    if message.get("detail-type") == DETAIL_TYPE:
        return _recorded_call(json.loads(body, parse_float=str))  # a number that is a key keeps all its digits
    if message.get("source") == "aws.s3" and "detail" in message:
        return _event_bridge(message)
    if message.get("Event") == "s3:TestEvent":
        return ()
    if isinstance(message.get("Records"), list):
        return tuple(_notification(record) for record in message["Records"])
    raise PoisonError("the message has none of the forms of a notice")


def _own(message: Mapping[str, Any]) -> Notice:
    key: Key
    match message.get("kind"):
        case "object":
            key = ObjectKey(_object_key(_text(message, "key")))
        case "item":
            key = ItemKey(_item_id(_text(message, "id")), number_text(_text(message, "timestamp")))
        case _:
            raise PoisonError("the notice is neither for an object nor for an item")
    return Notice(
        key, _text(message, "reason"), _instant(message.get("changed_at")), unsure=message.get("unsure") is True
    )


def _event_bridge(message: Mapping[str, Any]) -> tuple[Notice, ...]:
    detail = _section(message, "detail")
    return _of_each_reading(
        _text(_section(detail, "object"), "key"),
        _text(message, "detail-type"),
        _instant(message.get("time")),
        _text(_section(detail, "bucket"), "name"),
    )


def _of_each_reading(written: str, reason: str, when: datetime | None, bucket: str) -> tuple[Notice, ...]:
    keys = readings(written) or (_object_key(written),)  # which says what is wrong with it
    return tuple(Notice(ObjectKey(key), reason, when, bucket, unsure=len(keys) > 1) for key in keys)


def _recorded_call(message: Mapping[str, Any]) -> tuple[Notice, ...]:
    detail = _section(message, "detail")
    call = _text(detail, "eventName")
    try:
        changed = changes(detail)
    except UnnamedKeysError as error:
        raise KeysNotRecordedError(f"the record of {call} does not tell what it changed: {error}") from error
    when = _instant(message.get("time"))
    return tuple(notice for change in changed for notice in _changed(change, call, when))


def _changed(change: ChangedObject | ChangedItem, call: str, when: datetime | None) -> tuple[Notice, ...]:
    match change:
        case ChangedObject(bucket, key):
            return _of_each_reading(key, call, when, bucket)
        case ChangedItem(table, id_, timestamp):
            return (Notice(ItemKey(_item_id(id_), number_text(timestamp)), call, when, table=table),)


def _notification(record: object) -> Notice:
    if not isinstance(record, dict) or record.get("eventSource") != "aws:s3":
        raise PoisonError("a record is not of S3")
    s3 = _section(record, "s3")
    encoded = _text(_section(s3, "object"), "key")
    try:
        key = unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise PoisonError("an object's key is not UTF-8") from error
    return Notice(
        ObjectKey(_object_key(key)),
        _text(record, "eventName"),
        _instant(record.get("eventTime")),
        _text(_section(s3, "bucket"), "name"),
    )


def _section(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = message.get(name)
    if not isinstance(value, dict):
        raise PoisonError(f"the notice has no {name!r}")
    return value


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise PoisonError(f"the notice has no text as {name!r}")
    return value


def _object_key(key: str) -> str:
    return _sized(key, KEY_BYTES, "an object's key")


def _item_id(text: str) -> str:
    return _sized(text, _ID_BYTES, "an item's id")


def _sized(text: str, most: int, what: str) -> str:
    try:
        length = len(text.encode())
    except UnicodeEncodeError as error:
        raise PoisonError(f"{what} is not Unicode text") from error
    if not 0 < length <= most:
        raise PoisonError(f"{what} has {length} bytes; 1 to {most} are possible")
    return text


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise PoisonError("the time of the change is not an ISO-8601 instant") from error
    if instant.tzinfo is None:
        raise PoisonError("the time of the change has no offset from UTC")
    return instant
