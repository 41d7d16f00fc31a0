"""The two designs that are compared, each as it would run: the replicator's routes, and the obvious loop."""

import contextlib
import io
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

from benchmarks.network import Network
from benchmarks.policy import POLICY
from benchmarks.site import SOURCE, TARGETS, Site
from replication_core.aws.clients import client_config
from replication_core.batching import batches
from replication_core.changes import Change
from replication_core.clients import Clients
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.replicator import PART_THREADS, THREADS, build_replicator
from replication_core.route_spec import RoutedDataset, RouteSpec
from replicator_lambda.handler import RouteFunction

__all__ = ["BATCH", "DESIGNS", "REPLICATOR", "SEQUENTIAL", "Design", "RouteProcesses", "RoutesDesign", "logged"]

BATCH = 100
"""Messages in one invocation of a route's function."""

SEQUENTIAL = "sequential"
REPLICATOR = "replicator"


class Design(Protocol):
    """Something that brings changed keys into every target."""

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Bring all targets level with the source, and return when they are; raises if one could not be."""


class SequentialDesign:
    """The obvious design: one change at a time, and for each target a read and a write through memory."""

    def __init__(self, site: Site, network: Network, targets: Sequence[str] = TARGETS) -> None:
        self._site = site
        self._targets = targets
        self._s3 = site.client("s3", network)
        self._dynamodb = site.client("dynamodb", network)

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Read and write each key for each target, one after another."""
        for key in keys:
            for target in self._targets:
                copy = self._copy_object if key.dataset.is_bucket else self._copy_item
                copy(key, self._site.name(SOURCE), self._site.name(target), target)

    def _copy_object(self, key: RecordKey, source: str, target: str, _environment: str) -> None:
        original = self._s3.get_object(Bucket=source, Key=key.object_key)
        self._s3.put_object(
            Bucket=target,
            Key=key.object_key,
            Body=original["Body"].read(),
            ContentType=original["ContentType"],
            Metadata=original["Metadata"],
        )

    def _copy_item(self, key: RecordKey, source: str, target: str, environment: str) -> None:
        item = self._dynamodb.get_item(TableName=source, Key=key.attributes(), ConsistentRead=True)["Item"]
        self._dynamodb.put_item(TableName=target, Item={**item, "environment": {"S": environment}})


class RoutesDesign:
    """The replicator: for each target a route's handler, fed batches as SQS would, all in this process.

    So calls can be counted and memory told here; how fast it is, `RouteProcesses` shows.
    """

    def __init__(
        self,
        site: Site,
        network: Network,
        targets: Sequence[str] = TARGETS,
        *,
        masks: bool = False,
        batch: int = BATCH,
        threads: int = THREADS,
    ) -> None:
        self._routes = [_route(site, target, network, masks=masks, threads=threads) for target in targets]
        self._batch = batch

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Give every route all keys, in batches."""
        if failed := self.try_once(keys):
            raise RuntimeError(f"{failed} changes were not replicated")

    def try_once(self, keys: Sequence[RecordKey]) -> int:
        """Give every route all keys, in batches, and return how many messages would come back."""
        records = [_record(number, key) for number, key in enumerate(keys)]
        events = [{"Records": batch} for batch in batches(records, self._batch)]
        with _quiet(), ThreadPoolExecutor(len(self._routes)) as pool:
            return sum(pool.map(lambda route: _process(route, events), self._routes))


class RouteProcesses:
    """The replicator as Lambda runs it, for each route a process of its own, and one instance of each.

    Lambda would run up to `maxConcurrency` instances of a route, five by default: here there is one.
    """

    def __init__(self, site: Site, latency_seconds: float = 0.0, *, masks: bool = False) -> None:
        self._site, self._latency_seconds, self._masks = site, latency_seconds, masks
        spawning = multiprocessing.get_context("spawn")
        self._processes = {target: ProcessPoolExecutor(1, mp_context=spawning) for target in TARGETS}

    def apply(self, keys: Sequence[RecordKey]) -> None:
        """Give every route all keys, in batches, at the same time."""
        for answer in [
            process.submit(_apply_here, self._site, target, self._latency_seconds, self._masks, keys)
            for target, process in self._processes.items()
        ]:
            answer.result()

    def close(self) -> None:
        """End the processes."""
        for process in self._processes.values():
            process.shutdown()


@cache
def _route_here(site: Site, target: str, latency_seconds: float, masks: bool) -> RoutesDesign:
    return RoutesDesign(site, Network(latency_seconds), (target,), masks=masks)


def _apply_here(site: Site, target: str, latency_seconds: float, masks: bool, keys: Sequence[RecordKey]) -> None:
    _route_here(site, target, latency_seconds, masks).apply(keys)


class _Log(io.TextIOBase):
    """Counts what is written, and keeps nothing."""

    size = 0

    def write(self, text: str) -> int:
        self.size += len(text)
        return len(text)


_LOG = _Log()


def logged() -> int:
    """Return how much the handlers in this process have logged so far, their metrics included: characters of ASCII."""
    return _LOG.size


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let the handler's logs and metrics be made as in Lambda, and go nowhere."""
    with contextlib.redirect_stdout(_LOG):
        yield


def _process(route: RouteFunction, events: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(route.process(event)["batchItemFailures"]) for event in events)


def _record(number: int, key: RecordKey) -> dict[str, Any]:
    return {
        "messageId": str(number),
        "receiptHandle": str(number),
        "body": Change(key, "benchmark").body(),
        "attributes": {"ApproximateReceiveCount": "1"},
    }


def _route(site: Site, target: str, network: Network, *, masks: bool, threads: int) -> RouteFunction:
    config = client_config(threads + PART_THREADS, path_style=True)
    names = ("s3", "dynamodb", "sqs", "sns", "kms")
    s3, dynamodb, sqs, sns, kms = (site.client(name, network, config) for name in names)
    clients = Clients(
        source_s3=s3,
        target_s3=s3,
        copying_s3=s3,
        source_dynamodb=dynamodb,
        target_dynamodb=dynamodb,
        sqs=sqs,
        sns=sns,
        kms=kms,
    )
    region = s3.meta.region_name
    spec = RouteSpec(
        target=target,
        source_environment=SOURCE,
        source_region=region,
        datasets=tuple(
            RoutedDataset(dataset=each, source=site.name(SOURCE), target=site.name(target)) for each in (OBJECTS, ITEMS)
        ),
        target_region=region,
        queue_url=f"{site.endpoint}/queue",
        dlq_url=f"{site.endpoint}/dead-letters",
        success_topic_arn=site.topic_arn,
        failure_topic_arn=site.topic_arn,
        masking=POLICY.document() if masks else {},
        mask_key_arn="arn:aws:kms:us-east-1:000000000000:key/made-up" if masks else "",
    )
    with _quiet():
        return RouteFunction.build(spec, clients, build_replicator(spec, clients, threads=threads))


DESIGNS: Mapping[str, Callable[..., Design]] = {SEQUENTIAL: SequentialDesign, REPLICATOR: RoutesDesign}
