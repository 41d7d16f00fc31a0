"""A backfill: every key once, no faster than it may, and from where it was when something ended it."""

import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes import backfill, enqueuer
from pipeline_ops.routes.backfill import Backfill
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.enqueuer import Enqueuer, Load, failed_keys
from pipeline_ops.routes.estimate import Counted, count, dollars
from pipeline_ops.routes.route import open_sides
from pipeline_ops.routes.selection import Selection, select
from queue_worker.dead_letters import DeadLetters, Letter
from replication_core.aws.errors import StoreError
from replication_core.changes import Change, message
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.objects import listings
from replication_core.objects.heads import read_head
from replication_core.objects.states import Head
from tests.unit.pipeline_ops.routes.conftest import World


@dataclass
class Time:
    now: float = 0.0
    paused: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def sides(world: World) -> Sides:
    return open_sides(world.replication, world.replication.route("dev"))


@pytest.fixture
def everything(sides: Sides) -> Selection:
    return select(sides.route, prefix=None, items=False)


def backlog_of(world: World) -> Backlog:
    return Backlog(replication=world.replication, route=world.replication.route("dev"), quiet_seconds=0)


def enqueuer_of(world: World, reason: str = "backfill test", *, rate: float = 1e6) -> Enqueuer:
    return Enqueuer(backlog=backlog_of(world), reason=reason, rate=rate)


def populate(world: World) -> set[RecordKey]:
    objects = [f"{folder}/{number:02}" for folder in "ab" for number in range(25)] + ["loose"]
    for key in objects:
        world.put(key)
    for number in range(30):
        world.put_item(f"item-{number}", "1700000000.5")
    return {*map(OBJECTS.record, objects), *(ITEMS.record(f"item-{number}", "1700000000.5") for number in range(30))}


def test_both_sides_are_read_also_where_an_expires_header_is_empty(world: World, sides: Sides) -> None:
    world.put("a")
    events = sides.source_s3.meta.events
    empty = "before-parse.s3.HeadObject"
    events.register_first(empty, lambda response_dict, **_: response_dict["headers"].update(Expires=""), "empty")
    try:
        head = read_head(sides.source_s3, world.settings.source_bucket, "a")
    finally:
        events.unregister(empty, unique_id="empty")
    assert isinstance(head, Head)
    assert dict(head.headers)["ExpiresString"] == ""


def test_every_key_is_enqueued_once_without_a_time_of_change(
    world: World, sides: Sides, everything: Selection, tmp_path: Path
) -> None:
    keys = populate(world)
    work = Backfill.open(sides, everything, None, tmp_path)
    counts = list(work.enqueue(enqueuer_of(world, work.reason)))
    assert counts[-1] == len(keys)
    notices = world.notices()
    assert Counter(notice.key for notice in notices) == Counter(keys)
    assert {(notice.reason, notice.changed_at) for notice in notices} == {(work.reason, None)}
    assert world.notices("staging") == []
    work.forget()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("prefix", "items", "since", "count"),
    [
        ("b/", False, None, 25),
        (None, True, None, 30),
        ("", False, datetime.now(UTC) + timedelta(hours=1), 0),
        ("", True, datetime(2023, 11, 1, tzinfo=UTC), 81),
        (None, True, datetime(2023, 12, 1, tzinfo=UTC), 0),
    ],
)
def test_what_is_chosen_is_enqueued(
    world: World, sides: Sides, tmp_path: Path, prefix: str | None, since: datetime | None, count: int, *, items: bool
) -> None:
    populate(world)
    work = Backfill.open(sides, select(sides.route, prefix=prefix, items=items), since, tmp_path)
    list(work.enqueue(enqueuer_of(world)))
    assert len(world.notices()) == count


def test_what_the_route_leaves_out_is_not_enqueued(world: World, tmp_path: Path) -> None:
    populate(world)
    world.change("dev", object_exclude=("a/",), replicate_items=False)
    sides = open_sides(world.replication, world.replication.route("dev"))
    selection = select(sides.route, prefix=None, items=False)
    list(Backfill.open(sides, selection, None, tmp_path).enqueue(enqueuer_of(world)))
    assert len(world.notices()) == 26
    with pytest.raises(OperatorError, match="does not replicate items: it replicates objects") as refused:
        select(sides.route, prefix=None, items=True)
    assert refused.value.exit_code == MISUSED


