"""What a function sustains: changes a second, by kind and setting.

A function is a route's own handler, in a process of its own, handed batches as its queue hands them over. Each call
takes 30 ms. What other programs on this machine take only makes a batch slower: so the fastest of several counts.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

from botocore.config import Config

from benchmarks.designs import BATCH, RoutesDesign, logged
from benchmarks.made_up_route import made_up_route
from benchmarks.network import Network
from benchmarks.own_process import elsewhere, timed
from benchmarks.policy import made_up_item
from benchmarks.report import Report, Sheet
from benchmarks.site import TARGETS, Site
from benchmarks.stand_in import running_stand_in
from local_cloud import ANYBODY
from local_cloud.clients import ClientFactory
from replication_core.datasets import ITEMS as ITEMS_DATASET
from replication_core.datasets import RecordKey
from replication_core.replicator import THREADS
from replicator_lambda.notifier import CONNECTIONS, build_notifier

__all__ = [
    "HOT_KEY",
    "ITEMS",
    "KINDS",
    "MASKED_ITEMS",
    "OBJECTS",
    "OTHER_THREADS",
    "TAGGED_OBJECTS",
    "HotKey",
    "Noticed",
    "Sustained",
    "measure_sustaining",
    "sustain",
]

_LATENCY_SECONDS = 0.03
_TARGET = TARGETS[:1]

OBJECTS = "objects"
TAGGED_OBJECTS = "objects with tags"
ITEMS = "items"
MASKED_ITEMS = "masked items"
HOT_KEY = "one hot key"

KINDS: Mapping[str, Callable[[Site, int], Sequence[RecordKey]]] = {
    OBJECTS: Site.put_objects,
    TAGGED_OBJECTS: lambda site, count: site.put_objects(count, tags="class=a&owner=b", start=100_000),
    ITEMS: Site.put_items,
    MASKED_ITEMS: lambda site, count: site.put_items(count, made_up_item),
    HOT_KEY: lambda site, count: site.put_objects(1, start=200_000) * count,
}
"""So many changes of each kind, of as many keys but for the last."""

_BATCHES = (10, BATCH, 1000)
OTHER_THREADS = (8, 128)
"""Of a function, which are a constant of its code: an object has one to itself, and a hundred items share one."""


@dataclass(frozen=True)
class Sustained:
    """What a batch of changes takes a function."""

    kind: str
    batch: int
    threads: int
    seconds: float
    processor_seconds: float
    """Of those, on a core of this machine, the processor's."""

    calls: Mapping[str, float]
    """Of a change, by operation."""

    log_bytes: float
    """Likewise, its share of the metrics included."""

    def batch_seconds(self, vcpus: float = 1.0) -> float:
        """Return what it takes where there is so much of a core."""
        return _seconds_on(vcpus, self.seconds, self.processor_seconds)

    def per_second(self, vcpus: float = 1.0) -> float:
        """Return how many changes a second one function makes there."""
        return self.batch / self.batch_seconds(vcpus)


@dataclass(frozen=True)
class HotKey:
    """What becomes of a batch of one key's changes while that key is written so often."""

    writes_per_second: float
    calls: float
    """Of a batch."""

    failed: float
    """The share of the messages that come back, since the source was never seen unchanged."""


@dataclass(frozen=True)
class Noticed:
    """What a batch of a stream's records takes the notifier: one shard's are handed over one batch after another."""

    routes: int
    records: int
    seconds: float
    processor_seconds: float

    def per_second(self, vcpus: float = 1.0) -> float:
        """Return how many changes a second of one shard it announces there."""
        return self.records / _seconds_on(vcpus, self.seconds, self.processor_seconds)


def _seconds_on(vcpus: float, seconds: float, processor_seconds: float) -> float:
    """Return what takes so long on a core where there is so much of one: Python's threads use one at most."""
    return seconds + processor_seconds * (1 / min(vcpus, 1.0) - 1)


def sustain(site: Site, kind: str, keys: Sequence[RecordKey], batch: int, threads: int, times: int) -> Sustained:
    """Let a new function replicate the first batch of the keys again and again, and return the fastest."""
    network = Network(_LATENCY_SECONDS)
    function = RoutesDesign(site, network, _TARGET, masks=kind == MASKED_ITEMS, batch=batch, threads=threads)
    function.apply(keys[:batch])  # connections are open from here on
    network.take()
    logged_before = logged()
    measured = [timed(partial(function.apply, keys[:batch])) for _ in range(times)]
    calls = {name: count / batch / times for name, count in sorted(network.take().calls.items())}
    log_bytes = round((logged() - logged_before) / batch / times)
    seconds, processor_seconds = map(min, zip(*measured, strict=True))
    return Sustained(kind, batch, threads, seconds, processor_seconds, calls, log_bytes)


