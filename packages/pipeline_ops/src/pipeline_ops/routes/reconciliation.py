"""The reconciliation of one key at once, by its route's own function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from botocore.config import Config

from pipeline_ops.counting import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.route import Replication, Route, explained
from replication_core.changes import ItemKey, Key, Notice, ObjectKey, PoisonError, number_text, parse
from replication_core.reconcile import Action

__all__ = ["Answer", "key_of", "reconcile_now"]

_CONFIG = Config(read_timeout=910, retries={"total_max_attempts": 1})
"""As long as a function runs at most, and not asked twice.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

_WHY: Mapping[str, str] = {
    Action.COPIED: "the source has it, and the replica is equal to it now",
    Action.DELETED: "the source does not have it, and neither has the replica now",
    Action.IGNORED: "the route's rules (replication:targets) leave it out",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the route did with a key."""

    target: str
    key: str
    action: str
    size: int
    rereads: int
    why: str

    @classmethod
    def of(cls, target: str, told: object) -> Self | None:
        """Build it from what the function told; None where that is of another form."""
        match told:
            case {
                "key": str(key),
                "action": str(action),
                "size": int(size),
                "rereads": int(rereads),
                "error": None | {"type": str(), "message": str()} as error,
            }:
                why = f"{error['type']}: {error['message']}" if error else _WHY.get(action, "")
                return cls(target=target, key=key, action=action, size=size, rereads=rereads, why=why)
            case _:
                return None

    @property
    def failed(self) -> bool:
        """Whether the replica may differ from the source still."""
        return self.action == Action.FAILED

    def sentence(self) -> str:
        """Return it in one line."""
        size = f", {counted(self.size, 'byte')}" if self.size else ""
        moved = f", after the source changed {counted(self.rereads, 'time')} meanwhile" if self.rereads else ""
        return f"{self.target} {self.key}: {self.action}{size}{moved}; {self.why}"


def key_of(name: str, timestamp: str | None) -> Key:
    """Return the object's key, or with a timestamp the item's; raises OperatorError for what its route refuses."""
    try:
        key = ObjectKey(name) if timestamp is None else ItemKey(name, number_text(timestamp))
        parse(Notice(key, "manual").body())
    except PoisonError as error:
        raise OperatorError(f"{' '.join(filter(None, (name, timestamp)))}: {error}.", MISUSED) from error
    return key


def reconcile_now(replication: Replication, route: Route, key: Key) -> Answer:
    """Have the route's function reconcile the key, and return what it did; it works on a paused route too.

    Nothing is queued: a failure is in the answer, and is no dead letter. Raises OperatorError when there is none.
    """
    client = replication.client("lambda", region=replication.region, config=_CONFIG)
    with explained(f"{route.outputs.function_name} can't be asked for {key}"):
        answer = client.invoke(FunctionName=route.outputs.alias_arn, Payload=Notice(key, "manual").body().encode())
        told = _json(answer["Payload"].read())
    if answer.get("FunctionError") or not isinstance(told, list):
        said = told.get("errorMessage") if isinstance(told, dict) else None
        raise OperatorError(
            f"{route.outputs.function_name} gave no answer for {key}: {said or 'it ended without one'}. "
            f"Its log group is {route.outputs.log_group_name}."
        )
    if not told:
        raise OperatorError(f"{route.outputs.function_name} had no time for {key}: raise replication:timeoutSeconds.")
    if (known := Answer.of(route.target, told[0])) is None:
        raise OperatorError(
            f"{route.outputs.function_name} is of another release, whose answer for {key} is not understood: "
            f"`{replication.deploy_command}` deploys this one."
        )
    return known


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None
