"""`verify --quick` beside `rclone check`, over HTTP: both compare sizes and MD5 digests by listing the two sides.

Neither looks at headers, metadata and tags, which the whole `verify` does, and rclone knows no items. Both are run as
programs, from their start to their end, against a server that makes the listings up as they are asked for.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.made_up import SOURCE, TARGET, MadeUpQueue
from benchmarks.made_up_route import made_up_backlog, made_up_route
from benchmarks.network import Network
from benchmarks.own_process import CommandCost, command_cost, elsewhere
from benchmarks.stand_in import made_up_store, running_stand_in
from pipeline_ops.clients import aws_client
from pipeline_ops.routes.route import CONFIG
from pipeline_ops.routes.selection import select
from pipeline_ops.routes.verification import verify
from replication_core.comparing.sides import Sides
from replication_core.objects.listing_answers import read_listings_fast

__all__ = ["Beside", "beside_rclone", "environment_of", "find_rclone"]

_VERIFY = "verify --quick"
_REGION = "us-east-1"
_KEY = "test"
_LATENCIES_SECONDS = (0.0, 0.03)
_ROUNDS = 3
_LONG = 100_000
"""Keys that are compared once, since that takes long enough to be told by one run."""

_REMOTE = "aws"
_SIDES = (SOURCE, TARGET)


@dataclass(frozen=True)
class Beside:
    """What comparing so many keys took a program, in multiples of verify's time, and its peak memory."""

    program: str
    keys: int
    latency_ms: int
    times_verify: float
    peak_mib: float


def find_rclone() -> str | None:
    """Return the rclone of this environment, else the one on PATH, else None."""
    return shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")


def beside_rclone(sizes: Sequence[int], *, quick: bool = False) -> Iterator[Beside]:
    """Let the programs compare so many keys, taking turns, at each latency; nothing where there is no rclone."""
    rclone = find_rclone()
    if rclone is None:
        return
    for latency in _LATENCIES_SECONDS:
        with running_stand_in(latency) as endpoint:
            for keys in sizes:
                rounds = 1 if quick or keys >= _LONG else _ROUNDS
                yield from _beside(rclone, endpoint, keys, rounds, round(latency * 1000))


def _beside(rclone: str, endpoint: str, keys: int, rounds: int, latency_ms: int) -> Iterator[Beside]:
    ours = [sys.executable, "-m", "benchmarks.beside_rclone", str(keys)]
    check = [rclone, "check", *(f"{_REMOTE}:{made_up_store(keys, side)}" for side in _SIDES)]
    programs = {_VERIFY: ours, "rclone check": check, "rclone check --fast-list": [*check, "--fast-list"]}
    runs: dict[str, list[CommandCost]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            cost = elsewhere(command_cost, command, environment_of(endpoint))
            if name != _VERIFY and f"{keys} matching files" not in cost.said:
                raise RuntimeError(f"{name} did not compare all {keys} keys:\n{cost.said}")
            runs[name].append(cost)
    times = {name: median(cost.seconds for cost in costs) for name, costs in runs.items()}
    for name, costs in runs.items():
        peak = max(cost.peak_mib for cost in costs)
        yield Beside(name, keys, latency_ms, round(times[name] / times[_VERIFY], 3), peak)


def environment_of(endpoint: str) -> Mapping[str, str]:
    """Return an environment in which both programs know this endpoint alone, and read no configuration of a user's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "RCLONE_")) and not name.lower().endswith("_proxy")
    }
    ours = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": endpoint,
        "REGION": _REGION,
        "ACCESS_KEY_ID": _KEY,
        "SECRET_ACCESS_KEY": _KEY,
        "FORCE_PATH_STYLE": "true",
        "LIST_VERSION": "2",
    }
    named = {f"RCLONE_CONFIG_{_REMOTE.upper()}_{name}": value for name, value in remote.items()}
    return {**kept, **ours, **named, "RCLONE_CONFIG": ""}


def _verify_here(keys: int) -> None:
    """Verify as the operator's command does once it knows the route, with clients made and configured as its are."""
    no_items: Any = None
    sides = Sides(
        route=made_up_route(*(made_up_store(keys, side) for side in _SIDES)),
        source_s3=aws_client("s3", region=_REGION, config=CONFIG),
        target_s3=aws_client("s3", region=_REGION, config=CONFIG),
        source_dynamodb=no_items,
        target_dynamodb=no_items,
    )
    read_listings_fast(sides.source_s3)
    read_listings_fast(sides.target_s3)
    backlog, objects = made_up_backlog(MadeUpQueue(Network())), select(sides.route, prefix="", items=False)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        found = verify(sides, backlog, objects, report, quick=True, within=0.0, say=lambda _: None)
    if (found.objects, found.tally.counts.total()) != (keys, 0):
        raise RuntimeError(f"{found.objects} objects were compared, and {found.tally.counts} found")


if __name__ == "__main__":
    _verify_here(int(sys.argv[1]))
