"""The two designs that are compared, each as it would run: the replicator's routes, and the obvious loop."""

import contextlib
import io
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Protocol

from benchmarks.counting import CallCounter
from benchmarks.site import SOURCE, TARGETS, Site
from replication_core.aws.clients import client_config
from replication_core.changes import Change
from replication_core.clients import Clients
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.replicator import PART_THREADS, THREADS, build_replicator
from replication_core.route_spec import RoutedDataset, RouteSpec
from replicator_lambda.handler import RouteFunction

__all__ = ["BATCH", "DESIGNS", "Design", "RouteProcesses", "RoutesDesign", "SequentialDesign"]

BATCH = 100
"""Messages in one invocation of a route's function."""


class Design(Protocol):
    """Something that brings changed keys into every target."""

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Bring all targets level with the source, and return when they are; raises if one could not be."""


class SequentialDesign:
    """The obvious design: one change at a time, and for each target a read and a write through memory."""

    def __init__(
        self, site: Site, counter: CallCounter, latency_seconds: float = 0.0, targets: Sequence[str] = TARGETS
    ) -> None:
        self._site = site
        self._targets = targets
        self._s3 = site.client("s3", counter=counter, latency_seconds=latency_seconds)
        self._dynamodb = site.client("dynamodb", counter=counter, latency_seconds=latency_seconds)

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Read and write each key for each target, one after another."""
        for key in keys:
            for target in self._targets:
                if key.dataset.is_bucket:
                    self._object(key, target)
                else:
                    self._item(key, target)

    def _object(self, key: RecordKey, target: str) -> None:
        original = self._s3.get_object(Bucket=self._site.bucket(SOURCE), Key=key.object_key)
        self._s3.put_object(
            Bucket=self._site.bucket(target),
            Key=key.object_key,
            Body=original["Body"].read(),
            ContentType=original["ContentType"],
            Metadata=original["Metadata"],
        )

    def _item(self, key: RecordKey, target: str) -> None:
        item = self._dynamodb.get_item(
            TableName=self._site.table(SOURCE),
            Key=key.attributes(),
            ConsistentRead=True,
        )["Item"]
        self._dynamodb.put_item(TableName=self._site.table(target), Item={**item, "environment": {"S": target}})


class RoutesDesign:
    """The replicator: for each target a route's handler, fed batches as SQS would, all in this process.

    So calls can be counted and memory told here; how fast it is, `RouteProcesses` shows.
    """

    def __init__(
        self, site: Site, counter: CallCounter, latency_seconds: float = 0.0, targets: Sequence[str] = TARGETS
    ) -> None:
        self._routes = [_route(site, target, counter, latency_seconds) for target in targets]

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Give every route all keys, in batches."""
        batches = [
            {"Records": [_record(number, key) for number, key in enumerate(keys[start : start + BATCH])]}
            for start in range(0, len(keys), BATCH)
        ]
        # The handler's logs and metrics are made as in Lambda, and go nowhere.
        with _quiet(), ThreadPoolExecutor(len(self._routes)) as pool:
            for failed in pool.map(lambda route: _process(route, batches), self._routes):
                if failed:
                    raise RuntimeError(f"{len(failed)} changes were not replicated")


class RouteProcesses:
    """The replicator as Lambda runs it, for each route a process of its own, and one instance of each.

    Lambda would run up to `maxConcurrency` instances of a route, five by default: here there is one.
    """

    def __init__(self, site: Site, latency_seconds: float = 0.0, targets: Sequence[str] = TARGETS) -> None:
        self._routes = [
            ProcessPoolExecutor(
                1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_route,
                initargs=(site.as_json(), target, latency_seconds),
            )
            for target in targets
        ]

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Give every route all keys, in batches, at the same time."""
        for answer in [route.submit(_apply_in_route, keys) for route in self._routes]:
            answer.result()

    def close(self) -> None:
        """End the processes."""
        for route in self._routes:
            route.shutdown()


_routes_here: dict[str, Design] = {}
"""Of a process of `RouteProcesses`: its one route."""


def _start_route(site: Mapping[str, Any], target: str, latency_seconds: float) -> None:
    _routes_here[target] = RoutesDesign(Site.from_json(site), CallCounter(), latency_seconds, (target,))


def _apply_in_route(keys: Sequence[RecordKey]) -> None:
    for route in _routes_here.values():
        route.apply(keys)


class _Nowhere(io.TextIOBase):
    """Standard output that forgets."""

    def write(self, text: str, /) -> int:
        return len(text)


_NOWHERE = _Nowhere()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(_NOWHERE):
        yield


def _process(route: RouteFunction, batches: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [failure for batch in batches for failure in route.process(batch)["batchItemFailures"]]


def _record(number: int, key: RecordKey) -> dict[str, Any]:
    return {
        "messageId": str(number),
        "receiptHandle": str(number),
        "body": Change(key, "benchmark").body(),
        "attributes": {"ApproximateReceiveCount": "1"},
    }


def _route(site: Site, target: str, counter: CallCounter, latency_seconds: float) -> RouteFunction:
    config = client_config(THREADS + PART_THREADS, path_style=True)

    def client(service: str) -> Any:
        return site.client(service, config=config, counter=counter, latency_seconds=latency_seconds)

    s3, dynamodb = client("s3"), client("dynamodb")
    clients = Clients(
        source_s3=s3,
        target_s3=s3,
        copying_s3=s3,
        source_dynamodb=dynamodb,
        target_dynamodb=dynamodb,
        sqs=client("sqs"),
        sns=client("sns"),
    )
    spec = RouteSpec(
        target=target,
        source_environment=SOURCE,
        source_region=s3.meta.region_name,
        datasets=(
            RoutedDataset(dataset=OBJECTS, source=site.bucket(SOURCE), target=site.bucket(target)),
            RoutedDataset(dataset=ITEMS, source=site.table(SOURCE), target=site.table(target)),
        ),
        target_region=s3.meta.region_name,
        queue_url=f"{site.endpoint}/queue",
        dlq_url=f"{site.endpoint}/dead-letters",
        success_topic_arn=site.topic_arn,
        failure_topic_arn=site.topic_arn,
    )
    with _quiet():
        return RouteFunction.build(spec, clients, build_replicator(spec, clients))


DESIGNS: Mapping[str, Callable[..., Design]] = {"sequential": SequentialDesign, "replicator": RoutesDesign}
