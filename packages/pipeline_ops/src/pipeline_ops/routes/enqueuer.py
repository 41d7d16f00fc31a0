"""The enqueuer of keys for an operator's command: no faster than the route can bear, and followed through."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Generic, TypeVar

from botocore.config import Config

from pipeline_ops.counts import counted
from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.backlog import POLL_SECONDS, Backlog, Depth
from pipeline_ops.routes.dead_letters import DeadLetter, DeadLetterQueue, dead_letters
from pipeline_ops.routes.route import Route
from replication_core.aws.batches import ENTRIES, send
from replication_core.batching import batches
from replication_core.changes import message, parse
from replication_core.datasets import RecordKey
from replication_core.message_fields import PoisonError
from replication_core.parallel import bounded_map
from replication_core.route_spec import RouteSpec

__all__ = ["KEYS_OF_A_LOAD", "Enqueuer", "Failed", "Failures", "Load", "failed_keys", "follow"]

MOST_WAITING = 1_000
"""Messages in the queue above which nothing is added: a live change waits behind all of them."""

KEYS_OF_A_MESSAGE = 10
"""A failed key comes back with all keys of its message, and each of them is reconciled again."""

KEYS_OF_A_LOAD = ENTRIES * KEYS_OF_A_MESSAGE

MOST_LETTERS = 10_000
"""Dead letters that are looked through: they are held in memory, and out of others' sight meanwhile."""

_THREADS = 8
_LOOK_EVERY = 1_000
_CONFIG = Config(max_pool_connections=_THREADS, retries={"mode": "standard", "total_max_attempts": 5})

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Load(Generic[P]):
    """Up to `KEYS_OF_A_LOAD` keys that are sent together, and where in their source they end."""

    keys: Sequence[RecordKey]
    position: P


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A key that the route gave up."""

    key: str
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Failures:
    """The keys of a run that the route gave up."""

    keys: Sequence[Failed] = ()
    complete: bool = True
    """False where there are more dead letters than were looked through, which may be of this run too."""

    def __bool__(self) -> bool:
        """Tell whether somebody has to look."""
        return bool(self.keys) or not self.complete

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each key, and one where there may be more."""
        for one in self.keys:
            yield f"given up: {one.key}: {one.reason}: {one.message}"
        if not self.complete:
            yield f"There are more than {MOST_LETTERS:,} dead letters, and others of this run may be among them."

    def exported(self) -> dict[str, Any]:
        """Return them as a part of a JSON document."""
        return {"failed": [asdict(one) for one in self.keys], "failed_complete": self.complete}


@dataclass(kw_only=True)
class Enqueuer:
    """Sends notices of keys to a route's queue, so many a second, while not too many wait there."""

    backlog: Backlog
    reason: str
    """Stands in each notice, and so in the dead letter of one that is given up."""

    rate: float
    """Keys a second."""

    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _free_at: float = field(default=0.0, init=False)
    _unlooked: int = field(default=_LOOK_EVERY, init=False)

    def enqueue(self, loads: Iterable[Load[P]]) -> Iterator[Load[P]]:
        """Send each load, and yield it once it is in the queue, in the loads' order.

        The notices tell no time of change: what was written long ago must not count as lag. Raises OperatorError for
        a load that SQS does not take; those that were yielded are queued then, and of others some may be.
        """
        replication, outputs = self.backlog.replication, self.backlog.route.outputs
        sqs: Any = replication.client("sqs", region=replication.region, config=_CONFIG)

        def put(load: Load[P]) -> Load[P]:
            errors = send(sqs, outputs.queue_url, list(self._messages(load.keys)))
            if errors:
                first = next(iter(errors.values()))
                raise OperatorError(f"{outputs.queue_name} does not take {counted(len(errors), 'message')}: {first}")
            return load

        with ThreadPoolExecutor(_THREADS, thread_name_prefix="enqueue") as executor:
            yield from bounded_map(executor, put, self._paced(loads), window=2 * _THREADS)

    def _messages(self, keys: Sequence[RecordKey]) -> Iterator[str]:
        # The first release, whose contract has no specification, reads one key of a message.
        most = KEYS_OF_A_MESSAGE if self.backlog.route.outputs.spec else 1
        for _, of_one_dataset in groupby(keys, key=lambda key: key.dataset):
            for some in batches(of_one_dataset, most):
                yield message(some, self.reason)

    def _paced(self, loads: Iterable[Load[P]]) -> Iterator[Load[P]]:
        for load in loads:
            self._wait_for_room(len(load.keys))
            now = self.clock()
            if self._free_at > now:
                self.pause(self._free_at - now)
            self._free_at = max(self._free_at, now) + len(load.keys) / self.rate
            yield load

    def _wait_for_room(self, keys: int) -> None:
        self._unlooked += keys
        if self._unlooked < _LOOK_EVERY:
            return
        self._unlooked = 0
        while self.backlog.depth().waiting > MOST_WAITING:
            self.pause(POLL_SECONDS)


def follow(backlog: Backlog, enqueued: int, say: Callable[[str], None]) -> None:
    """Wait until the route has worked off all that is in its queue by now."""

    def show(depth: Depth) -> None:
        say(f"Enqueued {counted(enqueued, 'key')}; before the route: {counted(depth.total, 'message')}")

    backlog.worked_off(datetime.now(UTC), on_depth=show)


def failed_keys(queue: DeadLetterQueue, route: Route, reason: str) -> Failures:
    """Return the keys enqueued for that reason that were given up, as far as `MOST_LETTERS` dead letters tell."""
    found: dict[str, Failed] = {}
    with dead_letters(queue, most=MOST_LETTERS) as held:
        for letter in held.letters:
            if letter.target == route.target:
                for key in _keys_for(letter, route.spec, reason):
                    found[key] = Failed(key=key, reason=letter.reason, message=letter.message)
        complete = held.complete
    return Failures(keys=sorted(found.values(), key=lambda failed: failed.key), complete=complete)


def _keys_for(letter: DeadLetter, route: RouteSpec, reason: str) -> list[str]:
    try:
        return [str(change.key) for change in parse(letter.event or "", route) if change.reason == reason]
    except PoisonError:
        return []
