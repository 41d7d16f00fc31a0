"""A route's brake: no more replicas are deleted than its policy says, however many functions delete them at once.

A source that somebody empties by mistake would empty its targets seconds later, and a policy that refuses everything
what another one has left there. What a brake has stopped waits in the queue until somebody says that it is meant.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from replication_core.admission import Admit, Braked
from replication_core.aws.failures import told, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from replication_core.masking.policy import Brake

__all__ = [
    "BRAKE_EXPIRY",
    "BRAKE_KEY",
    "BrakeState",
    "BrakeTable",
    "DeleteBrake",
    "Deletes",
    "too_many",
]

BRAKE_KEY = "id"
"""The partition key, a string, of the table that a brake counts in."""

BRAKE_EXPIRY = "~expires"
"""The attribute of its items by which DynamoDB deletes them."""

_STATE: dict[str, Any] = {BRAKE_KEY: {"S": "state"}}
_MINUTE = 60
_AHEAD = 10

PARTS = 10
"""The parts that a window slides by: no delete is forgotten early, and none later than a tenth of the window late."""

_MOST_FORGOTTEN = 100
"""Names in an expression, far below the 4 KB that it may have.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletes:
    """Replicas that are to be deleted, and how many were within their window, these included."""

    dataset: str
    number: int
    of_dataset: int
    of_route: int


