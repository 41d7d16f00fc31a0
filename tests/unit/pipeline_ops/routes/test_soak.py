"""A route watched and exercised at a release: what speaks against the release, and what is not held against it."""

import io
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.exercise import Exercised, mend
from pipeline_ops.routes.judgement import Judgement, Sight, faults
from pipeline_ops.routes.soak import Soak, seen_of
from replication_core.aws.errors import StoreError
from replication_core.changes import parse
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.reconcile import Action, Outcome
from tests.made_datasets import OTHERS
from tests.unit.pipeline_ops.routes.conftest import World
from tests.unit.pipeline_ops.routes.test_dead_letters import envelope, put

FORMER, NEW = "7", "8"
NOW = datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC)

Build = Callable[[Collection[RecordKey]], dict[RecordKey, Outcome]]
"""What a version of the function does with keys."""


@dataclass
class Versions:
    """A function whose versions are these builds."""

    world: World
    new: Build | None = None
    former: Build | None = None
    invoked: list[tuple[str, RecordKey]] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - boto3's own names
        target, version = FunctionName.replace(":", "-").partition("-")[0], FunctionName.rpartition(":")[2]
        keys = [change.key for change in parse(Payload.decode(), self.world.settings.spec)]
        self.invoked += [(version, key) for key in keys]
        build = self.new if version == NEW else self.former
        outcomes = (build or self.world.replicator(target).reconcile)(keys)
        told = [
            {
                "key": str(key),
                "action": outcome.action.value,
                "size": outcome.size,
                "rereads": outcome.rereads,
                "error": outcome.error and {"type": outcome.error.kind, "message": outcome.error.message},
            }
            for key, outcome in outcomes.items()
        ]
        return {"Payload": io.BytesIO(json.dumps(told).encode())}


@pytest.fixture
def versions(world: World) -> Versions:
    world.put("reports/a.csv", ContentType="text/csv", Metadata={"n": "1"})
    world.put("b.txt")
    world.put_item("i", "1.5", value={"S": "v"})
    made = Versions(world)
    world.functions.invoke = made.invoke  # type: ignore[method-assign, assignment]
    return made


def soaked(world: World, seconds: float = 60, **changes: Any) -> tuple[Judgement, list[float]]:
    """Judge the release, and return for how long was waited between the looks."""
    waits: list[float] = []
    route = world.replication.route("dev")
    soak = Soak(
        replication=world.replication,
        route=route,
        queue=world.dead_letters,
        release="v1.4.0",
        version=NEW,
        former=FORMER,
        before=changes.pop("before", None) or seen_of(world.replication, route, world.dead_letters, NOW),
        pause=waits.append,
        clock=lambda: NOW + timedelta(seconds=sum(waits)),
        **changes,
    )
    return soak.run(seconds, lambda _: None), waits


def refusing(world: World, key: Callable[[RecordKey], bool], kind: str = "KeyError", times: int = 99) -> Build:
    """A build that can't do some keys for so many times, and all others."""
    left = [times]

    def build(keys: Collection[RecordKey]) -> dict[RecordKey, Outcome]:
        bad = [each for each in keys if key(each) and left[0] > 0]
        left[0] -= bool(bad)
        failed = Outcome(Action.FAILED, error=StoreError(kind, "why"))
        return world.replicator().reconcile([each for each in keys if each not in bad]) | dict.fromkeys(bad, failed)

    return build


def is_item(key: RecordKey) -> bool:
    return not key.dataset.is_bucket


def test_a_good_release_is_watched_to_the_end_and_makes_replicas_of_every_dataset(
    world: World, versions: Versions
) -> None:
    world.add(*OTHERS)
    world.put("c.txt", bucket=f"prod-{next(each.name for each in OTHERS if each.is_bucket)}")
    judged, waits = soaked(world)
    assert (judged.well, judged.faults) == (True, ())
    assert waits == [15, 15, 15, 15]
    assert {version for version, _ in versions.invoked} == {NEW}, "not the alias, which others are invoked by"
    assert {key.dataset for key in judged.exercised.keys} >= {OBJECTS, ITEMS}
    assert world.s3.head_object(Bucket="dev-data", Key="reports/a.csv")["ContentType"] == "text/csv"
    assert judged.exported()["exercised"] == len(judged.exercised.keys)


def test_a_look_is_taken_at_a_route_that_is_not_to_be_watched(world: World, versions: Versions) -> None:
    judged, waits = soaked(world, 0)
    assert (judged.well, waits, bool(versions.invoked)) == (True, [], True)


def test_a_build_that_fails_for_one_kind_of_key_is_not_well_at_the_first_look(world: World, versions: Versions) -> None:
    versions.new = refusing(world, is_item)
    judged, waits = soaked(world)
    assert judged.faults == ("1 key could not be reconciled, such as i@1.5: KeyError: why",)
    assert waits == []


def test_what_the_former_version_can_not_do_either_is_not_held_against_a_release(
    world: World, versions: Versions
) -> None:
    versions.new = versions.former = refusing(world, is_item, "Archived")
    assert soaked(world)[0].well


def test_what_is_over_when_it_is_tried_again_is_not_held_against_a_release(world: World, versions: Versions) -> None:
    versions.new = refusing(world, is_item, "SlowDown", times=1)
    assert soaked(world)[0].well


def test_a_key_that_is_not_in_the_answer_was_not_done(world: World, versions: Versions) -> None:
    versions.new = lambda keys: {} if any(map(is_item, keys)) else world.replicator().reconcile(keys)
    (fault,) = soaked(world)[0].faults
    assert fault == "1 key could not be reconciled, such as i@1.5: there was no time for it"


