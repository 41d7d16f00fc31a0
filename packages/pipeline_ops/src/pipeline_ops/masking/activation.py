"""The activation of a route's policy: its steps, each recorded when it is done, beside the state of the stack."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_common.json_records import record_of
from pipeline_ops.backend_files import UnreadHereError, files_of
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import StackId
from pipeline_ops.state import Backend

__all__ = ["Activation", "ActivationStep", "Activations"]

_SCHEMA = "pipeline.masking/1"
_UNREADABLE = (OSError, ValueError, TypeError, BotoCoreError, ClientError)


class ActivationStep(StrEnum):
    """What an activation does, in this order."""

    PAUSE = "pause"
    """The route hands out nothing, and what it had begun is finished."""

    DEPLOY = "deploy"
    RESUME = "resume"
    DRAIN = "drain"
    """What was in the queue is worked off by the new version."""

    MASK = "mask"
    """Every record of the source is reconciled."""

    CLEAR = "clear"
    """What no policy, or another one, has made is deleted in the target."""

    VERIFY = "verify"


@dataclass(frozen=True, kw_only=True)
class Activation:
    """How far the activation of a policy has come."""

    target: str
    policy: str
    """The digest of the route's policy, see `policies`."""

    by: str
    begun: str
    """In ISO 8601, as all times here."""

    done: Mapping[str, str] = field(default_factory=dict)
    """When each step was done that was, by its name."""

    cleared: Mapping[str, Any] = field(default_factory=dict)
    """What was deleted and left, by dataset: see `leftovers.Clearance`."""

    found: Mapping[str, int] = field(default_factory=dict)
    """The verification's findings, by verdict."""

    drift: int = 0
    """Of these, what a repair mends: neither expected nor the target's own."""

    backfill: str = ""
    """The run that replicates every record again, by its name; empty before it began."""

    kept: tuple[Mapping[str, Any], ...] = ()
    """What holds the former data still: see `recovery_points.RecoveryPoint`."""

    @property
    def ended(self) -> datetime | None:
        """When its last step was done; None where it was not."""
        at = self.done.get(ActivationStep.VERIFY)
        return datetime.fromisoformat(at) if at else None

    def with_done(self, step: ActivationStep, **told: Any) -> Self:
        """Return it with a step done now, and what that has to tell."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return replace(self, done={**self.done, step.value: now}, **told)

    def undone(self, since: ActivationStep) -> Self:
        """Return it with that step, and those after it, to be done again."""
        steps = list(ActivationStep)
        left = {step.value for step in steps[: steps.index(since)]}
        return replace(self, done={name: at for name, at in self.done.items() if name in left}, backfill="")

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"schema": _SCHEMA, **asdict(self)}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read such a document; raises ValueError for one that is none."""
        parsed = record_of(cls, document)
        if document.get("schema") != _SCHEMA:
            raise ValueError("it is no record of an activation")
        for at in parsed.done.values():
            datetime.fromisoformat(at)
        return parsed


@dataclass(frozen=True)
class Activations:
    """The activations of a stack's routes, the newest one of each."""

    backend: Backend
    stack: StackId

    def find(self, target: str) -> Activation | None:
        """Return a route's, None where there was none; raises UnreadHereError, and OperatorError for a damaged one."""
        name = self._name(target)
        files = files_of(self.backend)
        try:
            return Activation.parse(json.loads(files.read(name))) if name in files.listed(name) else None
        except (*_UNREADABLE, RecursionError) as error:
            raise OperatorError(f"{name} at {self.backend.shown} can't be read: {error}.") from error

    def keep(self, activation: Activation) -> Activation:
        """Write a route's, and return it; raises OperatorError where it can't be kept."""
        try:
            files_of(self.backend).write(self._name(activation.target), json.dumps(activation.document(), indent=1))
        except UnreadHereError as error:
            raise OperatorError(
                f"An activation is recorded beside the state, and at {self.backend.shown} that can't be: only in a "
                "folder or in S3."
            ) from error
        except _UNREADABLE as error:
            raise OperatorError(f"The activation can't be recorded at {self.backend.shown}: {error}.") from error
        return activation

    def _name(self, target: str) -> str:
        return f"masking/{self.stack.project}/{self.stack.environment}/{target}.json"
