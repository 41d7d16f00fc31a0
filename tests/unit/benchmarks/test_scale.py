"""What docs/scale.md tells is computed from what was measured, by formulas that hold."""

import math
from dataclasses import replace

import pytest

from benchmarks.__main__ import RESULTS
from benchmarks.draining import Backlog, Route
from benchmarks.scale import BATCH, FUNCTIONS, MEMORY_MB, PAGE, Command, Measured, computed
from benchmarks.sustaining import ITEMS, OBJECTS, Sustained
from pipeline_ops.routes.estimate import Counted
from replication_project.config import ReplicationConfig, TargetConfig

HOUR = Backlog(arriving=100, outage_seconds=3600)
ROUTE = Route(functions=5, batch=100, batch_seconds=2.0)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return Measured.read(RESULTS)


def test_the_page_tells_what_is_computed(measured: Measured) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == computed(page, measured), "python3 -m nox -s bench -- --only scale"


def test_a_mark_that_no_table_has_is_refused(measured: Measured) -> None:
    with pytest.raises(KeyError):
        computed("<!-- computed: nothing -->\n<!-- end -->", measured)


def test_the_settings_that_the_page_begins_with_are_those_of_a_route_without_any() -> None:
    route, target = ReplicationConfig.model_fields, TargetConfig.model_fields
    assert route["memory_mb"].default == MEMORY_MB
    assert route["batch_size"].default == BATCH
    assert target["max_concurrency"].default == FUNCTIONS


@pytest.mark.parametrize(
    "route",
    [
        ROUTE,
        replace(ROUTE, functions=50),
        replace(ROUTE, batch=1000, batch_seconds=15.0),
        replace(ROUTE, batch=10, batch_seconds=0.3),
    ],
)
def test_a_queue_is_drained_as_the_formula_says(route: Route) -> None:
    by_formula = HOUR.drained_after(route)
    assert by_formula == pytest.approx(360_000 / (route.per_second - 100))
    # Functions beyond five are begun in the first seconds, and the last batches end at different times.
    assert HOUR.simulate(route, most_seconds=86_400) == pytest.approx(by_formula, rel=0.03, abs=10)


def test_a_route_that_makes_no_more_than_arrives_never_drains_its_queue() -> None:
    narrow = replace(ROUTE, functions=2)
    assert math.isinf(HOUR.drained_after(narrow))
    assert math.isinf(HOUR.simulate(narrow, most_seconds=20_000))


def test_less_of_a_core_lengthens_what_the_processor_does_and_more_of_it_shortens_nothing() -> None:
    one = Sustained(OBJECTS, 100, 32, seconds=0.5, processor_seconds=0.3, calls={}, log_bytes=0)
    assert one.batch_seconds(0.5) == pytest.approx(0.8)
    assert one.batch_seconds(4.0) == one.batch_seconds() == 0.5


def test_a_command_takes_its_processors_time_or_its_calls_whichever_is_longer() -> None:
    command = Command(processor_seconds=0.001, calls={"HeadObject": 2.0}, under_way=10)
    assert command.seconds == pytest.approx(2 * 0.03 / 10)
    assert replace(command, processor_seconds=0.1).seconds == 0.1
    assert command.dollars(1_000_000) == pytest.approx(0.8)


def test_a_backfills_estimate_reckons_with_what_was_measured(measured: Measured) -> None:
    """Within a half: a machine's core is not Lambda's, and what a change costs is mostly its calls."""
    for kind, there in ((OBJECTS, Counted(objects=1000)), (ITEMS, Counted(items=1000, item_bytes=1024 * 1000))):
        route, requests = measured.route(kind, 1, batch=1000), there.requests(other_region=False)
        assert requests["Lambda GB-seconds"] == pytest.approx(route.batch_seconds * MEMORY_MB / 1024, rel=0.5)
        assert requests["GB of logs"] == pytest.approx(measured.function(kind, 1000).log_bytes / 1e6, rel=0.5)
