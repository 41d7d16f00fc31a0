"""The function that compares a sample of a target with its source, on a schedule, and publishes what has drifted."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from aws_lambda_powertools.logging import Logger

from queue_worker.messages import UnknownEventError
from replication_core.clients import connect
from replication_core.comparing.findings import SUSPECT, Finding, Verdict
from replication_core.comparing.sample import compare_sample
from replication_core.comparing.second_look import look_again
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.route_spec import RouteSpec
from replicator_lambda.archive import read_route
from replicator_lambda.metrics import emit_sample

__all__ = ["Verifier", "handle"]

_THREADS = 16
_LOOK_EVERY_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """Compares samples of one route."""

    sides: Sides
    executor: Executor
    logger: Logger
    chance: random.Random
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def build(cls, route: RouteSpec) -> Self:
        """Wire it from its route's specification."""
        return cls(
            sides=Sides.of(route, connect(route, connections=2 * _THREADS)),
            executor=ThreadPoolExecutor(_THREADS, thread_name_prefix="verify"),
            logger=Logger(service=f"verifier-{route.target}", release=route.release),
            chance=random.SystemRandom(),
        )

    def run(self) -> dict[str, int]:
        """Compare a sample, publish how many keys it had, have drifted and are unmasked, and log what has drifted.

        What differs is looked at again and again, for as long as a change may take to arrive. It waits for that while
        it runs, which it does only when something differs: a queue of its own would be more to go wrong.
        """
        compared = 0
        suspects: dict[tuple[RecordKey, bool], Finding] = {}
        route = self.sides.route
        for routed in route.routed:
            for looked in compare_sample(self.sides, routed, self.executor, route.sample_keys, self.chance):
                compared += looked.objects + looked.items
                # By key, since two walks may end in the same place.
                found = (finding for finding in looked.findings if finding.verdict in SUSPECT)
                suspects |= {(finding.key, finding.orphan): finding for finding in found}
        drifted = self._settled(list(suspects.values()))
        for finding in drifted:
            self.logger.warning("drifted", extra=_told(finding, route.target))
        unmasked = sum(finding.verdict is Verdict.UNMASKED for finding in drifted)
        emit_sample(route, compared=compared, drifted=len(drifted), unmasked=unmasked)
        return {"compared": compared, "drifted": len(drifted), "unmasked": unmasked}

    def _settled(self, suspects: Sequence[Finding]) -> Sequence[Finding]:
        """Return what still differs at the end, but for what the target has of its own."""
        end = self.clock() + self.sides.route.settle_seconds
        while suspects and self.clock() < end:
            self.pause(_LOOK_EVERY_SECONDS)
            again = look_again(self.sides, self.executor, suspects, worked_off=True)
            suspects = [finding for finding in again if finding.verdict in SUSPECT and not finding.own]
        return suspects


def _told(finding: Finding, target: str) -> dict[str, Any]:
    return {
        "target": target,
        "kind": finding.key.dataset.kind.record,
        "dataset": finding.key.dataset.name,
        "key": str(finding.key),
        "verdict": finding.verdict.value,
        "what": list(finding.what),
    }


@cache
def _verifier() -> Verifier:
    return Verifier.build(read_route())


def handle(event: object, _context: Any) -> dict[str, int]:
    """Compare a sample: the entry point of a target's scheduled Lambda function.

    By hand it is invoked with `{}`. Raises UnknownEventError for anything but that and a schedule's event.
    """
    match event:
        case {"source": "aws.events"}:
            return _verifier().run()
        case dict() if not event:
            return _verifier().run()
    raise UnknownEventError("{}, for a sample now", '{"source": "aws.events"}, as a schedule sends it')