def test_a_build_that_crashes_is_not_well(world: World, versions: Versions) -> None:
    world.functions.told, world.functions.error = {"errorMessage": "boom"}, "Unhandled"
    del world.functions.invoke
    (fault,) = soaked(world)[0].faults
    assert "gave no answer for" in fault
    assert "boom" in fault


def test_a_build_that_takes_too_long_is_not_well(world: World, versions: Versions) -> None:
    def slow(_: Collection[RecordKey]) -> dict[RecordKey, Outcome]:
        raise ReadTimeoutError(endpoint_url="https://lambda")

    versions.new = slow
    (fault,) = soaked(world)[0].faults
    assert fault.endswith("within 30 s.")


def test_a_build_that_makes_wrong_replicas_is_not_well_and_they_are_mended(world: World, versions: Versions) -> None:
    def wrong(keys: Collection[RecordKey]) -> dict[RecordKey, Outcome]:
        done = world.replicator().reconcile(keys)
        for key in (each for each in keys if not is_item(each)):
            world.s3.put_object(Bucket="dev-data", Key=key.object_key, Body=b"other")
        return done

    versions.new = wrong
    judged, _ = soaked(world)
    (fault,) = judged.faults
    assert "wrong replica" in fault
    assert "different, size" in fault or "different, bytes" in fault
    mend(world.replication, world.replication.route("dev"), judged.exercised.keys)
    for key in (each.object_key for each in judged.exercised.keys if not is_item(each)):
        assert world.s3.get_object(Bucket="dev-data", Key=key)["Body"].read() == b"body"


def test_a_source_that_changes_under_the_exercise_is_not_held_against_a_release(
    world: World, versions: Versions
) -> None:
    def raced(keys: Collection[RecordKey]) -> dict[RecordKey, Outcome]:
        done = world.replicator().reconcile(keys)
        for key in (each for each in keys if not is_item(each)):
            world.put(key.object_key, f"another {len(versions.invoked)}".encode())
        return done

    versions.new = raced
    assert soaked(world)[0].well


def test_dead_letters_count_from_the_release_on_and_those_of_other_routes_never(
    world: World, versions: Versions
) -> None:
    put(world, envelope())
    route = world.replication.route("dev")
    before = seen_of(world.replication, route, world.dead_letters, NOW)
    put(world, envelope(target="staging"))
    assert soaked(world, before=before)[0].well
    put(world, envelope(type_="KeyError"))
    judged, _ = soaked(world, before=before)
    assert judged.faults == ("dead letters: 1 KeyError",)


@pytest.mark.parametrize(("release", "counts"), [("v1.4.0", True), ("v1.3.0", False), ("", True)])
def test_a_dead_letter_that_another_release_has_sent_is_not_held_against_this_one(
    world: World, versions: Versions, release: str, counts: bool
) -> None:
    route = world.replication.route("dev")
    before = seen_of(world.replication, route, world.dead_letters, NOW)
    put(world, json.dumps({**json.loads(envelope()), "release": release}))
    assert soaked(world, 0, before=before)[0].well is not counts


@pytest.mark.parametrize(
    ("dimensions", "minutes", "is_weighted", "errors"),
    [
        ({"ExecutedVersion": NEW}, 1, False, 3),
        ({"ExecutedVersion": NEW}, 1, True, 3),
        ({"ExecutedVersion": FORMER}, 1, False, 0),
        ({}, 1, False, 3),
        ({}, 1, True, 0),
        ({}, 0, False, 0),
    ],
    ids=["this version", "in its share", "the former", "the alias's", "two versions'", "before it began"],
)
def test_errors_are_those_of_the_versions_own_invocations(
    world: World, versions: Versions, dimensions: dict[str, str], minutes: int, is_weighted: bool, errors: int
) -> None:
    named = {"FunctionName": "dev-function_name", "Resource": "dev-function_name:live", **dimensions}
    world.cloudwatch.put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Errors",
                "Dimensions": [{"Name": name, "Value": value} for name, value in named.items()],
                "Timestamp": NOW.replace(second=0) + timedelta(minutes=minutes),
                "Value": 3,
            }
        ],
    )
    judged, _ = soaked(world, 120, is_weighted=is_weighted)
    assert judged.seen.errors == errors
    assert judged.faults == (("3 invocations failed as a whole",) if errors else ())


def test_a_route_that_can_not_be_looked_at_is_not_judged(world: World, versions: Versions) -> None:
    world.s3.delete_object(Bucket="prod-data", Key="b.txt")
    spec = world.change("dev", source_table="gone")
    assert spec.dataset("items")
    with pytest.raises(OperatorError, match="No sample of items can be drawn"):
        soaked(world)


SIGHTS = st.builds(
    Sight,
    errors=st.just(0),
    dead_letters=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["Archived", "KeyError"])),
    lag_seconds=st.none() | st.floats(0, 1000),
    firing=st.frozensets(st.sampled_from(["lag", "errors"])),
)


@given(SIGHTS, SIGHTS)
def test_what_was_there_before_a_release_is_never_held_against_it_and_what_is_new_always(
    before: Sight, now: Sight
) -> None:
    assert faults(now, now, Exercised(), lag_seconds=300) == []
    found = " ".join(faults(before, now, Exercised(), lag_seconds=300))
    assert ("dead letters" in found) == bool(now.dead_letters.keys() - before.dead_letters.keys())
    assert ("in alarm" in found) == bool(now.firing - before.firing)
    assert ("has been waiting" in found) == ((before.lag_seconds or 0) <= 300 < (now.lag_seconds or 0))
    assert bool(faults(before, replace(now, errors=1), Exercised(), lag_seconds=300))
