"""What a queue's message asks for: a file to be processed, one to be gone on with, or a sweep. Pure.

Understood are S3's events as EventBridge delivers them, and the processor's own messages:

    {"schema": "pipeline.processing/1", "kind": "object", "key": "incoming/a", "version_id": "...", "reason": "manual"}
    {"schema": "pipeline.processing/1", "kind": "sweep"}

`version_id` may be left out: the object is then processed as it is when its turn comes. Two more the processor sends to
itself: a sweep with `after`, the key that it got to, and a `continuation`, which has a run's `progress`. No message
holds anything of a file's contents.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from datetime import datetime
from typing import Any, Self, TypeVar

from processor_lambda.settings import MESSAGE_SCHEMA
from record_files.splitting import Position
from replication_core.datasets import OBJECTS, InvalidKeyError
from replication_core.message_fields import PoisonError, json_object, section, text
from replication_core.object_keys import readings

__all__ = ["Continuation", "Notice", "ObjectNotice", "Progress", "Sweep", "parse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come: what it counted, and where its next record begins."""

    position: Position = field(default_factory=Position)
    read: int = 0
    valid: int = 0
    rejected: int = 0
    written: int = 0
    first: str | None = None
    last: str | None = None
    """The least and the greatest timestamp of the valid records, as DynamoDB writes a number."""

    pieces: tuple[str, ...] = ()
    """The names of what was written of the rejected records so far."""

    started_at: str = ""
    invocations: int = 1
    asked_for: bool = False
    """Whether somebody waits for this run's own summary, even if one of the same version says the same."""

    @classmethod
    def parse(cls, entry: object) -> Self:
        """Build it from what `asdict` made of it; raises TypeError or ValueError for anything else."""
        progress = _like(cls(), entry)
        if datetime.fromisoformat(progress.started_at).tzinfo is None:
            raise ValueError("the start has no offset from UTC")
        return progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectNotice:
    """An object of the bucket is to be processed."""

    key: str
    version_id: str | None = None
    """The version; the current one where that is not told."""

    reason: str = ""
    bucket: str | None = None
    """The bucket that an event is about."""

    others: tuple[str, ...] = ()
    """The keys that an event may mean instead, by how keys are written there: see `replication_core.object_keys`."""

    @property
    def asked_for(self) -> bool:
        """Tell whether somebody wants the object to be processed even if it has been already."""
        return self.reason == "manual"

    def body(self) -> str:
        """Return the message that `parse` reads this notice from."""
        version = {} if self.version_id is None else {"version_id": self.version_id}
        return _body({"kind": "object", "key": self.key, **version, "reason": self.reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """A run that one invocation did not finish."""

    key: str
    version_id: str | None
    etag: str
    encoding: str
    progress: Progress
    received: str = field(default="", compare=False, repr=False)
    """The message that `parse` read this from, which another release may have written otherwise."""

    def body(self) -> str:
        """Return the message that this was read from, or that `parse` reads it from."""
        told = asdict(self)
        return told.pop("received") or _body({"kind": "continuation", **told})


@dataclass(frozen=True, slots=True)
class Sweep:
    """All objects under the input prefix behind a key are to be looked at."""

    after: str = ""
    invocations: int = 1
    """How many it has taken, with this one."""

    def body(self) -> str:
        """Return the message that `parse` reads this from."""
        so_far = {"after": self.after, "invocations": self.invocations} if self.after else {}
        return _body({"kind": "sweep", **so_far})


Notice = ObjectNotice | Continuation | Sweep

T = TypeVar("T")


def _like(known: T, entry: object) -> T:
    """Return what is known with an entry's values in place of its own, each of the same kind.

    None stands for a text that may be missing. Raises TypeError or ValueError for another kind, or an unknown name.
    """
    if is_dataclass(known) and not isinstance(known, type) and isinstance(entry, dict):
        return replace(known, **{name: _like(getattr(known, name, ...), value) for name, value in entry.items()})
    if isinstance(known, tuple) and isinstance(entry, list):
        return tuple(_like("", value) for value in entry)  # type: ignore[return-value] # it is a tuple of texts
    if type(entry) is not type(known) and not (known is None and isinstance(entry, str)):
        raise TypeError("a value is of another kind")
    if isinstance(entry, int) and entry < 0:
        raise ValueError("a count is below 0")
    return entry  # type: ignore[return-value] # it is of the same type


def _body(message: Mapping[str, Any]) -> str:
    # Escaped to ASCII, since a queue refuses the characters that XML does, and a key may hold them.
    return json.dumps({"schema": MESSAGE_SCHEMA, **message})


def parse(body: str) -> Notice:
    """Return a message's notice; raises PoisonError, whose text says what is wrong with it."""
    message = json_object(body)
    if message.get("schema") == MESSAGE_SCHEMA:
        return _own(message, body)
    if message.get("source") == "aws.s3" and "detail" in message:
        return _event(message)
    raise PoisonError("the message has none of the forms of a notice")


def _own(message: Mapping[str, Any], body: str) -> Notice:
    match message.get("kind"):
        case "object":
            return ObjectNotice(
                key=_key(message),
                version_id=_optional(message, "version_id"),
                reason=_optional(message, "reason") or "",
            )
        case "sweep":
            return Sweep(_optional(message, "after") or "", _count(message, "invocations"))
        case "continuation":
            try:
                return Continuation(
                    key=_key(message),
                    version_id=_optional(message, "version_id"),
                    etag=_optional(message, "etag") or "",
                    encoding=_optional(message, "encoding") or "",
                    progress=Progress.parse(message.get("progress")),
                    received=body,
                )
            except PoisonError:  # a ValueError, too, and says more
                raise
            except (TypeError, ValueError) as error:
                raise PoisonError("the continuation has no progress that could be gone on with") from error
    raise PoisonError("the notice is neither for an object nor for a sweep")


def _event(message: Mapping[str, Any]) -> ObjectNotice:
    detail = section(message, "detail")
    object_ = section(detail, "object")
    key, *others = readings(text(object_, "key")) or [_key(object_)]  # which says what is wrong with it
    return ObjectNotice(
        key=key,
        others=tuple(others),
        version_id=_optional(object_, "version-id"),
        reason="event",
        bucket=_optional(section(detail, "bucket"), "name"),
    )


def _optional(message: Mapping[str, Any], name: str) -> str | None:
    value = message.get(name)
    if value is not None and not isinstance(value, str):
        raise PoisonError(f"the notice's {name!r} is not text")
    return value or None


def _count(message: Mapping[str, Any], name: str) -> int:
    value = message.get(name, 1)
    if type(value) is not int or value < 1:
        raise PoisonError(f"the notice's {name!r} is no count")
    return value


def _key(message: Mapping[str, Any]) -> str:
    try:
        return OBJECTS.record(text(message, "key")).object_key
    except InvalidKeyError as error:
        raise PoisonError(str(error)) from error
