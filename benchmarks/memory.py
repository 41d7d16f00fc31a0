"""Peak memory of each design by the object's size, each measurement in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.counting import CallCounter
from benchmarks.designs import DESIGNS
from benchmarks.peak_memory import peak_bytes
from benchmarks.site import Site
from benchmarks.workload import put_objects
from replication_core.datasets import OBJECTS

__all__ = ["MEBIBYTE", "Peak", "measure_memory"]

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Peak:
    """The peak of resident memory of a process that brought one object of this size into one target."""

    design: str
    object_mib: int
    peak_mib: float


def measure_memory(site: Site, sizes_mib: Sequence[int]) -> list[Peak]:
    """Let each design replicate one object of each size, which the source is given first."""
    peaks = []
    for number, size in enumerate(sizes_mib):
        [key] = put_objects(site, 1, size=size * MEBIBYTE, start=1_000_000 + number)
        for design in DESIGNS:
            asked = json.dumps({"site": site.as_json(), "design": design, "key": str(key)})
            answer = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory"], input=asked, capture_output=True, text=True, check=True
            )
            peaks.append(Peak(design, size, round(int(answer.stdout) / MEBIBYTE, 1)))
    return peaks


def _measure_here() -> None:
    asked = json.loads(sys.stdin.read())
    design = DESIGNS[asked["design"]](Site.from_json(asked["site"]), CallCounter(), 0.0, ("dev",))
    design.apply([OBJECTS.record(asked["key"])])
    print(peak_bytes())


if __name__ == "__main__":
    _measure_here()
