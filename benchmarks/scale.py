"""The figures of docs/scale.md, computed from what the benchmarks have measured, and put between the page's marks.

    python -m benchmarks --only scale

writes them anew. A test holds the page to it.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from benchmarks.draining import Backlog, Route
from benchmarks.operating import Operated, UnderWay
from benchmarks.over_http import OverHttp
from benchmarks.report import Sheet
from benchmarks.sustaining import (
    ITEMS,
    KINDS,
    MASKED_ITEMS,
    OBJECTS,
    OTHER_THREADS,
    TAGGED_OBJECTS,
    HotKey,
    Noticed,
    Sustained,
)
from pipeline_ops.ages import duration
from pipeline_ops.routes import KEYS_PER_SECOND
from pipeline_ops.routes.estimate import Counted, dollars
from replication_core.items.batch_write import WRITE_BATCH
from replication_core.items.dynamodb import READ_BATCH
from replication_core.replicator import THREADS

__all__ = ["BATCH", "FUNCTIONS", "MEMORY_MB", "PAGE", "Measured", "computed"]

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"

MEMORY_MB, BATCH, FUNCTIONS = 1024, 100, 5
"""A route's settings where none are configured: `memoryMb`, `batchSize`, `maxConcurrency`."""

_VCPU_MB = 1769
"""Memory with which a function has a whole vCPU: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html."""

_LATENCY_SECONDS = 0.03
_SIZES = (10**6, 10**8, 10**9)
_OUTAGE = Backlog(arriving=1000, outage_seconds=3600)
_DAY = 86_400
_ITEM_BYTES = 1024
_INSTANCE, _INSTANCE_VCPUS = "hours of a c7i.8xlarge", 32
_WIDE = 100
_LASTING = (OBJECTS, TAGGED_OBJECTS, ITEMS, MASKED_ITEMS)
_VERIFYING = {"verify objects": True, "verify objects --quick": True, "verify items": False}
"""What verifies, and whether several processes can divide it among themselves, by prefixes."""

_PARTS: Mapping[str, Sequence[str]] = {
    "S3 or DynamoDB": ("S3 reads", "S3 copies and listings", "DynamoDB read units", "DynamoDB write units"),
    "events and queue": ("S3 events", "SQS requests", "SNS publishes"),
    "Lambda": ("Lambda requests", "Lambda GB-seconds"),
    "logs": ("GB of logs",),
}

_SCAN_UNITS = 128
"""Read units of a call that scans 1 MB, eventually consistent, which are a thousand items of 1 KB."""

