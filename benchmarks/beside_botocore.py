"""`verify` beside designs whose answers botocore alone reads, over HTTP: what the processor does of each."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median

from benchmarks.made_up_route import World
from benchmarks.own_process import elsewhere, timed
from benchmarks.report import Expectation
from benchmarks.stand_in import running_stand_in
from local_cloud import ANYBODY
from local_cloud.clients import ClientFactory
from pipeline_ops.routes.route import CONFIG
from replication_core.objects.listing_answers import read_listings_fast

__all__ = ["by_botocore_alone", "judge_beside_botocore", "processor_seconds"]

_WARM_UP_KEYS = 500
_ROUNDS = 3


def judge_beside_botocore(
    what: str, verify: Callable[[World], None], former: Callable[[World], None], *, keys: int, most: float
) -> Expectation:
    """Judge what verifying so many keys takes, beside the `former` design, which is given clients of botocore alone.

    They run by turns, and each time in a process of its own.
    """
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with running_stand_in() as endpoint:
        for _ in range(_ROUNDS):
            for alone, taken in seconds.items():
                design, reached = (former, by_botocore_alone) if alone else (verify, World.behind)
                taken.append(elsewhere(processor_seconds, design, reached, endpoint, keys))
    ratio = median(seconds[False]) / median(seconds[True])
    name = f"{what} over HTTP: processor time, times that of botocore alone, of {keys:,}"
    return Expectation(name, f"at most {most}", f"{ratio:.2f}", ratio <= most)


def processor_seconds(
    design: Callable[[World], None], reached: Callable[[str, int], World], endpoint: str, keys: int
) -> float:
    """Return what a design takes of the processor's time over so many keys; what it does once is done before."""
    design(reached(endpoint, _WARM_UP_KEYS))
    return timed(partial(design, reached(endpoint, keys)))[1]


def by_botocore_alone(endpoint: str, keys: int) -> World:
    """Reach what a stand-in makes up by clients whose heads, tags and items botocore alone reads."""
    world = World.behind(endpoint, keys)
    factory, region = ClientFactory(endpoint, ANYBODY), world.sides.route.source_region
    s3, dynamodb = (factory.client(service, region, CONFIG) for service in ("s3", "dynamodb"))
    read_listings_fast(s3)
    clients = {"source_s3": s3, "target_s3": s3, "source_dynamodb": dynamodb, "target_dynamodb": dynamodb}
    return replace(world, sides=replace(world.sides, **clients))