def _hot(site: Site, keys: Sequence[RecordKey], writes_per_second: float, times: int) -> HotKey:
    network = Network(_LATENCY_SECONDS)
    function = RoutesDesign(site, network, _TARGET)
    function.apply(keys[:1])
    network.take()
    with _written(site, keys[0], writes_per_second):
        failed = sum(function.try_once(keys[:BATCH]) for _ in range(times))
    return HotKey(writes_per_second, network.take().calls.total() / times, failed / times / BATCH)


def _noticed(endpoint: str, routes: int, times: int) -> Noticed:
    network, spec, records = Network(_LATENCY_SECONDS), made_up_route(), 1000
    sqs = ClientFactory(endpoint, ANYBODY).client("sqs", spec.source_region, Config(max_pool_connections=CONNECTIONS))
    network.watch(sqs)
    source = f"arn:aws:dynamodb:us-east-1:000000000000:table/{spec.routed[-1].source}/stream/made-up"
    keys = (ITEMS_DATASET.record(f"order-{number:07d}", "1700000000").attributes() for number in range(records))
    event = {"Records": [{"eventSourceARN": source, "dynamodb": {"Keys": each}} for each in keys]}
    notifier = build_notifier([replace(spec, queue_url=endpoint)] * routes, sqs)
    notifier.process(event)
    network.take()
    measured = [timed(partial(notifier.process, event)) for _ in range(times)]
    if (sent := network.take().calls["SendMessageBatch"]) < times * routes * records / 10:
        raise RuntimeError(f"{sent} calls announced {routes} times {records} changes, {times} times")
    return Noticed(routes, records, *map(min, zip(*measured, strict=True)))


@contextlib.contextmanager
def _written(site: Site, key: RecordKey, per_second: float) -> Iterator[None]:
    """Write a key again and again meanwhile."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(1 / per_second):
            site.put_objects(1, start=int(key.object_key[7:14]))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def measure_sustaining(say: Callable[[str], None], *, quick: bool) -> Report:
    """Measure each kind at each setting, the notifier, and the hot key while it is written."""
    times = 2 if quick else 7
    with running_stand_in() as endpoint:
        site = Site.make(endpoint)
        changes = {kind: make(site, 100 if quick else 1000) for kind, make in KINDS.items()}
        functions: list[Sustained] = []
        for kind, keys in changes.items():
            for batch, threads in _settings(kind, len(keys)):
                say(f"Measuring what a function sustains: {kind}, {batch} at once, {threads} threads")
                functions.append(elsewhere(sustain, site, kind, keys, batch, threads, times))
        say("Measuring the notifier")
        noticed = [elsewhere(_noticed, endpoint, routes, times) for routes in (1, 2, 5)]
        say("Measuring a hot key")
        hot = [elsewhere(_hot, site, changes[HOT_KEY], rate, times) for rate in (1.0, 5.0, 20.0)]
    document = {
        "functions": [asdict(one) for one in functions],
        "notifier": [asdict(one) for one in noticed],
        "hot_key": [asdict(one) for one in hot],
    }
    return Report("sustaining", document, list(_sheets(functions, noticed, hot)))


def _settings(kind: str, most: int) -> Iterator[tuple[int, int]]:
    """Yield sizes of a batch, and threads."""
    yield from ((batch, THREADS) for batch in _BATCHES if batch <= most)
    if kind == OBJECTS:
        yield from ((BATCH, threads) for threads in OTHER_THREADS)


def _sheets(functions: Sequence[Sustained], noticed: Sequence[Noticed], hot: Sequence[HotKey]) -> Iterator[Sheet]:
    yield Sheet(
        "Changes a second of one function, on a core, at 30 ms a call",
        ("changes", "at once", "threads", "a second", "calls of a change", "bytes logged", "processor's share"),
        [
            (
                *(
                    one.kind,
                    f"{one.batch:,}",
                    f"{one.threads}",
                    f"{one.per_second():,.0f}",
                    f"{sum(one.calls.values()):.2f}",
                ),
                *(f"{one.log_bytes:g}", f"{one.processor_seconds / one.seconds:.0%}"),
            )
            for one in functions
        ],
    )
    yield Sheet(
        "Changes a second of one shard's items that the notifier announces, on a core",
        ("routes", "a second", "processor's share"),
        [
            (f"{one.routes}", f"{one.per_second():,.0f}", f"{one.processor_seconds / one.seconds:.0%}")
            for one in noticed
        ],
    )
    yield Sheet(
        f"{BATCH} changes of one key while it is written",
        ("writes a second", "calls of the batch", "messages that come back"),
        [(f"{one.writes_per_second:g}", f"{one.calls:.1f}", f"{one.failed:.0%}") for one in hot],
    )