_PRICED: Mapping[str, tuple[str, float]] = {
    "ListObjectsV2": ("S3 copies and listings", 1),
    "HeadObject": ("S3 reads", 1),
    "GetObjectTagging": ("S3 reads", 1),
    "Scan": ("DynamoDB read units", _SCAN_UNITS),
    "CopyObject": ("S3 copies and listings", 1),
    "BatchGetItem": ("DynamoDB read units", READ_BATCH),
    "BatchWriteItem": ("DynamoDB write units", WRITE_BATCH),
    "PublishBatch": ("SNS publishes", 1),
}
"""What AWS charges a call as, and how many of it each is, of full batches and items of a kilobyte."""

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """What the benchmarks have measured, as their documents tell it."""

    functions: Sequence[Sustained]
    notifier: Sequence[Noticed]
    hot_key: Sequence[HotKey]
    commands: Sequence[OverHttp]
    operating: Sequence[Operated]
    under_way: Sequence[UnderWay]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the documents of a folder."""
        sustaining, commands, operating = (
            json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            for name in ("sustaining", "commands", "operating")
        )
        return cls(
            functions=_each(Sustained, sustaining["functions"]),
            notifier=_each(Noticed, sustaining["notifier"]),
            hot_key=_each(HotKey, sustaining["hot_key"]),
            commands=_each(OverHttp, commands["commands"]),
            operating=_each(Operated, operating["operating"]),
            under_way=_each(UnderWay, operating["calls_under_way_at_30_ms"]),
        )

    def function(self, kind: str, batch: int = BATCH, threads: int = THREADS) -> Sustained:
        """Return what a batch of so many such changes takes a function."""
        return next(one for one in self.functions if (one.kind, one.batch, one.threads) == (kind, batch, threads))

    def route(
        self,
        kind: str,
        functions: int = FUNCTIONS,
        batch: int = BATCH,
        memory_mb: int = MEMORY_MB,
        threads: int = THREADS,
    ) -> Route:
        """Return a route of such functions."""
        seconds = self.function(kind, batch, threads).batch_seconds(memory_mb / _VCPU_MB)
        return Route(functions=functions, batch=batch, batch_seconds=seconds)

    def command(self, case: str) -> "Command":
        """Return what a key costs a command, by the most keys that it was measured over."""
        operated = max((one for one in self.operating if one.case == case), key=lambda one: one.keys)
        return Command(
            processor_seconds=next(one.microseconds_per_key for one in self.commands if one.case == case) / 1e6,
            calls={name: count / operated.keys for name, count in operated.calls.items()},
            under_way=next(one.calls for one in self.under_way if one.case == case),
        )


def _each(kind: type[T], documents: Sequence[Mapping[str, Any]]) -> list[T]:
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type] # they are dataclasses
    return [kind(**{name: each[name] for name in names}) for each in documents]


@dataclass(frozen=True)
class Command:
    """What a key costs a command that compares, on the machine that it runs on and in AWS's bill."""

    processor_seconds: float
    calls: Mapping[str, float]
    under_way: float
    """Calls at the same time."""

    @cached_property
    def seconds(self) -> float:
        """What a key takes one process: the processor's time, or its calls', whichever is longer."""
        return max(self.processor_seconds, sum(self.calls.values()) * _LATENCY_SECONDS / self.under_way)

    def dollars(self, keys: int) -> float:
        """Return what AWS charges for the calls of so many keys."""
        return sum(
            dollars({_PRICED[name][0]: _PRICED[name][1] * count * keys})
            for name, count in self.calls.items()
            if name in _PRICED
        )


def functions(measured: Measured) -> Sheet:
    """Return what one function sustains, by kind and the size of its batches."""
    return Sheet(
        "What one function sustains",
        ("changes", "at once", "a second, on a vCPU", f"a second, with {MEMORY_MB:,} MB", "calls of a change"),
        [
            (
                *(one.kind, f"{one.batch:,}", f"{one.per_second():,.0f}"),
                *(f"{one.per_second(MEMORY_MB / _VCPU_MB):,.0f}", f"{sum(one.calls.values()):.2f}"),
            )
            for one in measured.functions
            if one.threads == THREADS
        ],
    )


def notifier(measured: Measured) -> Sheet:
    """Return how many changes a second of a shard's items are announced, by the number of routes."""
    return Sheet(
        "What the notifier sustains",
        ("routes", f"a second of a shard, with {MEMORY_MB:,} MB"),
        [(f"{one.routes}", f"{one.per_second(MEMORY_MB / _VCPU_MB):,.0f}") for one in measured.notifier],
    )


def hot_key(measured: Measured) -> Sheet:
    """Return what becomes of the changes of one key that is written all the time."""
    return Sheet(
        "One key, written again and again",
        ("writes a second", "calls of a batch of its changes", "changes that have to be tried again"),
        [(f"{one.writes_per_second:g}", f"{one.calls:.0f}", f"{one.failed:.0%}") for one in measured.hot_key],
    )


def settings(measured: Measured) -> Sheet:
    """Return what a route sustains by default, and with each setting changed alone."""
    changed: Mapping[str, dict[str, int]] = {
        f"none: `maxConcurrency` {FUNCTIONS}, `batchSize` {BATCH}, `memoryMb` {MEMORY_MB:,}": {},
        "`maxConcurrency` 50": {"functions": 50},
        "`batchSize` 10": {"batch": 10},
        "`batchSize` 1,000": {"batch": 1000},
        "`memoryMb` 512": {"memory_mb": 512},
        f"`memoryMb` {_VCPU_MB:,}": {"memory_mb": _VCPU_MB},
        **{f"{number} threads, in the code, for {THREADS}": {"threads": number} for number in OTHER_THREADS},
    }
    rows = [
        (
            name,
            *(
                f"{measured.route(kind, **changes).per_second:,.0f}"
                if kind == OBJECTS or "threads" not in changes
                else ""
                for kind in KINDS
            ),
        )
        for name, changes in changed.items()
    ]
    return Sheet("What a route sustains", ("setting that is changed", *KINDS), rows)


