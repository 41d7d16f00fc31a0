"""How long a cold start spends on imports, beside boto3 alone, which every design needs."""

import statistics
import subprocess
import sys
from dataclasses import dataclass

__all__ = ["ColdImport", "measure_imports"]

_PROGRAM = "import time; begin = time.perf_counter(); import {module}; print(time.perf_counter() - begin)"
_HANDLER = "replicator_lambda.handler"
_NOTIFIER = "replicator_lambda.notifier"
_BASELINE = "boto3"


@dataclass(frozen=True)
class ColdImport:
    """The median import time of a module in fresh processes, relative to boto3's."""

    module: str
    seconds: float
    times_boto3: float


def measure_imports(runs: int) -> list[ColdImport]:
    """Import each module in so many processes, the modules taking turns; byte code is compiled beforehand."""
    modules = (_BASELINE, _HANDLER, _NOTIFIER)
    seconds: dict[str, list[float]] = {module: [] for module in modules}
    for turn in range(runs + 1):
        for module in modules:
            took = _import_once(module)
            if turn:  # the first one may have compiled
                seconds[module].append(took)
    medians = {module: statistics.median(values) for module, values in seconds.items()}
    return [ColdImport(module, median, median / medians[_BASELINE]) for module, median in medians.items()]


def _import_once(module: str) -> float:
    program = _PROGRAM.format(module=module)
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