@pytest.mark.parametrize("loads", [1, 2, 4, 6, 9])
@pytest.mark.parametrize("crash", [False, True])
def test_an_ended_backfill_goes_on_and_no_key_is_left_out(
    world: World,
    sides: Sides,
    everything: Selection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loads: int,
    crash: bool,
) -> None:
    keys = populate(world)
    # Its ranges are split as they are read.
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    monkeypatch.setattr(listings, "_PAGES_AT_FIRST", 2)
    monkeypatch.setattr(listings, "_PAGES_A_SPLIT", 2)
    monkeypatch.setattr(backfill, "KEYS_OF_A_LOAD", 3)
    work = replace(Backfill.open(sides, everything, None, tmp_path / "first"), clock=iter(range(1000)).__next__)
    with closing(work.enqueue(enqueuer_of(world))) as counts:
        for _ in islice(counts, loads):
            pass
        if crash:  # what is on disk now is all that a killed process leaves
            shutil.copytree(tmp_path / "first", tmp_path / "second")
    if not crash:
        (tmp_path / "first").rename(tmp_path / "second")
    before = {notice.key for notice in world.notices()}
    again = Backfill.open(sides, everything, None, tmp_path / "second")
    assert again.resumed
    assert again.reason == work.reason
    list(again.enqueue(enqueuer_of(world)))
    after = {notice.key for notice in world.notices()}
    assert before | after == keys
    if loads > 3:
        assert after != keys, "what was enqueued before is not enqueued again"


@pytest.mark.parametrize(("prefix", "items"), [("", False), (None, True)])
def test_within_a_part_it_goes_on_after_its_last_key(
    world: World, sides: Sides, tmp_path: Path, prefix: str | None, monkeypatch: pytest.MonkeyPatch, *, items: bool
) -> None:
    monkeypatch.setattr(backfill, "_SEGMENTS", 1)
    selection = select(sides.route, prefix=prefix, items=items)
    for number in range(250):
        world.put(f"key-{number:03}")
        world.put_item(f"item-{number}")
    work = Backfill.open(sides, selection, None, tmp_path)
    assert len(work.checkpoint.parts) == 1
    with closing(work.enqueue(enqueuer_of(world))) as counts:
        assert [next(counts) for _ in range(2)] == [100, 200]
    world.notices()
    list(Backfill.open(sides, selection, None, tmp_path).enqueue(enqueuer_of(world)))
    assert len(world.notices()) == 50


def test_another_backfill_does_not_go_on_where_this_one_was_and_restart_forgets(
    world: World, sides: Sides, everything: Selection, tmp_path: Path
) -> None:
    populate(world)
    Backfill.open(sides, everything, None, tmp_path).enqueue(enqueuer_of(world)).close()
    work = Backfill.open(sides, everything, None, tmp_path)
    work.checkpoint.save(work.path)
    assert Backfill.open(sides, everything, None, tmp_path).resumed
    assert not Backfill.open(sides, everything, None, tmp_path, restart=True).resumed
    assert not Backfill.open(sides, select(sides.route, prefix="a/", items=True), None, tmp_path).resumed
    assert not Backfill.open(sides, everything, datetime.now(UTC), tmp_path).resumed
    for changed in ({"target_bucket": "dev-anew"}, {"object_include": ("a/",)}):
        other = replace(sides, route=world.change("dev", **changed))
        assert not Backfill.open(other, everything, None, tmp_path).resumed, changed
    without_an_offset = work.checkpoint.model_dump_json().replace('Z"', '"')
    for content in ('{"form": "another"}', without_an_offset):
        work.path.write_text(content)
        with pytest.raises(OperatorError, match="--restart begins anew"):
            Backfill.open(sides, everything, None, tmp_path)