def drain(measured: Measured) -> Sheet:
    """Return how long a route works off an outage, by the formula and simulated."""
    return Sheet(
        "After an outage",
        ("changes", "`maxConcurrency`", "a second", "worked off after", "simulated"),
        [
            (kind, f"{count}", f"{route.per_second:,.0f}", _time(by_formula), _time(_simulated(route, by_formula)))
            for kind in _LASTING
            for count in (FUNCTIONS, 10, 20, 50)
            for route in [measured.route(kind, count)]
            for by_formula in [_OUTAGE.drained_after(route)]
        ],
    )


def _simulated(route: Route, by_formula: float) -> float:
    return by_formula if by_formula > _DAY else _OUTAGE.simulate(route, most_seconds=2 * _DAY)


def comparing(measured: Measured) -> Sheet:
    """Return what verifying takes, on one process and on an instance, and what AWS charges for it."""
    rows = []
    for case, by_prefixes in _VERIFYING.items():
        command = measured.command(case)
        processes = _INSTANCE_VCPUS if by_prefixes else 1
        for keys in _SIZES:
            seconds = keys * command.seconds
            hours = seconds / processes / 3600
            rows.append(
                (
                    *(case, _count(keys), _time(seconds), _time(seconds / processes)),
                    *(_money(command.dollars(keys)), _money(dollars({_INSTANCE: hours}))),
                )
            )
    columns = ("command", "keys", "one process", f"{_INSTANCE_VCPUS} vCPUs", "calls", "the instance")
    return Sheet("What verifying takes", columns, rows)


def backfilling(measured: Measured) -> Sheet:
    """Return what a backfill takes with nothing configured, and with a wider route, and what AWS charges for it."""
    rows = []
    for case, kind in (("backfill objects", OBJECTS), ("backfill items", ITEMS)):
        command = 1 / measured.command(case).seconds
        # A message has ten keys: a batch of them is ten times as many changes.
        narrow, wide = (measured.route(kind, number, 1000).per_second for number in (FUNCTIONS, _WIDE))
        for keys in _SIZES:
            there = Counted(objects=keys) if kind == OBJECTS else Counted(items=keys, item_bytes=keys * _ITEM_BYTES)
            seconds = (keys / min(command, KEYS_PER_SECOND, narrow), keys / min(command, wide))
            charged = dollars(there.requests(other_region=False))
            rows.append((case, _count(keys), *map(_time, seconds), _money(charged)))
    wide_one = f"`--rate 100000`, `maxConcurrency` {_WIDE}"
    return Sheet("What a backfill takes", ("command", "keys", "nothing configured", wide_one, "calls"), rows)


def steady(measured: Measured) -> Sheet:
    """Return what it costs that so many keys change, by what AWS charges for."""
    rows = []
    for kind in _LASTING:
        charged = _change(measured.function(kind))
        million = {
            part: dollars({name: charged.get(name, 0.0) for name in names}) * 1e6 for part, names in _PARTS.items()
        }
        a_month = sum(million.values()) * 30 / 100 / 1e6
        busy = _SIZES[-1] / 100 / _DAY / measured.route(kind, 1).per_second
        rows.append(
            (
                *(kind, *(f"{each:.2f}" for each in million.values()), f"{sum(million.values()):.2f}"),
                *(*(_money(a_month * keys) for keys in _SIZES), f"{busy:.1f}"),
            )
        )
    daily = (f"1 % of {_count(keys)} a day" for keys in _SIZES)
    columns = ("changes of", *_PARTS, "a million", *daily, f"functions busy, of {_count(_SIZES[-1])}")
    return Sheet("What changes cost", columns, rows)


def _change(one: Sustained) -> Mapping[str, float]:
    """Return what AWS charges for a change, by the names of the price list."""
    seconds = one.batch_seconds(MEMORY_MB / _VCPU_MB) / one.batch
    charged: defaultdict[str, float] = defaultdict(
        float,
        {
            "Lambda requests": 1 / one.batch,
            "Lambda GB-seconds": seconds * MEMORY_MB / 1024,
            "GB of logs": one.log_bytes / 1e9,
            # Received and deleted with nine others; sent alone, as an event, or with nine others, by the notifier.
            "SQS requests": 0.2 + (0.1 if _is_item(one.kind) else 1.0),
            "S3 events": 0.0 if _is_item(one.kind) else 1.0,
        },
    )
    for operation, count in one.calls.items():
        if operation in _PRICED:
            name, units = _PRICED[operation]
            charged[name] += units * count
    return charged


