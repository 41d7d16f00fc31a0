"""`verify --quick` beside `rclone check`, over HTTP: both compare sizes and MD5 digests by listing the two sides.

Neither looks at headers, metadata and tags, which the whole `verify` does, and rclone knows no items. Both are run as
programs, from their start to their end, against a server that makes the listings up as they are asked for. They take
turns, and of several runs the one that took least counts, since whatever else a machine does only adds to a run.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.made_up import SOURCE, TARGET
from benchmarks.made_up_route import made_up_route
from benchmarks.own_process import CommandCost, command_cost, elsewhere
from benchmarks.report import Expectation, Report, Sheet
from benchmarks.stand_in import made_up_store, running_stand_in

__all__ = ["Beside", "beside_rclone", "environment_of", "find_rclone", "measure_beside_rclone"]

_VERIFY = "verify --quick"
_RCLONE = "rclone check"
_REGION = "us-east-1"
_KEY = "test"
_LATENCIES_SECONDS = (0.0, 0.03)
_ROUNDS = 3
_MOST_PROCESSOR, _MOST_TIME = 0.35, 0.9
"""Of rclone's, with latency, at the most keys."""

_REMOTE = "aws"
_SIDES = (SOURCE, TARGET)


@dataclass(frozen=True)
class Beside:
    """What comparing so many keys took a program, in multiples of rclone's, and its peak memory."""

    program: str
    keys: int
    latency_ms: int
    processor: float
    time: float
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
                yield from _beside(rclone, endpoint, keys, 1 if quick else _ROUNDS, round(latency * 1000))


def _beside(rclone: str, endpoint: str, keys: int, rounds: int, latency_ms: int) -> Iterator[Beside]:
    source, target = (made_up_store(keys, side) for side in _SIDES)
    route = replace(made_up_route(source, target), source_region=_REGION, target_region=_REGION)
    check = [rclone, "check", f"{_REMOTE}:{source}", f"{_REMOTE}:{target}"]
    programs = {
        _VERIFY: [sys.executable, "-m", "benchmarks.quick_verification", json.dumps(route.document()), str(keys)],
        _RCLONE: check,
        f"{_RCLONE} --fast-list": [*check, "--fast-list"],
    }
    runs: dict[str, list[CommandCost]] = {name: [] for name in programs}
    for _ in range(1 + rounds):
        for name, command in programs.items():
            cost = elsewhere(command_cost, command, environment_of(endpoint))
            if name != _VERIFY and f"{keys} matching files" not in cost.said:
                raise RuntimeError(f"{name} did not compare all {keys} keys:\n{cost.said}")
            runs[name].append(cost)
    # The first time, files are read from the disk, and byte code is written.
    least = {
        name: (min(one.processor_seconds for one in costs[1:]), min(one.seconds for one in costs[1:]))
        for name, costs in runs.items()
    }
    for name, costs in runs.items():
        processor, time = (mine / its for mine, its in zip(least[name], least[_RCLONE], strict=True))
        yield Beside(name, keys, latency_ms, processor, time, max(cost.peak_mib for cost in costs))


def measure_beside_rclone(say: Callable[[str], None], *, quick: bool) -> Report:
    """Measure it at several sizes, without latency and with it; nothing is expected where there is no rclone."""
    say("Measuring verify beside rclone check")
    beside = list(beside_rclone((1_000, 100_000) if quick else (1_000, 10_000, 100_000), quick=quick))
    rows = [
        (one.program, f"{one.keys:,}", f"{one.latency_ms} ms", *_ratios(one), f"{one.peak_mib:.0f}") for one in beside
    ]
    sheet = Sheet(
        "verify --quick beside rclone check, over HTTP: neither looks at headers, metadata and tags",
        ("program", "keys", "latency", "processor, times rclone check's", "time, times its", "peak memory in MiB"),
        rows or [("No rclone to compare with: it is not there for this platform.", "", "", "", "", "")],
    )
    document = {"beside_rclone": [asdict(one) for one in beside]}
    if not beside:
        return Report("beside-rclone", document, [sheet], last_line="There is no rclone to compare with.")
    most = [one for one in beside if one.program == _VERIFY][-1]
    processor, time = _ratios(most)
    return Report(
        "beside-rclone",
        document,
        [sheet],
        [] if quick else list(_expectations(most)),
        last_line=f"{_VERIFY}: {processor} of rclone's CPU, {time} of its time, at {most.keys:,} keys",
    )


def _expectations(most: Beside) -> Iterator[Expectation]:
    where = f"of {_RCLONE}'s at {most.keys:,} keys and {most.latency_ms} ms"
    processor, time = _ratios(most)
    yield Expectation(f"processor {where}", f"at most {_MOST_PROCESSOR}", processor, most.processor <= _MOST_PROCESSOR)
    yield Expectation(f"time {where}", f"at most {_MOST_TIME}", time, most.time <= _MOST_TIME)


def _ratios(one: Beside) -> tuple[str, str]:
    return f"{one.processor:.2f}", f"{one.time:.2f}"


def environment_of(endpoint: str) -> Mapping[str, str]:
    """Return an environment in which both programs know this endpoint alone, and read no configuration of a user's.

    Nor is Python told to write no byte code: a user's is there after the first run.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "RCLONE_", "PYTHON")) and not name.lower().endswith("_proxy")
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