def test_no_more_keys_a_second_than_asked_for(world: World) -> None:
    time = Time()
    paced = Enqueuer(backlog=backlog_of(world), reason="r", rate=50, pause=time.pause, clock=time.clock)
    loads = [Load([OBJECTS.record(f"{load}-{number}") for number in range(10)], load) for load in range(20)]
    assert [load.position for load in paced.enqueue(loads)] == list(range(20))
    assert time.now == pytest.approx(19 * 10 / 50)
    assert len(world.notices()) == 200


def test_nothing_is_added_while_too_much_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueuer, "MOST_WAITING", 2)
    monkeypatch.setattr(enqueuer, "_LOOK_EVERY", 10)
    depths: list[int] = []

    def pause(_seconds: float) -> None:
        depths.append(len(world.bodies(world.url("dev"))))

    waiting = Enqueuer(backlog=backlog_of(world), reason="r", rate=1e9, pause=pause)
    loads = (Load([OBJECTS.record(f"{load}-{number}") for number in range(10)], None) for load in range(30))
    sent = sum(len(load.keys) for load in waiting.enqueue(loads))
    assert sent == 300
    assert depths, "it has waited"
    # Those that were under way when it looked come on top.
    assert max(depths) <= 2 + 2 * 8


def test_a_message_names_ten_keys_of_one_dataset(world: World) -> None:
    objects = [OBJECTS.record(f"{number:02}") for number in range(13)]
    items = [ITEMS.record(f"{number:02}", "1") for number in range(4)]
    list(enqueuer_of(world, "r").enqueue([Load([*objects, *items], None)]))
    wanted = [message(keys, "r") for keys in (objects[:10], objects[10:], items)]
    assert world.bodies(world.url("dev")) == sorted(wanted)


def test_to_a_route_of_the_first_release_each_key_goes_alone(world: World) -> None:
    keys = [OBJECTS.record(f"{number:02}") for number in range(13)]
    world.specs["dev"] = {}
    list(enqueuer_of(world, "r").enqueue([Load(keys, None)]))
    assert world.bodies(world.url("dev")) == sorted(message([key], "r") for key in keys)


def test_keys_that_a_queue_does_not_take_are_an_error(world: World) -> None:
    world.sqs.delete_queue(QueueUrl=world.url("dev"))

    with pytest.raises(OperatorError, match="can't be looked at"):
        list(enqueuer_of(world).enqueue([Load([OBJECTS.record("k")], None)]))


def test_the_failed_keys_are_those_of_this_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = DeadLetters(sqs=world.sqs, queue_url=world.dlq, target="dev")
    error = StoreError("Archived", "it is archived")
    bodies = [
        Change(OBJECTS.record("mine"), "backfill 1").body(),
        Change(OBJECTS.record("other"), "backfill 2").body(),
        Change(OBJECTS.record("live"), "Object Created").body(),
    ]
    assert not letters.send([Letter(notice=body, error=error, attempts=6) for body in bodies], datetime.now(UTC))
    failures = failed_keys(world.dead_letters, world.replication.route("dev"), "backfill 1")
    (failed,) = failures.keys
    assert failures.complete
    assert (failed.key, failed.reason, failed.message) == ("mine", "Archived", "it is archived")
    monkeypatch.setattr(enqueuer, "MOST_LETTERS", 2)
    none = failed_keys(world.dead_letters, world.replication.route("dev"), "backfill 3")
    assert (list(none.keys), none.complete, bool(none)) == ([], False, True), "what was not looked at may be of it"
    assert len(world.bodies(world.dlq)) == 3, "looking took none"


def test_an_estimate_counts_what_is_chosen_and_prices_its_requests(world: World, sides: Sides) -> None:
    populate(world)
    *_, counted = count(sides, select(sides.route, prefix="a/", items=True), None)
    assert (counted.objects, counted.object_bytes, counted.items) == (25, 100, 30)
    *_, none = count(sides, select(sides.route, prefix="", items=False), datetime.now(UTC) + timedelta(hours=1))
    assert (none.objects, none.items) == (0, 0)
    million = Counted(objects=1_000_000, object_bytes=10**12)
    here, away = (dollars(million.requests(other_region=far)) for far in (False, True))
    # A million copies at 5 dollars, two reads each at 0.40, and some cents.
    assert 5.8 < here < 6.3
    assert away - here == pytest.approx(20.0)
