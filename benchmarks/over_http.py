"""The processor's time that verifying and backfilling take per key with their clients, which are most of it.

The commands read stores that are made up by another process, over HTTP, and answer at once. So this is measured in a
minute, and remakes docs/scale.md's figures where a command has become cheaper.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks.beside_botocore import processor_seconds
from benchmarks.made_up_route import World
from benchmarks.operating import CASES
from benchmarks.own_process import elsewhere
from benchmarks.report import Report, Sheet
from benchmarks.stand_in import running_stand_in

__all__ = ["OverHttp", "measure_over_http"]


@dataclass(frozen=True)
class OverHttp:
    """What a key takes a command of the processor's time, over so many keys."""

    case: str
    keys: int
    microseconds_per_key: float


def measure_over_http(say: Callable[[str], None], *, quick: bool) -> Report:
    """Run each command that is measured with latency, too, in a process of its own."""
    measured: list[OverHttp] = []
    with running_stand_in() as endpoint:
        for name, case in CASES.items():
            if case.keys_with_latency:
                say(f"Measuring {name} over HTTP")
                keys = case.keys_with_latency * (1 if quick else 5)
                seconds = elsewhere(processor_seconds, case.run, World.behind, endpoint, keys)
                measured.append(OverHttp(name, keys, round(seconds / keys * 1e6, 2)))
    sheet = Sheet(
        "Processor's time of a command, over HTTP",
        ("run", "keys", "microseconds per key"),
        [(one.case, f"{one.keys:,}", f"{one.microseconds_per_key:,.1f}") for one in measured],
    )
    return Report("commands", {"commands": [asdict(one) for one in measured]}, [sheet])
