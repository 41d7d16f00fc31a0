"""`replicate`: the reconciliation of keys at once, by their route's own function."""

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from pipeline_ops.counts import counted
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from pipeline_ops.terminal import document, tell, waiting
from pipeline_ops.where import Where
from replication_core.changes import message
from replication_core.datasets import ITEMS, OBJECTS, Dataset, InvalidKeyError, RecordKey
from replication_core.reconcile import Action
from replication_core.route_spec import RouteSpec

__all__ = ["Answer", "NoAnswerError", "answers_of", "key_of", "reconcile_now", "replicate"]

MOST_SECONDS = 910
"""As long as a function runs at most, and a little more.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

_WHY: Mapping[str, str] = {
    Action.COPIED: "the source has it, and the replica is equal to it now",
    Action.DELETED: "the source does not have it, and neither has the replica now",
    Action.IGNORED: "the route's rules (replication:targets) leave it out",
    Action.CONTINUED: "it takes longer than the function may run, which goes on with it",
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


def key_of(route: RouteSpec, words: Sequence[str]) -> RecordKey:
    """Return the key that a command's words name.

    They are an object's key, an item's id and timestamp, or a dataset and its key: `files reports/1.csv`,
    `orders pk=1 sk=2`. Raises OperatorError, as misuse, for anything else.
    """
    known = route.dataset(words[0]) if len(words) > 1 else None
    try:
        if known is not None and (key := _of_dataset(known.dataset, words[1:])) is not None:
            return key
        default = OBJECTS if len(words) == 1 else ITEMS
        if known is None and route.dataset(default.name) is not None and len(words) == len(default.key):
            return default.record(*words)
    except InvalidKeyError as error:
        raise OperatorError(f"{' '.join(words)}: {error}.", MISUSED) from error
    forms = ", ".join(_form(each.dataset) for each in route.datasets)
    raise OperatorError(f"{' '.join(words)} names no record: write {forms}.", MISUSED)


def _of_dataset(dataset: Dataset, words: Sequence[str]) -> RecordKey | None:
    """Return the key of these words: a bucket's one, or `name=value` for each attribute of a table's."""
    if dataset.is_bucket:
        return dataset.record(*words)
    named = dict(word.partition("=")[::2] for word in words)
    if all("=" in word for word in words) and len(named) == len(words):
        return dataset.named(named)
    return None


def _form(dataset: Dataset) -> str:
    values = ["KEY"] if dataset.is_bucket else [f"{name}=..." for name in dataset.attribute_names]
    return " ".join((dataset.name, *values))


class NoAnswerError(OperatorError):
    """The function was invoked, and gave no answer that tells what became of the keys: it failed or took too long."""


def reconcile_now(replication: SourceRoutes, route: Route, key: RecordKey) -> Answer:
    """Have the route's function reconcile the key, and return what it did; it works on a paused route too.

    Nothing is queued: a failure is in the answer, and is no dead letter. Raises OperatorError when there is none.
    """
    answers = answers_of(replication, route, [key])
    if not answers:
        raise OperatorError(f"{route.outputs.function_name} had no time for {key}: raise replication:timeoutSeconds.")
    return answers[0]


def answers_of(
    replication: SourceRoutes,
    route: Route,
    keys: Sequence[RecordKey],
    *,
    version: str | None = None,
    reason: str = "manual",
    within: int = MOST_SECONDS,
) -> list[Answer]:
    """Have the route's function, as it is live or a version of it, reconcile keys of one dataset.

    Those that it had no time for are not in its answers. The function is not asked twice. Raises NoAnswerError where it
    fails as a whole or takes more than `within` seconds, and OperatorError where it can't be asked.
    """
    name, outputs = f"{keys[0]}" if len(keys) == 1 else counted(len(keys), "key"), route.outputs
    client = replication.client("lambda", region=replication.region, config=_config(within))
    function = outputs.alias_arn if version is None else f"{outputs.function_arn}:{version}"
    with explained(f"{outputs.function_name} can't be asked for {name}"):
        try:
            answer = client.invoke(FunctionName=function, Payload=message(keys, reason).encode())
            told = _json(answer["Payload"].read())
        except ReadTimeoutError as error:
            raise NoAnswerError(f"{outputs.function_name} gave no answer for {name} within {within} s.") from error
    if answer.get("FunctionError") or not isinstance(told, list):
        said = told.get("errorMessage") if isinstance(told, dict) else None
        raise NoAnswerError(
            f"{outputs.function_name} gave no answer for {name}: {said or 'it ended without one'}. "
            f"Its log group is {outputs.log_group_name}."
        )
    known = [Answer.of(route.target, each) for each in told]
    if None in known:
        raise NoAnswerError(
            f"{outputs.function_name} is of another release, whose answer for {name} is not understood: "
            f"`{replication.deploy_command}` deploys this one."
        )
    return [each for each in known if each is not None]


@functools.cache
def _config(read_timeout: int) -> Config:
    return Config(read_timeout=read_timeout, retries={"total_max_attempts": 1})


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def replicate(target: str, words: tuple[str, ...], where: Where, as_json: bool) -> None:
    """Reconcile one record now, and say what was done and why; exit with 1 where that failed."""
    replication = deployed_replication(where).replication
    route = replication.route(target)
    named = key_of(route.spec, words)
    with waiting(f"Waiting for the route's function to reconcile {named}"):
        answer = reconcile_now(replication, route, named)
    if as_json:
        document(vars(answer))
    else:
        tell(answer.sentence())
    if answer.failed:
        sys.exit(FAILED)
