"""The function between the source tables' streams and the routes: each changed key, to the routes' queues."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger

from queue_worker.dead_letters import DeadLetters, Letter
from queue_worker.messages import UnknownEventError, records_of
from replication_core.aws.batches import send
from replication_core.aws.errors import StoreError
from replication_core.changes import Change
from replication_core.clients import connect_queues
from replication_core.datasets import Dataset, RecordKey
from replication_core.route_spec import RouteSpec
from replicator_lambda.archive import read_routes

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["CONNECTIONS", "Announcement", "Notifier", "NotifierError", "build_notifier", "changes", "handle"]

CONNECTIONS = 32
"""Calls at the same time, of ten notices each: a shard's batches come one after another, and wait for their calls."""

_STREAM_BATCH = '{"Records": [{"eventSourceARN": "...", "dynamodb": {"Keys": {"id": {"S": "a"}}}}]}, as a stream has it'


class NotifierError(RuntimeError):
    """Notices that could be put nowhere: the stream has to deliver its records again."""


def changes(
    records: Iterable[Mapping[str, Any]], dataset_of: Callable[[str], Dataset | None]
) -> tuple[list[Change], int]:
    """Return a change for each changed item, and how many records had no key of their table's form.

    Inserts, changes, removals and removals by time to live are all alike: they tell that an item changed. Of an item
    that changed several times the last instant is told, which is the one that its replica is measured from.
    """
    found: dict[RecordKey, Change] = {}
    unreadable = 0
    for record in records:
        try:
            change = _change(record["dynamodb"], dataset_of(_table(record)))
        except (LookupError, TypeError, ValueError, OverflowError, OSError):  # InvalidKeyError is a ValueError
            unreadable += 1
        else:
            found[change.key] = change
    return list(found.values()), unreadable


def _table(record: Mapping[str, Any]) -> str:
    """Return the name of the table whose stream the record is of.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.Lambda.Tutorial.html: eventSourceARN
    """
    return str(record["eventSourceARN"]).partition(":table/")[2].partition("/")[0]


def _change(record: Mapping[str, Any], dataset: Dataset | None) -> Change:
    if dataset is None:
        raise LookupError
    when = record.get("ApproximateCreationDateTime")
    return Change(
        dataset.of_item(record["Keys"]), "stream", None if when is None else datetime.fromtimestamp(float(when), UTC)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Where one route's notices go: its queue, and the dead letters where that does not take them."""

    sqs: "SQSClient"
    spec: RouteSpec
    dead_letters: DeadLetters

    def send(self, found: Iterable[Change], logger: Logger, calls: Executor) -> Mapping[int, StoreError]:
        """Send every change that the route replicates; return the errors of those that neither queue took."""
        bodies = [change.body() for change in found if self.spec.wants(change.key)]
        refused = send(self.sqs, self.spec.queue_url, bodies, executor=calls)
        for error in set(refused.values()):
            fields = {"target": self.dead_letters.target, "error_type": error.kind, "error": error.message}
            logger.warning("not announced", extra=fields)
        letters = [Letter(notice=bodies[position], error=error, attempts=1) for position, error in refused.items()]
        unsent = self.dead_letters.send(letters, datetime.now(UTC))
        return {position: refused[position] for index, position in enumerate(refused) if index in unsent}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Announces the stream's changes to the routes.

    A queue that takes no notice holds up nobody else: a shard's records are delivered in order, so that failing a
    batch for one route would stop all of them. Its notices go to the dead letters, with its target and the reason; the
    alarm on their number tells, and no notification is sent for each.
    """

    routes: Sequence[Announcement]
    logger: Logger

    def process(self, event: Mapping[str, Any]) -> None:
        """Announce every changed key to every route.

        Raises NotifierError, after everything else was sent, where a notice could be put nowhere or a record has no
        key of the table's form: the stream then delivers the batch again, by halves where it is configured so, and
        what was sent twice does no harm. Raises UnknownEventError for what is no batch of a stream.
        """
        records = records_of(event)
        if not records:
            raise UnknownEventError(_STREAM_BATCH)
        found, unreadable = changes(records, self._dataset_of)
        with ThreadPoolExecutor(CONNECTIONS) as routes, ThreadPoolExecutor(CONNECTIONS) as calls:
            unsent = list(routes.map(lambda route: route.send(found, self.logger, calls), self.routes))
        self.logger.info("announced", extra={"changes": len(found), "routes": len(self.routes)})
        faults = [
            f"neither {route.spec.queue_url} nor the dead-letter queue took {len(errors)} of {len(found)} notices "
            f"({next(iter(errors.values())).message})"
            for route, errors in zip(self.routes, unsent, strict=True)
            if errors
        ]
        if unreadable:
            faults.append(f"{unreadable} records have no key of a table that is replicated")
        if faults:
            raise NotifierError("; ".join(faults))

    def _dataset_of(self, table: str) -> Dataset | None:
        known = (route.spec.of_table(table) for route in self.routes)
        return next((routed.dataset for routed in known if routed is not None), None)


def build_notifier(specs: Sequence[RouteSpec], sqs: "SQSClient") -> Notifier:
    """Wire a notifier of these routes, which it was deployed with."""
    release = next((spec.release for spec in specs), "")
    routes = [
        Announcement(
            sqs=sqs,
            spec=spec,
            dead_letters=DeadLetters(sqs=sqs, queue_url=spec.dlq_url, target=spec.target, release=spec.release),
        )
        for spec in specs
    ]
    return Notifier(routes=routes, logger=Logger(service="notifier", release=release))


@cache
def _notifier() -> Notifier:
    return build_notifier(read_routes(), connect_queues(connections=CONNECTIONS))


def handle(event: Mapping[str, Any], _context: Any) -> None:
    """Announce a batch of a source table's stream: the entry point of the notifier's Lambda function."""
    _notifier().process(event)
