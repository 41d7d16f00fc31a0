"""The demo from its changes to its exit code, in moto, with a mirror in the replicator's place."""

import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from pipeline_ops.demo.arrivals import RefusalLetters, apply_and_watch
from pipeline_ops.demo.changes import DemoChange, scenario
from pipeline_ops.demo.comparison import compare
from pipeline_ops.demo.people import CUSTOMERS
from pipeline_ops.demo.run import run_demo
from pipeline_ops.demo.stores import DemoStore, UnreadableObjectError
from pipeline_ops.errors import OperatorError
from replication_core.datasets import OBJECTS, RecordKey
from tests.unit.pipeline_ops.demo.conftest import moto_client

NO_LETTERS = RefusalLetters(None, "unused")
Mirroring = Callable[..., AbstractContextManager[Callable[[], None]]]


def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_faithful_replication_gives_exit_code_0_and_every_changes_seconds(system: Any, mirroring: Mirroring) -> None:
    out = console()
    with mirroring("dev", "staging"):
        code = run_demo(moto_client, system, out, as_json=False, deadline_seconds=60)
    text = printed(out)
    assert code == 0, text
    assert "Different from what the policy makes of prod, in dev, staging: nothing." in text
    assert re.search(r"Of \d+ planted values, in \d+ places where none may be, found: none\.", text)
    assert "never" not in text
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    seconds = [cell.strip() for row in rows if row[1].strip().isdigit() for cell in row[5:7]]
    assert len(seconds) == 2 * sum(len(wave.changes) for wave in scenario("c0ffee00"))
    assert all(re.fullmatch(r"\d+\.\d", cell) for cell in seconds)
    became = Counter(row[4].strip() for row in rows if row[1].strip().isdigit())
    assert became["refused"] == 4
    assert became.keys() == {"copied", "masked", "refused", "removed"}
    for wave in scenario("c0ffee00"):
        for change in wave.changes:
            assert change.title in text


def test_a_target_that_gets_nothing_gives_exit_code_1_and_is_named(system: Any, mirroring: Mirroring) -> None:
    out = console()
    with mirroring("dev"):
        code = run_demo(moto_client, system, out, as_json=True, deadline_seconds=1)
    answer = json.loads(printed(out))
    assert code == 1
    assert answer["ok"] is False
    by_target = {one["environment"]: one for one in answer["comparison"]}
    staging = by_target["staging"]
    assert {one["kind"] for one in staging["differences"]} == {"missing"}
    assert len(staging["differences"]) == staging["objects"] + staging["items"] - staging["refused"] > 10
    created = [change for change in answer["changes"] if change["wave"] == "created"]
    assert all(change["seconds"]["staging"] is None for change in created)


