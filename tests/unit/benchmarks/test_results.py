"""What was measured is judged, written down and drawn."""

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.network import Traffic
from benchmarks.own_cost import ColdImport, Growth
from benchmarks.replicating import Cost, Peak, Rate, share
from benchmarks.results import EMULATOR, STAND_IN, Results


def cost(kind: str, calls: float, *, design: str = "replicator", object_bytes: float = 0.0) -> Cost:
    return Cost(STAND_IN, kind, design, calls + 0.01, {"CopyObject": calls, "PublishBatch": 0.01}, 300.0, object_bytes)


HANDLER = ColdImport("replicator_lambda.handler", 0.18, 0.45, 0.15)
GOOD = Results(
    costs=[
        cost("object", 3.0),
        cost("object with tags", 4.0),
        cost("item", 0.06),
        cost("object", 2.0, design="sequential", object_bytes=32_768),
    ],
    rates=[
        Rate(STAND_IN, "objects", 0, 100.0, 50.0),
        Rate(STAND_IN, "objects", 30, 10.0, 80.0),
        Rate(STAND_IN, "items", 30, 10.0, 300.0),
        Rate(EMULATOR, "objects", 30, 10.0, 40.0),
    ],
    peaks=[
        Peak("sequential", 1, 60),
        Peak("sequential", 64, 200),
        Peak("replicator", 1, 60),
        Peak("replicator", 64, 61),
    ],
    imports=[HANDLER, ColdImport("replicator_lambda.notifier", 0.3, 0.3, 0.15)],
    growth=[Growth(1_000, 2.0, 40), Growth(1_000_000, 2.1, 41)],
)


def missed(results: Results) -> list[str]:
    return [one.name for one in results.expectations() if not one.met]


def test_good_results_meet_every_expectation() -> None:
    assert missed(GOOD) == []
    assert len(list(GOOD.expectations())) == 11


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (replace(GOOD, costs=[cost("object", 3.01)]), "calls per object and target"),
        (replace(GOOD, costs=[cost("object with tags", 5.0)]), "calls per object with tags and target"),
        (replace(GOOD, imports=[replace(HANDLER, boto3_seconds=0.14)]), "import, times boto3's"),
        (replace(GOOD, imports=[replace(HANDLER, seconds_without=0.3)]), "import, times what it takes without byte"),
        (replace(GOOD, costs=[cost("item", 0.11)]), "calls per item and target"),
        (replace(GOOD, costs=[cost("object", 3.0, object_bytes=1.0)]), "bytes of objects through the function"),
        (replace(GOOD, rates=[Rate(STAND_IN, "objects", 30, 10, 69)]), "objects per second at 30 ms"),
        (replace(GOOD, rates=[Rate(STAND_IN, "items", 30, 10, 249)]), "items per second at 30 ms"),
        (replace(GOOD, peaks=[Peak("replicator", 1, 60), Peak("replicator", 64, 124)]), "peak memory, objects"),
        (replace(GOOD, growth=[Growth(1_000, 2, 40), Growth(1_000_000, 2, 90)]), "peak memory, 1,000"),
        (replace(GOOD, growth=[Growth(1_000, 2, 40), Growth(1_000_000, 4, 40)]), "time per key"),
    ],
)
def test_each_expectation_can_be_missed(bad: Results, name: str) -> None:
    [only] = missed(bad)
    assert only.startswith(name)


def test_a_batchs_notification_is_listed_and_is_no_call_of_replicating() -> None:
    assert cost("object", 3.0).replicating_calls == 3.0


def test_a_cost_is_the_share_of_one_change_and_one_target() -> None:
    traffic = Traffic(Counter(HeadObject=200, CopyObject=200), sent=1_000, received=3_000, object_bytes=400)
    found = share("emulator", "object", "replicator", traffic, shares=200)
    assert (found.calls, found.bytes, found.object_bytes) == (2.0, 20.0, 2.0)
    assert found.by_operation == {"CopyObject": 1.0, "HeadObject": 1.0}


def test_the_document_holds_every_measurement_and_verdict() -> None:
    document = json.loads(GOOD.report().to_json(quick=False))
    assert document["schema"] == "pipeline.bench/1"
    assert [len(document[name]) for name in ("costs", "rates", "peaks", "imports", "growth")] == [4, 4, 4, 2, 2]
    assert document["rates"][1]["ratio"] == 8.0
    assert {one["met"] for one in document["expectations"]} == {True}


def test_the_tables_show_a_missed_expectation() -> None:
    out = io.StringIO()
    replace(GOOD, costs=[cost("item", 0.5)]).report().show(Console(file=out, width=160))
    line = next(line for line in out.getvalue().splitlines() if "calls per item and target" in line)
    assert "missed" in line
    assert "0.5" in line


def test_the_markdown_tells_ratios_and_no_absolute_times() -> None:
    text = GOOD.report().to_markdown()
    assert "| stand-in | objects | 30 ms | 8.0 |" in text
    assert "| replicator | 60 | 61 |" in text
    assert "| calls per item and target | at most 0.1 | 0.06 | met |" in text


def test_the_plot_is_the_same_for_the_same_results(tmp_path: Path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    GOOD.plot(first)
    GOOD.plot(second)
    assert first.read_bytes() == second.read_bytes()
    assert b"<svg" in first.read_bytes()
