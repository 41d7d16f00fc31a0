"""Messages of a route's queue: records of the source that may have changed, and since when.

Six forms are understood: S3's events and CloudTrail's records of calls, as EventBridge delivers both; S3's own event
notifications, and the test event that it sends when one is set up; and the pipeline's own two.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from replication_core.datasets import DEFAULTS, Dataset, InvalidKeyError, RecordKey
from replication_core.message_fields import PoisonError, json_object, section, text
from replication_core.object_keys import readings
from replication_core.objects.unfinished import UnfinishedCopy
from replication_core.recorded_calls import DETAIL_TYPE, RecordedWrite, UnnamedKeysError, item_key, recorded_writes
from replication_core.route_spec import SourceDatasets

__all__ = [
    "CHANGES_SCHEMA",
    "MOST_KEYS",
    "NOTICE_SCHEMA",
    "Change",
    "KeysNotRecordedError",
    "is_own",
    "message",
    "parse",
]

NOTICE_SCHEMA = "pipeline.notice/1"
"""Names the form of the pipeline's own messages about one record of the datasets there are by default."""

CHANGES_SCHEMA = "pipeline.notice/2"
"""Names the form of the pipeline's own messages about some records of any dataset."""

MOST_KEYS = 100
"""Keys of one message."""


class KeysNotRecordedError(PoisonError):
    """A recorded call that changed the source, but does not tell which keys: somebody has to find them there."""

    kind = "KeysNotRecorded"


@dataclass(frozen=True, slots=True)
class Change:
    """A hint that a record of the source may have changed.

    >>> from replication_core.datasets import OBJECTS
    >>> Change(OBJECTS.record("reports/1.csv"), "backfill").body()
    '{"schema": "pipeline.notice/1", "kind": "object", "key": "reports/1.csv", "reason": "backfill"}'
    """

    key: RecordKey
    reason: str
    changed_at: datetime | None = None
    """When the source changed, or when somebody asked for the record to be looked at."""

    unsure: bool = False
    """Whether the event may mean another key instead, by how keys are written there: see `object_keys`."""

    begun: UnfinishedCopy | None = None
    """What an invocation of the route's function has left of the work."""

    def body(self) -> str:
        """Return the message that `parse` reads this change from."""
        return message([self.key], self.reason, changed_at=self.changed_at, unsure=self.unsure, begun=self.begun)


def message(
    keys: Sequence[RecordKey],
    reason: str,
    *,
    changed_at: datetime | None = None,
    unsure: bool = False,
    begun: UnfinishedCopy | None = None,
) -> str:
    """Return a message about one to `MOST_KEYS` records of one dataset, in the pipeline's own form.

    What was begun of the one record's work is told beside: who does not read that begins anew. It is escaped to ASCII,
    since a queue refuses the characters that XML does, and a key may hold them.
    """
    dataset = keys[0].dataset
    if len(keys) == 1 and dataset in DEFAULTS.values():  # in the form that every release reads
        told = {"schema": NOTICE_SCHEMA, **keys[0].document()}
    else:
        told = {"schema": CHANGES_SCHEMA, "dataset": dataset.name, "keys": [key.named for key in keys]}
    when = {} if changed_at is None else {"changed_at": changed_at.isoformat()}
    more = {"unsure": True} if unsure else {} if begun is None else {"begun": begun.document()}
    return json.dumps({**told, "reason": reason, **when, **more})


def is_own(event: object) -> bool:
    """Tell whether an event is in one of the pipeline's own forms."""
    return isinstance(event, dict) and event.get("schema") in {NOTICE_SCHEMA, CHANGES_SCHEMA}


def parse(body: str, source: SourceDatasets) -> tuple[Change, ...]:
    """Return the changes of a source that a queue's message tells of.

    None for S3's test event and for a recorded query. Raises PoisonError, whose text says what is wrong with the
    message, for anything else, and for changes of other stores alone.
    """
    event = json_object(body)
    try:
        return _changes(event, body, source)
    except InvalidKeyError as error:
        raise PoisonError(str(error)) from error


