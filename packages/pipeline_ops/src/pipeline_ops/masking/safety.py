"""The safety of a target: whether all that its route has left there was made by the policy that is deployed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline_ops.backend_files import UnreadHereError
from pipeline_ops.history import DEPLOY, DONE, ROLLBACK, DeployRecord, History
from pipeline_ops.live_aliases import route_function
from pipeline_ops.masking.activation import Activation, Activations
from pipeline_ops.masking.policies import policy_in
from pipeline_ops.routes.route import Route
from pipeline_ops.where import Where
from replication_core.masking.policy import PolicyError

__all__ = ["Protection", "Safety", "safety_of"]


class Protection(StrEnum):
    """What a target's data is."""

    MASKED = "masked"
    UNSAFE = "unsafe"
    """The route masks, and nothing tells that what it left before is gone."""

    UNMASKED = "unmasked"
    """The route copies as it is."""

    UNKNOWN = "unknown"
    """The state is where only Pulumi reads it, which keeps neither a history nor an activation."""


@dataclass(frozen=True)
class Safety:
    """What a target's data is, and why."""

    protection: Protection
    why: str

    @property
    def is_to_be_known(self) -> bool:
        """Whether who looks at the route is to know it, though there is nothing to do."""
        return self.protection in {Protection.UNMASKED, Protection.UNKNOWN}

    def document(self) -> dict[str, str]:
        """Return it as a JSON document."""
        return {"protection": self.protection.value, "why": self.why}

    def __str__(self) -> str:
        return f"{self.protection}: {self.why}" if self.why else self.protection.value


def safety_of(route: Route, history: History, where: Where) -> Safety:
    """Tell what the data of a route's target is, by its specification and what was done to it.

    It is safe where an activation of its policy was done to the end, or where its function has masked by that policy
    from its first deploy on; and nothing else was live since. Raises OperatorError.
    """
    try:
        policy = policy_in(route.outputs.spec)
    except PolicyError as error:
        return Safety(Protection.UNSAFE, f"its policy can't be read: {error}")
    if policy is None:
        return Safety(Protection.UNMASKED, _why_unmasked(route))
    digest = policy.digest
    try:
        activation = Activations(history.backend, history.stack).find(route.target)
    except UnreadHereError:
        return Safety(Protection.UNKNOWN, f"no activation is kept at {history.backend.shown}")
    done_at = activation.ended if activation and activation.policy == digest else None
    if _only_by(digest, route.target, history.records(), since=done_at):
        return Safety(Protection.MASKED, "")
    return Safety(Protection.UNSAFE, _remedy(activation, digest, where.command("mask", "apply", route.target)))


def _why_unmasked(route: Route) -> str:
    reason = str(route.outputs.spec.get("unmasked_reason", ""))
    return reason or ("put back to a release that masks nothing" if route.hold else "")


def _remedy(activation: Activation | None, digest: str, command: str) -> str:
    if activation and activation.policy == digest and not activation.ended:
        last = list(activation.done)[-1] if activation.done else "nothing"
        return f"the activation of {activation.begun[:16]} ended after {last}: `{command}` goes on"
    return f"what was replicated before the policy may be there still: `{command}`"


def _only_by(digest: str, target: str, records: Iterable[DeployRecord], *, since: datetime | None) -> bool:
    """Tell whether the route's function was live by this policy alone: since an instant, else since it was first made.

    The records come the newest first. Another function of this name may have been there before: what it left counts.
    """
    function, begins = route_function(target), False
    for record in records:
        if since is not None and datetime.fromisoformat(record.at) <= since:
            return True
        if record.what in {DEPLOY, ROLLBACK} and function in {*record.before, *record.after}:
            was_moved = record.before.get(function) != record.after.get(function)
            # What a run that failed has exported may be of the version before.
            is_told = record.result == DONE or not was_moved
            if not is_told or _digest_in(record.specs.get(target)) != digest:
                return False
            begins = function not in record.before
    return since is not None or begins


def _digest_in(spec: Mapping[str, Any] | None) -> str | None:
    try:
        policy = policy_in(spec)
    except PolicyError:
        return None
    return policy.digest if policy else None
