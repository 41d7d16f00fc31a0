"""The hunt through a whole system: what was planted in production, looked for in every place where it may not be.

Keys of production may stand in production's own queues, dead letters and logs, and in the operator's files: that is how
a record is named there. So they are looked for in the lower environments alone, and all else everywhere.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_common.contracts import StorageOutputs
from pipeline_ops.clients import ClientMaker
from pipeline_ops.demo import places
from pipeline_ops.demo.hunt import Hunt, Trace
from pipeline_ops.demo.places import Place
from pipeline_ops.demo.stores import SystemOutputs

__all__ = ["Hunted", "hunted"]


@dataclass(frozen=True)
class Hunted:
    """How much was looked for, in how many places, and what was found."""

    planted: int
    places: int
    traces: Sequence[Trace]


def hunted(
    client: ClientMaker,
    outputs: SystemOutputs,
    targets: Collection[str],
    *,
    values: Mapping[str, str | bytes],
    keys: Mapping[str, str | bytes],
    folders: Sequence[Path] = (),
    more: Sequence[Iterable[Place]] = (),
) -> Hunted:
    """Look for what was planted in the targets' stores and queues, and in the queues, logs and files of all.

    `more` are further places that no value may be in.
    """
    everything, but_keys = Hunt({**values, **keys}), Hunt(values)
    looks: list[tuple[Hunt, Iterable[Place]]] = [
        (everything, _stores(client, StorageOutputs.parse(outputs[f"{StorageOutputs.PROJECT}/{environment}"])))
        for environment in targets
    ]
    for stack, named in outputs.items():
        is_lower = stack.partition("/")[2] in targets
        looks += ((everything if is_lower else but_keys, each) for each in _queues(client, named))
    for region in {named["region"] for named in outputs.values() if "region" in named}:
        looks.append((but_keys, places.logs(client("logs", region=region))))
        looks.append((but_keys, places.metrics(client("cloudwatch", region=region))))
        looks.append((but_keys, places.functions(client("lambda", region=region))))
    looks += ((but_keys, each) for each in (*map(places.files, folders), *more))
    with ThreadPoolExecutor(len(looks)) as threads:  # a look through a queue is mostly spent with waiting
        found = list(threads.map(_look, looks))
    traces = sorted(trace for _, traces in found for trace in traces)
    return Hunted(len(values) + len(keys), sum(count for count, _ in found), traces)


def _look(asked: tuple[Hunt, Iterable[Place]]) -> tuple[int, list[Trace]]:
    hunt, there = asked
    traces: list[Trace] = []
    count = 0
    for place in there:
        count += 1
        traces += hunt.search(place.name, place.pieces)
    return count, traces


def _stores(client: ClientMaker, storage: StorageOutputs) -> Iterator[Place]:
    for stored in storage.datasets.values():
        if stored.dataset.is_bucket:
            yield from places.bucket(client("s3", region=storage.region), stored.name)
        else:
            yield from places.table(client("dynamodb", region=storage.region), stored.name)


def _queues(client: ClientMaker, outputs: Mapping[str, Any]) -> Iterator[Iterable[Place]]:
    for name, url in outputs.items():
        if name.endswith(("queue_url", "dlq_url")):
            yield places.queue(client("sqs", region=outputs["region"]), url)