_AWS = "https://docs.aws.amazon.com/"
_S3 = f"{_AWS}AmazonS3/latest/userguide/optimizing-performance.html"
_EVENTS = f"{_AWS}eventbridge/latest/userguide/eb-quota.html"
_TABLES_QUOTA = f"{_AWS}amazondynamodb/latest/developerguide/ServiceQuotas.html"
_PARTITION = f"{_AWS}amazondynamodb/latest/developerguide/bp-partition-key-design.html"
_CONCURRENCY = f"{_AWS}lambda/latest/dg/gettingstarted-limits.html"
_IN_FLIGHT = f"{_AWS}AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"


def quotas(measured: Measured) -> Sheet:
    """Return which quota of AWS stops a route first, and at how many changes a second."""
    more, wider, later = "ask AWS for more", "spread keys over prefixes", "they come later, and none is lost"
    spread, larger, smaller = "a partition key that spreads", "a larger `batchSize`", "a smaller `batchSize`"
    # What changes, and how many of them a second reach how much of what; an item of 1 KB is read twice, consistently.
    found: list[tuple[str, float, int, str, str, str]] = [
        (OBJECTS, 18_750, 18_750, "EventBridge invocations a second in us-east-1, of all routes", _EVENTS, later),
        (OBJECTS, 1100, 1100, "EventBridge invocations a second in many other regions, of all routes", _EVENTS, later),
        (ITEMS, 20_000, 40_000, "DynamoDB read units a second of the source's table", _TABLES_QUOTA, more),
        (ITEMS, 40_000, 40_000, "DynamoDB write units a second of the target's table", _TABLES_QUOTA, more),
        (ITEMS, 1500, 3000, "DynamoDB read units a second of a partition of the source", _PARTITION, spread),
        (ITEMS, 1000, 1000, "DynamoDB write units a second of a partition of the target", _PARTITION, spread),
    ]
    for kind in (OBJECTS, TAGGED_OBJECTS):
        calls = measured.function(kind).calls
        reads = calls["HeadObject"] + calls["GetObjectTagging"]
        found += [
            (kind, 5500 / reads, 5500, "S3 reads a second of a prefix of the source", _S3, wider),
            (kind, 3500 / calls["CopyObject"], 3500, "S3 writes a second of a prefix of the target", _S3, wider),
        ]
    for kind in (OBJECTS, ITEMS):
        many, large = measured.route(kind, 1000).per_second, measured.route(kind, 120, batch=1000).per_second
        found += [
            (kind, many, 1000, "Lambda functions at the same time, of a region", _CONCURRENCY, larger),
            (kind, large, 120_000, "SQS messages in flight, at `batchSize` 1,000", _IN_FLIGHT, smaller),
        ]
    rows = [
        (kind, f"{changes:,.0f}", f"{quota:,}", f"[{name}]({page})", remedy)
        for kind, changes, quota, name, page, remedy in sorted(found, key=lambda one: one[1])
    ]
    return Sheet("Quotas", ("changes", "a second", "reach AWS's", "of", "what to do"), rows)


def _is_item(kind: str) -> bool:
    return kind in (ITEMS, MASKED_ITEMS)


def _count(keys: int) -> str:
    return f"10<sup>{round(math.log10(keys))}</sup>"


def _time(seconds: float) -> str:
    return "never" if math.isinf(seconds) else duration(seconds)


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"


_TABLES: Mapping[str, Callable[[Measured], Sheet]] = {
    "functions": functions,
    "notifier": notifier,
    "hot-key": hot_key,
    "settings": settings,
    "drain": drain,
    "comparing": comparing,
    "backfilling": backfilling,
    "steady": steady,
    "quotas": quotas,
}


def computed(page: str, measured: Measured) -> str:
    """Return the page with its tables made anew; raises KeyError for a mark that no table has."""
    return re.sub(
        r"(<!-- computed: ([\w-]+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{_TABLES[found[2]](measured).to_markdown()}{found[3]}",
        page,
        flags=re.DOTALL,
    )