def test_a_difference_left_after_all_changes_were_seen_gives_exit_code_1(
    system: Any, dev: DemoStore, mirroring: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_ops.demo.run.scenario", lambda run: scenario(run)[:1])
    out = console()
    with mirroring("dev", "staging") as halt:
        monkeypatch.setattr("pipeline_ops.demo.run.compare", _spoiled(dev, halt))
        code = run_demo(moto_client, system, out, as_json=False, deadline_seconds=60)
    assert code == 1
    assert "left over: is in dev and not in prod" in printed(out)


def _spoiled(dev: DemoStore, halt: Callable[[], None]) -> Callable[[DemoStore, Sequence[DemoStore]], Any]:
    def spoil(source: DemoStore, targets: Sequence[DemoStore]) -> Any:
        halt()  # or it would be removed again
        dev.s3.put_object(Bucket=dev.bucket, Key="left over", Body=b"")
        return compare(source, targets)

    return spoil


def test_something_of_a_customer_left_in_a_target_gives_exit_code_1_and_is_told_by_its_name(
    system: Any, dev: DemoStore, mirroring: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_ops.demo.run.scenario", lambda run: scenario(run)[:1])
    _put(dev, "assets/backup", gzip.compress(CUSTOMERS[0].email.encode()))
    dev.s3.delete_object(Bucket=dev.bucket, Key="assets/backup")  # the version is there still
    out = console()
    with mirroring("dev", "staging"):
        code = run_demo(moto_client, system, out, as_json=False, deadline_seconds=60)
    assert code == 1
    assert "the email of customer 1, as it is, gzipped" in " ".join(printed(out).split())
    assert CUSTOMERS[0].email not in printed(out)


def test_no_wave_changes_one_object_or_item_twice() -> None:
    for wave in scenario("c0ffee00"):
        subjects = [change.subject for change in wave.changes]
        assert len(subjects) == len(set(subjects)), wave.title


def test_the_scenario_has_the_kinds_that_the_demo_promises() -> None:
    changes = [change for wave in scenario("c0ffee00") for change in wave.changes]
    keys = [change.subject.object_key for change in changes if change.subject.dataset.is_bucket]
    items = [change.subject.values for change in changes if not change.subject.dataset.is_bucket]
    assert any(len(key.encode()) == 1024 for key in keys)
    assert any(set("+%&") <= set(key) for key in keys)
    assert any(not key.isascii() for key in keys)
    assert any(key.endswith("/") for key in keys)
    assert any(len(timestamp) == 38 for _, timestamp in items)
    assert all("c0ffee00" in key for key in [*keys, *(name for name, _ in items)])


def test_what_a_change_raises_ends_the_watch_at_once(source: DemoStore, dev: DemoStore) -> None:
    def fail(_store: DemoStore) -> None:
        raise RuntimeError("refused")

    changes = [
        DemoChange("put", OBJECTS.record("never seen"), lambda s: _put(s, "never seen")),
        DemoChange("fail", OBJECTS.record("b"), fail),
    ]
    with pytest.raises(RuntimeError, match="refused"):
        apply_and_watch(source, [dev], changes, NO_LETTERS, deadline_seconds=600)


def test_an_overwrite_of_the_same_size_is_not_seen_before_it_is_there(source: DemoStore, dev: DemoStore) -> None:
    _put(source, "assets/key", b"old")
    _put(dev, "assets/key", b"old")
    change = DemoChange("overwrite", OBJECTS.record("assets/key"), lambda store: _put(store, "assets/key", b"new"))
    [outcome] = apply_and_watch(source, [dev], [change], NO_LETTERS, deadline_seconds=0.3, poll_seconds=0.05)
    assert outcome.seconds == {"dev": None}


def _put(store: DemoStore, key: str, body: bytes = b"x") -> None:
    store.s3.put_object(Bucket=store.bucket, Key=key, Body=body)


def test_a_watch_costs_a_listing_per_poll_and_no_reads_of_what_is_not_new(source: DemoStore, dev: DemoStore) -> None:
    calls: Counter[str] = Counter()
    dev.s3.meta.events.register(
        "before-call", lambda model, **_: calls.update([model.name] if model.name != "ListObjectsV2" else ["list"])
    )
    _put(dev, "assets/key-0", b"old")
    calls.clear()
    changes = [
        DemoChange("put", OBJECTS.record(f"assets/key-{n}"), partial(_put, key=f"assets/key-{n}", body=b"new"))
        for n in range(10)
    ]
    outcomes = apply_and_watch(source, [dev], changes, NO_LETTERS, deadline_seconds=0.5, poll_seconds=0.05)
    assert [outcome.seconds for outcome in outcomes] == [{"dev": None}] * 10
    assert calls["list"] >= 3
    assert calls["GetObject"] <= 2


def test_what_the_system_refuses_is_a_sentence(system: Any, source: DemoStore) -> None:
    source.s3.delete_bucket(Bucket=source.bucket)
    with pytest.raises(OperatorError, match=r"^The demo can't go on: .*NoSuchBucket"):
        run_demo(moto_client, system, console(), as_json=False, deadline_seconds=1)


def test_a_replica_whose_read_is_cut_off_is_seen_at_a_later_look(
    source: DemoStore, dev: DemoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DemoStore.object
    failed: list[RecordKey] = []

    def once_unreadable(store: DemoStore, key: RecordKey) -> Any:
        if store.environment == "dev" and not failed:
            failed.append(key)
            raise UnreadableObjectError("dev", key, EOFError("cut off"))
        return read(store, key)

    monkeypatch.setattr(DemoStore, "object", once_unreadable)
    monkeypatch.setattr("pipeline_ops.demo.arrivals.differences", lambda *_, **__: [])
    _put(dev, "assets/key")
    change = DemoChange("put", OBJECTS.record("assets/key"), lambda store: _put(store, "assets/key"))
    [outcome] = apply_and_watch(source, [dev], [change], NO_LETTERS, deadline_seconds=30, poll_seconds=0.01)
    assert failed
    assert outcome.seconds["dev"] is not None
