"""The function between the source table's stream and the routes: each changed key, to every route's queue."""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger

from queue_worker.dead_letters import DeadLetters, Letter
from queue_worker.messages import UnknownEventError, records_of
from replication_core.aws.batches import send
from replication_core.aws.errors import StoreError
from replication_core.changes import ItemKey, Notice, number_text
from replication_core.clients import connect_queues
from replicator_lambda.settings import NotifierSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["Announcement", "Notifier", "NotifierError", "build_notifier", "handle", "notices"]

_CONNECTIONS = 8
_STREAM_BATCH = '{"Records": [{"dynamodb": {"Keys": {"id": {"S": "a"}, "timestamp": {"N": "1"}}}}]}, as a stream has it'


class NotifierError(RuntimeError):
    """Notices that could be put nowhere: the stream has to deliver its records again."""


def notices(records: Iterable[Mapping[str, Any]]) -> tuple[list[Notice], int]:
    """Return a notice for each changed key, and how many records had no key of the table's form.

    Inserts, changes, removals and removals by time to live are all alike: they tell that a key changed. Of a key that
    changed several times the last instant is told, which is the one that its replica is measured from.
    """
    found: dict[ItemKey, Notice] = {}
    unreadable = 0
    for record in records:
        try:
            notice = _notice(record["dynamodb"])
        except (LookupError, TypeError, ValueError, OverflowError, OSError):  # PoisonError is a ValueError
            unreadable += 1
        else:
            key = notice.key
            if isinstance(key, ItemKey):
                found[key] = notice
    return list(found.values()), unreadable


def _notice(change: Mapping[str, Any]) -> Notice:
    keys = change["Keys"]
    when = change.get("ApproximateCreationDateTime")
    return Notice(
        ItemKey(keys["id"]["S"], number_text(keys["timestamp"]["N"])),
        "stream",
        None if when is None else datetime.fromtimestamp(float(when), UTC),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Where one route's notices go: its queue, and the dead letters where that does not take them."""

    sqs: "SQSClient"
    queue_url: str
    dead_letters: DeadLetters

    def send(self, bodies: Sequence[str], logger: Logger) -> Mapping[int, StoreError]:
        """Send every notice; return the errors, by position, of those that neither queue took."""
        refused = send(self.sqs, self.queue_url, bodies)
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
        found, unreadable = notices(records)
        bodies = [notice.body() for notice in found]
        with ThreadPoolExecutor(_CONNECTIONS) as executor:
            unsent = list(executor.map(lambda route: route.send(bodies, self.logger), self.routes))
        self.logger.info("announced", extra={"changes": len(bodies), "routes": len(self.routes)})
        faults = [
            f"neither {route.queue_url} nor the dead-letter queue took {len(errors)} of {len(bodies)} notices "
            f"({next(iter(errors.values())).message})"
            for route, errors in zip(self.routes, unsent, strict=True)
            if errors
        ]
        if unreadable:
            faults.append(f"{unreadable} records have no id and timestamp")
        if faults:
            raise NotifierError("; ".join(faults))


def build_notifier(settings: NotifierSettings, sqs: "SQSClient") -> Notifier:
    """Wire a notifier from its settings."""
    routes = [
        Announcement(
            sqs=sqs,
            queue_url=queue_url,
            dead_letters=DeadLetters(sqs=sqs, queue_url=settings.dlq_url, target=target),
        )
        for target, queue_url in zip(settings.targets, settings.queue_urls, strict=True)
    ]
    return Notifier(routes=routes, logger=Logger(service="notifier"))


@cache
def _notifier() -> Notifier:
    return build_notifier(NotifierSettings.from_env(os.environ), connect_queues(connections=_CONNECTIONS))


def handle(event: Mapping[str, Any], _context: Any) -> None:
    """Announce a batch of the source table's stream: the entry point of the notifier's Lambda function."""
    _notifier().process(event)
