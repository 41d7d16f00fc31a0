"""What both designs do and cost, against the stand-in: the guard against a change that makes the replicator dear."""

import contextlib
from collections.abc import Iterator, Mapping

import pytest

from benchmarks.designs import BATCH, DESIGNS, RouteProcesses, RoutesDesign
from benchmarks.network import Network
from benchmarks.own_cost import measure_growth
from benchmarks.policy import made_up_item, made_up_mask
from benchmarks.replicating import Cost, measure_calls, measure_memory
from benchmarks.results import STAND_IN
from benchmarks.site import TARGETS, Site
from benchmarks.stand_in import running_stand_in
from benchmarks.sustaining import ITEMS, KINDS, sustain


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_stand_in() as endpoint:
        yield Site.make(endpoint)


@pytest.fixture(scope="module")
def costs(site: Site) -> Mapping[tuple[str, str], Cost]:
    return {(cost.kind, cost.design): cost for cost in measure_calls(site, STAND_IN)}


@pytest.mark.parametrize(
    ("kind", "most"), [("object", 3.0), ("object with tags", 4.0), ("object deleted", 3.0), ("item", 0.1)]
)
def test_a_change_costs_the_replicator_no_more_calls_than_promised(
    costs: Mapping[tuple[str, str], Cost], kind: str, most: float
) -> None:
    assert costs[kind, "replicator"].replicating_calls <= most + 1e-9


def test_no_objects_body_passes_through_the_replicator(costs: Mapping[tuple[str, str], Cost]) -> None:
    ours = [cost for (_, design), cost in costs.items() if design == "replicator"]
    assert len(ours) == 4
    assert all(cost.object_bytes == 0 for cost in ours)


def test_the_sequential_design_costs_a_read_and_a_write_with_the_body(
    costs: Mapping[tuple[str, str], Cost],
) -> None:
    cost = costs["object", "sequential"]
    assert cost.by_operation == {"GetObject": 1.0, "PutObject": 1.0}
    assert cost.object_bytes == 2 * 16 * 1024


@pytest.mark.parametrize("design", sorted(DESIGNS))
def test_both_designs_bring_objects_and_items_into_every_target(site: Site, design: str) -> None:
    objects, items = site.put_objects(3, start=500), site.put_items(3)
    with pytest.raises((RuntimeError, KeyError, site.client("s3").exceptions.NoSuchKey)):
        site.check_level(objects[-1])
    DESIGNS[design](site, Network()).apply([*objects, *items])
    for key in (*objects, *items):
        site.check_level(key)


def test_the_routes_in_processes_of_their_own_do_the_same(site: Site) -> None:
    keys = [*site.put_objects(2, start=700), *site.put_items(2)]
    with contextlib.closing(RouteProcesses(site)) as routes:
        routes.apply(keys)
    for key in keys:
        site.check_level(key)


def test_a_function_sustains_no_more_than_its_calls_one_after_another_let_it(site: Site) -> None:
    one = sustain(site, ITEMS, KINDS[ITEMS](site, 10), batch=10, threads=4, times=1)
    assert one.calls == {"BatchGetItem": 0.2, "BatchWriteItem": 0.1, "PublishBatch": 0.1}
    assert one.seconds >= 4 * 0.03
    assert one.per_second() <= 10 / (4 * 0.03)
    assert one.log_bytes > 100


def test_memory_grows_with_the_object_in_the_sequential_design_only(site: Site) -> None:
    peaks = {(peak.design, peak.object_mib): peak.peak_mib for peak in measure_memory(site, (1, 48))}
    assert peaks["sequential", 48] - peaks["sequential", 1] > 40
    assert peaks["replicator", 48] - peaks["replicator", 1] < 16


def test_reconciles_memory_does_not_grow_with_the_keys() -> None:
    few, many = measure_growth((1_000, 50_000))
    assert (few.keys, many.keys) == (1_000, 50_000)
    assert many.peak_mib - few.peak_mib < 8


def test_a_route_that_masks_brings_masked_items_into_every_target_and_calls_kms_once(site: Site) -> None:
    keys, network, mask = site.put_items(BATCH, made_up_item), Network(), made_up_mask()
    with pytest.raises(KeyError):
        site.check_level(keys[-1], mask)
    RoutesDesign(site, network, masks=True).apply(keys)
    for key in keys:
        site.check_level(key, mask)
    calls = network.take().calls
    assert calls["GenerateMac"] == len(TARGETS)
    assert calls["BatchGetItem"] + calls["BatchWriteItem"] <= 0.1 * BATCH * len(TARGETS)
