"""The history of a stack's deploys: small documents beside its state, each written once."""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_common.json_records import record_of
from pipeline_ops.backend_files import UnreadHereError, files_of, read_state
from pipeline_ops.live_aliases import archive_digests, live_versions, route_function, route_specs
from pipeline_ops.projects import StackId
from pipeline_ops.state import Backend

__all__ = [
    "DEPLOY",
    "DONE",
    "FAILED",
    "JUDGED",
    "ROLLBACK",
    "UNMASKED",
    "DeployRecord",
    "History",
    "recorded_spec",
    "version_before",
]

DEPLOY, ROLLBACK, JUDGED, UNMASKED = "deploy", "rollback", "judged", "unmasked"
"""What may be done to a stack; the last is that somebody said why a release that is deployed masks nothing."""

DONE, FAILED = "done", "failed"
"""What may have come of it."""

_FOLDER = "deploys"
_SCHEMA = "pipeline.deploy/1"
_SAID_CHARACTERS = 500
_UNREADABLE = (OSError, ValueError, BotoCoreError, ClientError)


@dataclass(frozen=True, kw_only=True)
class DeployRecord:
    """One thing that was done to a stack."""

    what: str
    """One of `DEPLOY`, `ROLLBACK`, `JUDGED` and `UNMASKED`."""

    at: str
    """When it began, in ISO 8601."""

    who: str
    release: str
    """The version that was deployed, or gone back to."""

    routes: tuple[str, ...] = ()
    """The targets whose routes it was of; empty for the whole stack."""

    before: Mapping[str, str] = field(default_factory=dict)
    """The version that was live of each function, by what it is called in its stack."""

    after: Mapping[str, str] = field(default_factory=dict)

    digest: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each function's archive, as Lambda tells it: in Base64."""

    specs: Mapping[str, Any] = field(default_factory=dict)
    """The specification of each route, by its target."""

    result: str = DONE
    said: str = ""
    """Why it failed, or what was seen."""

    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"schema": _SCHEMA, **asdict(self), "said": self.said[:_SAID_CHARACTERS]}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read such a document; raises ValueError for one that is none."""
        record = record_of(cls, document)
        if document.get("schema") != _SCHEMA:
            raise ValueError("it is no record of a deploy")
        return record


@dataclass(frozen=True)
class History:
    """The records of one stack; what can't be written or read is said, and stops nothing."""

    backend: Backend
    stack: StackId
    say: Callable[[str], None]

    def append(self, record: DeployRecord) -> None:
        """Write a record."""
        at = datetime.fromisoformat(record.at).astimezone(UTC)
        name = f"{self._folder}{at:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.json"
        try:
            files_of(self.backend).write(name, json.dumps(record.document(), indent=1))
        except UnreadHereError:
            self.say(f"No history of {self.stack} is kept at {self.backend.shown}: only in a folder or in S3.")
        except _UNREADABLE as error:
            self.say(f"The history of {self.stack} lacks this {record.what}, which could not be written: {error}.")

    def records(self) -> Iterator[DeployRecord]:
        """Read what is known, the newest first, each when it is asked for: there may be thousands in a bucket."""
        try:
            files = files_of(self.backend)
            names = sorted(files.listed(self._folder), reverse=True)
        except UnreadHereError:
            self.say(f"No history of {self.stack} is kept at {self.backend.shown}: only in a folder or in S3.")
            return
        except _UNREADABLE as error:
            self.say(f"The history of {self.stack} at {self.backend.shown} can't be read: {error}.")
            return
        for name in names:
            try:
                record = DeployRecord.parse(json.loads(files.read(name)))
            except (*_UNREADABLE, RecursionError) as error:
                self.say(f"{name} can't be read, and is left out: {error}.")
            else:
                yield record

    def of_function(self, function: str) -> Iterator[DeployRecord]:
        """Read what is known since a deploy made the function: one of that name that was there before is another."""
        for record in self.records():
            yield record
            if record.what == DEPLOY and function in record.after and function not in record.before:
                return

    @contextmanager
    def recording(self, who: str, release: str, routes: tuple[str, ...]) -> Iterator[None]:
        """Write a record of the deploy that the block is, and what came of it."""
        began, before = datetime.now(UTC), live_versions(self._resources())
        result, said = DONE, ""
        try:
            yield
        except BaseException as error:
            result, said = FAILED, str(error)
            raise
        finally:
            resources = self._resources()
            record = DeployRecord(
                what=DEPLOY,
                at=began.isoformat(timespec="milliseconds"),
                who=who,
                release=release,
                routes=routes,
                before=before,
                after=live_versions(resources),
                digest=archive_digests(resources),
                specs=route_specs(resources),
                result=result,
                said=said,
                seconds=round((datetime.now(UTC) - began).total_seconds(), 1),
            )
            self.append(record)

    def _resources(self) -> list[Mapping[str, Any]]:
        try:
            content = read_state(self.backend, self.stack)
            return (json.loads(content)["checkpoint"]["latest"] or {}).get("resources") or [] if content else []
        except (*_UNREADABLE, UnreadHereError, EOFError, LookupError, TypeError, AttributeError):
            return []  # where the state can't be read, the deploy itself says so

    @property
    def _folder(self) -> str:
        return f"{_FOLDER}/{self.stack.project}/{self.stack.environment}/"


def version_before(records: Iterable[DeployRecord], function: str, live: str) -> str | None:
    """Return the version that was live before a deploy made this one so; None where no record tells.

    Of a version that a rollback left again it is not told: one was found bad.
    """
    made_live = _made_live(records, function, live)
    return made_live.before.get(function) if made_live else None


def recorded_spec(records: Iterable[DeployRecord], target: str, version: str) -> Mapping[str, Any] | None:
    """Return the specification that a version of a route's function has in its archive; None where no record tells."""
    made_live = _made_live(records, route_function(target), version)
    return made_live.specs.get(target) if made_live else None


def _made_live(records: Iterable[DeployRecord], function: str, version: str) -> DeployRecord | None:
    return next(
        (
            record
            for record in records
            if record.what == DEPLOY and record.after.get(function) == version != record.before.get(function)
        ),
        None,
    )
