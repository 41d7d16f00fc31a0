"""The scheduled sample: chosen anew each time, looked at until it has settled, and published."""

import io
import json
import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

import pytest
from aws_lambda_powertools.logging import Logger

from queue_worker.messages import UnknownEventError
from replication_core.comparing.sample import compare_sample
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replicator_lambda import verifier as entry_point
from replicator_lambda.verifier import Verifier
from tests.made_datasets import OTHERS, numbered
from tests.made_policies import item_policy, policy, pseudonym
from tests.unit.replication_core.cloud import Cloud, cloud, refusal, unreadable_instant


@pytest.fixture
def made() -> Iterator[Cloud]:
    with cloud() as one:
        yield one


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as one:
        yield one


def populate(made: Cloud) -> None:
    keys: list[RecordKey] = [OBJECTS.record(f"{a}/{b}/{number}") for a in "xy" for b in "pq" for number in range(4)]
    keys += [OBJECTS.record("loose"), *(ITEMS.record(f"item-{number}", "1") for number in range(20))]
    for key in keys:
        if key.dataset.is_bucket:
            made.put(key.object_key)
        else:
            made.put_item(key.values[0])
    made.replicator().reconcile(keys)


class Clock:
    """Time that pauses alone move, in which something may happen meanwhile."""

    def __init__(self, meanwhile: Callable[[float], object] = lambda _: None) -> None:
        self.now = 0.0
        self._meanwhile = meanwhile

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self._meanwhile(self.now)


def verifier(
    made: Cloud, executor: ThreadPoolExecutor, clock: Clock, *, keys: int = 1000, log: TextIO = sys.stderr
) -> Verifier:
    made.with_settings(sample_keys=keys, settle_seconds=60)
    return Verifier(
        sides=made.sides(),
        executor=executor,
        logger=Logger(service=f"verifier-{id(log)}", stream=log),
        chance=random.Random(5),
        pause=clock.pause,
        clock=clock,
    )


def metrics(text: str) -> dict[str, Any]:
    (line,) = (json.loads(line) for line in text.splitlines() if "_aws" in line)
    return {name: line[name] for name in ("target", "SampledKeys", "ReplicaDrift", "UnmaskedReplicas")}


def test_walks_see_every_folder_in_time(made: Cloud, executor: ThreadPoolExecutor) -> None:
    populate(made)
    for key in ("x/p/1", "x/q/3", "y/p/0", "y/q/2", "loose"):
        made.clients.target_s3.delete_object(Bucket=made.settings.target_bucket, Key=key)
    made.clients.target_s3.put_object(Bucket=made.settings.target_bucket, Key="only/in/dev/a", Body=b"")
    chance = random.Random(1)
    found = {
        str(finding.key)
        for _ in range(60)
        for looked in compare_sample(made.sides(), made.objects, executor, 5, chance)
        for finding in looked.findings
    }
    assert found == {"x/p/1", "x/q/3", "y/p/0", "y/q/2", "loose", "only/in/dev/a"}