def too_many(brake: "Brake", deletes: Deletes, count: Callable[[int], int]) -> str:
    """Say of what these deletes are too many; empty where they are not.

    `count` counts the dataset's replicas, as far as the number that it is asked for. Of functions that delete at the
    same time it still counts what the others are about to delete.

    >>> from replication_core.masking.policy import Brake
    >>> brake = Brake(deletes=1000, share=20, minutes=10)
    >>> too_many(brake, Deletes(dataset="items", number=1, of_dataset=40, of_route=40), lambda most: min(161, most))
    ''
    >>> too_many(brake, Deletes(dataset="items", number=1, of_dataset=41, of_route=41), lambda most: min(160, most))
    'more than 20 % of items within 10 minutes'
    """
    if brake.deletes is not None and deletes.of_route > brake.deletes:
        return f"more than {brake.deletes:,} replicas within {brake.minutes} minutes"
    if brake.share is not None:
        left = -(-deletes.of_dataset * (100 - brake.share) // brake.share)
        needed = left + deletes.number
        if count(needed) < needed:
            return f"more than {brake.share} % of {deletes.dataset} within {brake.minutes} minutes"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeState:
    """Whether a brake holds."""

    held: str = ""
    """What the route would have deleted, since when it deletes nothing; empty where it does."""

    lifted_until: float = 0.0
    """The time, in seconds since 1970, until which nothing is counted."""

    released: int = 0
    """How often somebody has released it: counts begin anew each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeTable:
    """A route's own table, where its brake counts: an item that says whether it holds, and one with the counts."""

    dynamodb: "DynamoDBClient"
    name: str

    def state(self) -> BrakeState:
        """Return the state as it is now."""
        with translated("GetItem"):
            item = self.dynamodb.get_item(TableName=self.name, Key=_STATE, ConsistentRead=True).get("Item", {})
        return BrakeState(
            held=item.get("held", {}).get("S", ""),
            lifted_until=float(item.get("lifted", {}).get("N", 0)),
            released=int(item.get("released", {}).get("N", 0)),
        )

    def count(self, counts: str, part: int, dataset: str, number: int, *, expires: int) -> Deletes:
        """Add deletes to a part of the time, and return how many there were in it and the `PARTS` parts before it.

        One item counts by parts, so that of two functions that add to it the later one sees what both did.
        """
        asked: Any = {"TableName": self.name, "Key": {BRAKE_KEY: {"S": counts}}}
        with translated("UpdateItem"):
            answer = self.dynamodb.update_item(
                **asked,
                UpdateExpression="SET #expires = :expires ADD #of :number",
                ExpressionAttributeNames={"#expires": BRAKE_EXPIRY, "#of": f"{part} {dataset}"},
                ExpressionAttributeValues={":number": {"N": str(number)}, ":expires": {"N": str(expires)}},
                ReturnValues="ALL_NEW",
            )
        counted: Counter[str] = Counter()
        past: list[str] = []
        for name, value in told("UpdateItem", answer, "Attributes").items():
            at, _, of = name.partition(" ")
            if of and int(at) >= part - PARTS:
                counted[of] += int(value["N"])
            elif of and int(at) < part - 2 * PARTS:  # which no function counts whose clock is behind
                past.append(name)
        if names := {f"#{place}": name for place, name in enumerate(past[:_MOST_FORGOTTEN])}:
            with translated("UpdateItem"):
                self.dynamodb.update_item(
                    **asked, UpdateExpression=f"REMOVE {', '.join(names)}", ExpressionAttributeNames=names
                )
        return Deletes(dataset=dataset, number=number, of_dataset=counted[dataset], of_route=counted.total())

    def hold(self, why: str) -> None:
        """Have the brake hold until somebody releases it."""
        with translated("UpdateItem"):
            self.dynamodb.update_item(
                TableName=self.name,
                Key=_STATE,
                UpdateExpression="SET #held = :why",
                ExpressionAttributeNames={"#held": "held"},
                ExpressionAttributeValues={":why": {"S": why}},
            )

    def release(self, *, lifted_until: float = 0.0) -> None:
        """Have it hold no more and count from nothing, or not at all until a time, in seconds since 1970."""
        with translated("UpdateItem"):
            self.dynamodb.update_item(
                TableName=self.name,
                Key=_STATE,
                UpdateExpression="SET #lifted = :until ADD #released :one REMOVE #held",
                ExpressionAttributeNames={"#held": "held", "#lifted": "lifted", "#released": "released"},
                ExpressionAttributeValues={":until": {"N": str(int(lifted_until))}, ":one": {"N": "1"}},
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBrake:
    """What a route asks before it deletes."""

    policy: "Brake"
    table: BrakeTable
    clock: Callable[[], float] = time.time
    _seen: dict[str, tuple[str, int, int]] = field(default_factory=dict, init=False)
    """By the datasets: the part of the time, how many were deleted by then, and how many replicas there were."""

    def of(self, dataset: str, count: Callable[[int], int]) -> Admit:
        """Return what a dataset's store asks; `count` counts its replicas, as far as the number that it is given."""
        return lambda there: self.admit(dataset, there(), count)

    def admit(self, dataset: str, number: int, count: Callable[[int], int]) -> None:
        """Let so many replicas of a dataset be deleted; raises Braked, and any StoreError of the table's.

        To delete none asks nobody. A delete that is tried again counts again while its replica is there.
        """
        if not number:
            return
        state, now = self.table.state(), self.clock()
        if state.held:
            raise Braked(state.held)
        if now < state.lifted_until:
            return
        seconds = self.policy.minutes * _MINUTE
        part = int(now * PARTS // seconds)
        counts = f"{state.released} by {seconds} s"
        deletes = self.table.count(counts, part, dataset, number, expires=int(now) + 2 * seconds)
        if why := too_many(self.policy, deletes, self._counting(f"{counts}, {part}", deletes, count)):
            self.table.hold(why)
            raise Braked(why)

    def _counting(self, since: str, deletes: Deletes, count: Callable[[int], int]) -> Callable[[int], int]:
        """Return what counts the replicas, and looks farther ahead than it has to, so that it counts seldom."""

        def counted(needed: int) -> int:
            counted_in, by_then, there = self._seen.get(deletes.dataset, ("", 0, 0))
            left = there - (deletes.of_dataset - by_then)
            if counted_in != since or left < needed:
                left = count(_AHEAD * needed)
                self._seen[deletes.dataset] = (since, deletes.of_dataset, left)
            return left

        return counted