def _changes(event: Mapping[str, Any], body: str, source: SourceDatasets) -> tuple[Change, ...]:
    if event.get("schema") == NOTICE_SCHEMA:
        return (_notice(event, source),)
    if event.get("schema") == CHANGES_SCHEMA:
        return _own(event, source)
    if event.get("detail-type") == DETAIL_TYPE:
        return _recorded_call(json.loads(body, parse_float=str), source)  # a number that is a key keeps all its digits
    if event.get("source") == "aws.s3" and "detail" in event:
        return _event_bridge(event, source)
    if event.get("Event") == "s3:TestEvent":
        return ()
    if isinstance(event.get("Records"), list):
        return tuple(_notification(record, source) for record in event["Records"])
    raise PoisonError("the message has none of the forms of a notice")


def _notice(event: Mapping[str, Any], source: SourceDatasets) -> Change:
    dataset = DEFAULTS.get(str(event.get("kind")))
    if dataset is None:
        raise PoisonError("the notice is neither for an object nor for an item")
    known = source.dataset(dataset.name)
    if known is not None and known.dataset != dataset:
        raise PoisonError(f"a key of {dataset.name} is not {' and '.join(dataset.attribute_names)} in the source")
    return _change(event, dataset.record(*(text(event, name) for name in dataset.attribute_names)))


def _own(event: Mapping[str, Any], source: SourceDatasets) -> tuple[Change, ...]:
    known = source.dataset(text(event, "dataset"))
    if known is None:
        raise PoisonError(f"the source has no dataset {event['dataset']!r}")
    match event.get("keys"):
        case [_, *_] as keys if len(keys) <= MOST_KEYS and all(isinstance(key, dict) for key in keys):
            return tuple(_change(event, known.dataset.named(key)) for key in keys)
    raise PoisonError(f"the notice names no keys, or more than {MOST_KEYS}")


def _change(event: Mapping[str, Any], key: RecordKey) -> Change:
    begun = None
    if len(event.get("keys", (key,))) == 1:
        with suppress(ValueError):  # another release may tell it otherwise: the work is then begun anew
            begun = UnfinishedCopy.parse(event.get("begun"))
    unsure = event.get("unsure") is True
    return Change(key, text(event, "reason"), _instant(event.get("changed_at")), unsure=unsure, begun=begun)


def _event_bridge(event: Mapping[str, Any], source: SourceDatasets) -> tuple[Change, ...]:
    detail = section(event, "detail")
    dataset = _of_bucket(text(section(detail, "bucket"), "name"), source)
    key = text(section(detail, "object"), "key")
    return _of_each_reading(dataset, key, text(event, "detail-type"), _instant(event.get("time")))


def _of_bucket(bucket: str, source: SourceDatasets) -> Dataset:
    known = source.of_bucket(bucket)
    if known is None:
        raise PoisonError(f"the event is of the bucket {bucket}, not of the source")
    return known.dataset


def _of_each_reading(dataset: Dataset, written: str, reason: str, when: datetime | None) -> tuple[Change, ...]:
    keys = readings(written) or (written,)  # whose record says what is wrong with it
    return tuple(Change(dataset.record(key), reason, when, unsure=len(keys) > 1) for key in keys)


def _recorded_call(event: Mapping[str, Any], source: SourceDatasets) -> tuple[Change, ...]:
    detail = section(event, "detail")
    call, when = text(detail, "eventName"), _instant(event.get("time"))
    try:
        writes = recorded_writes(detail)
        own = [change for write in writes for change in _changes_of(write, call, when, source)]
    except UnnamedKeysError as error:
        raise KeysNotRecordedError(f"the record of {call} does not tell what it changed: {error}") from error
    if writes and not own:
        raise PoisonError(f"the call is of the table {writes[0].store}, not of the source")
    return tuple(own)


def _changes_of(write: RecordedWrite, call: str, when: datetime | None, source: SourceDatasets) -> tuple[Change, ...]:
    """Return the changes of a call's part: none of a table of others, to which one call may write as well."""
    if write.is_object:
        return _of_each_reading(_of_bucket(write.store, source), write.key, call, when)
    known = source.of_table(write.store)
    return (Change(item_key(write.key, known.dataset), call, when),) if known else ()


def _notification(record: object, source: SourceDatasets) -> Change:
    if not isinstance(record, dict) or record.get("eventSource") != "aws:s3":
        raise PoisonError("a record is not of S3")
    s3 = section(record, "s3")
    encoded = text(section(s3, "object"), "key")
    try:
        key = unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise PoisonError("an object's key is not UTF-8") from error
    dataset = _of_bucket(text(section(s3, "bucket"), "name"), source)
    return Change(dataset.record(key), text(record, "eventName"), _instant(record.get("eventTime")))


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