def test_a_key_far_behind_the_first_page_of_a_wide_folder_is_seen_in_time(
    made: Cloud, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replication_core.comparing.sample._PAGE", 100)
    made.with_settings(replicate_items=False)
    for number in range(120):
        made.put(f"wide/2026-{number:05}", b"")
    chance, begun = random.Random(3), set()
    for _ in range(25):
        (looked,) = compare_sample(made.sides(), made.objects, executor, 1, chance)
        begun |= {int(str(finding.key)[-5:]) // 10 for finding in looked.findings}
    assert len(begun) >= 5, f"{sorted(begun)} of 12 tens"
    assert max(begun) >= 10, "behind the first page"


def test_walks_begin_where_the_route_begins(made: Cloud, executor: ThreadPoolExecutor) -> None:
    made.with_settings(object_include=("in/",), replicate_items=False)
    for key in ("in/a", *(f"out/{number}" for number in range(30))):
        made.put(key)
    (looked,) = compare_sample(made.sides(), made.objects, executor, 10, random.Random(4))
    assert looked.objects == 1
    assert [str(finding.key) for finding in looked.findings] == ["in/a"]


def test_every_item_is_in_some_sample_and_none_is_much_larger_than_asked_for(
    made: Cloud, executor: ThreadPoolExecutor
) -> None:
    made.with_settings(object_include=("none/",))
    for number in range(100):
        made.put_item(f"item-{number}")
    chance = random.Random(2)
    found: set[str] = set()
    for _ in range(80):
        looks = list(compare_sample(made.sides(), made.items, executor, 10, chance))
        assert sum(looked.items for looked in looks) <= 10
        found |= {str(finding.key) for looked in looks for finding in looked.findings}
    assert len(found) > 60


def test_level_replicas_are_published_without_a_wait(
    made: Cloud, executor: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    populate(made)
    clock = Clock()
    answer = verifier(made, executor, clock).run()
    assert answer["drifted"] == 0
    assert answer["compared"] > 0
    assert clock.now == 0
    assert metrics(capsys.readouterr().out) == {
        "target": "dev",
        "SampledKeys": [answer["compared"]],
        "ReplicaDrift": [0.0],
        "UnmaskedReplicas": [0.0],
    }


def test_what_still_differs_when_it_should_have_arrived_is_drift(
    made: Cloud, executor: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    populate(made)
    edited = {**made.item(made.settings.target_table, "item-7"), "value": {"S": "secret"}}
    made.clients.target_dynamodb.put_item(TableName=made.settings.target_table, Item=edited)
    clock, log = Clock(), io.StringIO()
    assert verifier(made, executor, clock, log=log).run()["drifted"] == 1
    assert clock.now >= 60
    assert metrics(capsys.readouterr().out)["ReplicaDrift"] == [1.0]
    told = json.loads(log.getvalue())
    assert (told["key"], told["verdict"], told["what"]) == ("item-7@1", "different", ["attribute 'value'"])
    assert "secret" not in log.getvalue()


@pytest.mark.parametrize("masks_keys", [True, False])
def test_what_no_policy_has_made_is_counted_on_either_side_of_a_mask(
    made: Cloud, executor: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str], masks_keys: bool
) -> None:
    made.with_policy({})
    populate(made)
    rule = {
        "match": "**",
        "line": 1,
        "key": {},
        "body": {"opaque": "made up"},
        "headers": {},
        "metadata": {},
        "tags": {},
    }
    if masks_keys:
        rule |= {"match": "{name}/**", "key": {"name": pseudonym("name")}}
    bucket = {"rules": [rule], "tags": [], "deletes": "mirror"}
    made.with_policy(policy({"items": item_policy(masks_keys=masks_keys)}, {"objects": bucket}))
    log = io.StringIO()
    answer = verifier(made, executor, Clock(), log=log).run()
    assert answer["unmasked"] == metrics(capsys.readouterr().out)["UnmaskedReplicas"][0] > 0
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    unmasked = [line["kind"] for line in told if line["verdict"] == "unmasked"]
    assert (len(unmasked), unmasked.count("item"), "object" in unmasked) == (answer["unmasked"], 20, True)


def test_every_dataset_is_sampled(made: Cloud, executor: ThreadPoolExecutor) -> None:
    made.add(*OTHERS)
    keys = [numbered(dataset, number) for dataset in OTHERS for number in range(3)]
    for key in keys:
        made.put_record(key)
    log = io.StringIO()
    assert verifier(made, executor, Clock(), log=log).run()["drifted"] == len(keys)
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {(line["dataset"], line["key"]) for line in told} == {(key.dataset.name, str(key)) for key in keys}
    made.replicator().reconcile(keys)
    level = verifier(made, executor, Clock()).run()
    assert (level["drifted"], level["compared"] >= len(keys)) == (0, True)


def test_what_the_target_has_of_its_own_does_not_alarm(made: Cloud, executor: ThreadPoolExecutor) -> None:
    populate(made)
    made.clients.target_s3.put_object(Bucket=made.settings.target_bucket, Key="x/p/of-dev", Body=b"")
    assert verifier(made, executor, Clock()).run()["drifted"] == 0


def test_a_key_that_two_walks_have_seen_counts_once(made: Cloud, executor: ThreadPoolExecutor) -> None:
    made.with_settings(replicate_items=False)
    made.put("one")
    assert verifier(made, executor, Clock(), keys=1000).run()["drifted"] == 1


def test_what_arrives_meanwhile_is_no_drift(made: Cloud, executor: ThreadPoolExecutor) -> None:
    populate(made)
    made.put("loose", b"anew")
    made.put_item("item-3", value={"S": "anew"})

    def arrive(now: float) -> None:
        if now > 20:
            made.replicator().reconcile([OBJECTS.record("loose"), ITEMS.record("item-3", "1")])

    clock = Clock(arrive)
    assert verifier(made, executor, clock).run()["drifted"] == 0
    assert clock.now < 60


def test_what_can_not_be_compared_is_published_as_well_and_is_tried_again(
    made: Cloud, executor: ThreadPoolExecutor
) -> None:
    populate(made)
    made.fault_for = lambda operation: refusal("AccessDenied", 403) if operation == "s3.HeadObject" else None
    assert verifier(made, executor, Clock(), keys=100).run()["drifted"] > 0

    def mend(_: float) -> None:
        made.fault_for = lambda _operation: None

    assert verifier(made, executor, Clock(mend), keys=100).run()["drifted"] == 0


def test_a_key_whose_head_can_not_be_read_does_not_end_the_sample(
    made: Cloud, executor: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    populate(made)
    made.clients.target_s3.delete_object(Bucket=made.settings.target_bucket, Key="x/p/2")
    made.fault_for = unreadable_instant("x/q/1")
    log = io.StringIO()
    assert verifier(made, executor, Clock(), log=log).run()["drifted"] == 2
    told = {line["key"]: line["verdict"] for line in map(json.loads, log.getvalue().splitlines())}
    assert told == {"x/p/2": "missing", "x/q/1": "unknown"}
    assert metrics(capsys.readouterr().out)["ReplicaDrift"] == [2.0]


def test_a_sample_is_compared_on_schedule_and_by_hand_and_for_no_other_event(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"compared": 1, "drifted": 0}

    class Ready:
        def run(self) -> dict[str, int]:
            return counts

    monkeypatch.setattr(entry_point, "_verifier", Ready)
    scheduled = {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    assert entry_point.handle(scheduled, None) == entry_point.handle({}, None) == counts
    events: list[Any] = [{"keys": 5}, {"Records": []}, [], None, "text"]
    for event in events:
        with pytest.raises(UnknownEventError, match=r"nothing was done.*\{\}, for a sample now"):
            entry_point.handle(event, None)


def test_an_empty_source_and_target_are_level(made: Cloud, executor: ThreadPoolExecutor) -> None:
    assert verifier(made, executor, Clock()).run() == {"compared": 0, "drifted": 0, "unmasked": 0}


def test_it_is_built_from_its_routes_specification(made: Cloud) -> None:
    assert Verifier.build(made.settings.spec).sides.route == made.settings.spec
