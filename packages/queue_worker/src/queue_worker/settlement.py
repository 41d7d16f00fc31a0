"""Settlement of a message: it is done, comes back after a delay, or is given up. Pure."""

from dataclasses import dataclass

from queue_worker.messages import MAX_ATTEMPTS, MAX_RECEIVES, NOT_STARTED_SECONDS, backoff_seconds
from replication_core.aws.errors import StoreError

__all__ = ["Again", "Done", "GivenUp", "Settlement", "failed", "not_started", "put_off"]


@dataclass(frozen=True, slots=True)
class Done:
    """The queue deletes the message."""


@dataclass(frozen=True, slots=True)
class Again:
    """The queue hands the message out again after so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The message becomes a dead letter with this reason."""

    error: StoreError
    key: str | None = None
    """The key that could not be worked on, for the log; None where the message tells none."""

    notice: str | None = None
    """What to keep in the message's place, where the message asks for more than is to be tried again."""


Settlement = Done | Again | GivenUp


def failed(error: StoreError, attempts: int, *, key: str | None = None, notice: str | None = None) -> Again | GivenUp:
    """Settle a message whose try has failed: it is tried again where that may help, up to MAX_ATTEMPTS times.

    >>> failed(StoreError("SlowDown", "less of that", permanent=False), attempts=3)
    Again(seconds=4)
    """
    if error.permanent or attempts >= MAX_ATTEMPTS:
        return GivenUp(error, key, notice)
    return Again(backoff_seconds(attempts))


def not_started(attempts: int, *, key: str | None = None) -> Again | GivenUp:
    """Settle a message that the invocation's time did not suffice for.

    It is given up before its queue does that, which would leave a dead letter without a reason.
    """
    error = StoreError("NotStarted", f"{attempts} invocations had no time for it")
    return put_off(error, attempts, seconds=NOT_STARTED_SECONDS, key=key)


def put_off(error: StoreError, attempts: int, *, seconds: int, key: str | None = None) -> Again | GivenUp:
    """Settle a message that comes back after so long without having been tried, as often as its queue lets it."""
    return Again(seconds) if attempts < MAX_RECEIVES - 1 else GivenUp(error, key)
