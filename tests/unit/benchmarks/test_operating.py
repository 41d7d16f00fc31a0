"""Verifying and backfilling, as they are measured: all keys, and no more calls than promised."""

import gc
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import beside_rclone as beside
from benchmarks.beside_batches import compare_by_batches
from benchmarks.beside_botocore import by_botocore_alone
from benchmarks.made_up import SOURCE, TARGET, MadeUpQueue
from benchmarks.made_up_route import World
from benchmarks.operating import CASES, Operated, expectations
from benchmarks.stand_in import made_up_store, running_stand_in

KEYS = 3_000


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_stand_in() as endpoint:
        yield endpoint


def run(case: str, keys: int = KEYS) -> World:
    world = World.of(keys, CASES[case].missing_every)
    CASES[case].run(world)
    return world


@pytest.mark.parametrize("case", CASES)
def test_a_run_goes_over_all_keys_and_makes_no_more_calls_than_promised(case: str) -> None:
    world = run(case)
    operated = Operated(case, KEYS, 1.0, 1.0, world.network.take().calls)
    assert operated.calls_per_thousand <= CASES[case].most_calls_per_thousand(KEYS) + 1e-9
    assert operated.calls_per_thousand > CASES[case].calls_per_thousand * 0.9


def test_a_verification_leaves_the_garbage_collector_as_it_was() -> None:
    before = gc.get_threshold()
    run("verify items")
    assert gc.get_threshold() == before


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if not case.missing_every])
def test_a_run_over_http_finds_the_same(case: str, endpoint: str) -> None:
    CASES[case].run(World.behind(endpoint, KEYS // 10))


def test_botocore_alone_finds_the_same(endpoint: str) -> None:
    CASES["verify objects"].run(by_botocore_alone(endpoint, KEYS // 30))
    compare_by_batches(by_botocore_alone(endpoint, KEYS // 10))


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_would_not_find_what_is_there_is_refused(case: str) -> None:
    world = replace(World.of(KEYS, CASES[case].missing_every), keys=KEYS + 100)
    with pytest.raises(RuntimeError, match="keys"):
        CASES[case].run(world)


@pytest.mark.parametrize(("case", "named"), [("backfill objects", "key"), ("backfill items", "id")])
def test_a_backfill_enqueues_every_key_once(case: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.of(KEYS)
    bodies: list[str] = []

    def take(*, Entries: Sequence[Mapping[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803
        bodies.extend(entry["MessageBody"] for entry in Entries)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    monkeypatch.setattr(MadeUpQueue, "send_message_batch", lambda _, **asked: take(**asked))
    CASES[case].run(world)
    sent = [key[named] for body in bodies for key in json.loads(body)["keys"]]
    assert len(sent) == len(set(sent)) == KEYS


CASE = "verify objects --quick"
GOOD = [
    Operated(CASE, 1_000, 20.0, 60, {"ListObjectsV2": 35}),
    Operated(CASE, 100_000, 25.0, 61, {"ListObjectsV2": 234}),
]


def test_good_figures_meet_every_expectation() -> None:
    assert [one.met for one in expectations(GOOD)] == [True, True, True]


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"calls": {"ListObjectsV2": 236}}, "calls per thousand"),
        ({"microseconds_per_key": 31.0}, "time per key"),
        ({"peak_mib": 90}, "peak memory"),
    ],
)
def test_each_expectation_can_be_missed(bad: Mapping[str, Any], name: str) -> None:
    judged = expectations([GOOD[0], replace(GOOD[1], **bad)])
    [missed] = [one for one in judged if not one.met]
    assert name in missed.name


def test_without_rclone_there_is_nothing_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "find_rclone", lambda: None)
    assert list(beside.beside_rclone([1_000])) == []


@pytest.mark.parametrize(("processor", "met"), [(0.314, True), (0.36, False)])
def test_verify_beside_rclone_ends_with_its_shares_at_the_most_keys(
    monkeypatch: pytest.MonkeyPatch, processor: float, met: bool
) -> None:
    found = [beside.Beside("verify --quick", keys, 30, processor, 0.4, 80.0) for keys in (1_000, 100_000)]
    monkeypatch.setattr(beside, "beside_rclone", lambda _sizes, quick: iter(found))
    report = beside.measure_beside_rclone(lambda _: None, quick=False)
    assert report.last_line == f"verify --quick: {processor:.2f} of rclone's CPU, 0.40 of its time, at 100,000 keys"
    assert report.met is met


def test_rclone_compares_what_is_made_up_and_tells_what_differs(endpoint: str) -> None:
    rclone = beside.find_rclone()
    if rclone is None:
        pytest.skip("there is no rclone for this platform")

    def check(one: int, other: int) -> str:
        buckets = (f"aws:{made_up_store(one, SOURCE)}", f"aws:{made_up_store(other, TARGET)}")
        environment = dict(beside.environment_of(endpoint))
        return subprocess.run(
            [rclone, "check", *buckets], env=environment, capture_output=True, text=True, check=False
        ).stderr

    same, different = check(64, 64), check(64, 65)
    assert "64 matching files" in same
    assert "0 differences found" in same
    assert "64 matching files" not in different


def test_the_environment_of_both_programs_knows_the_endpoint_and_nothing_of_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_PROFILE", "RCLONE_CONFIG_MINE_TYPE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "theirs")
    environment = beside.environment_of("http://127.0.0.1:1")
    assert "theirs" not in environment.values()
    assert environment["RCLONE_CONFIG"] == ""
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
