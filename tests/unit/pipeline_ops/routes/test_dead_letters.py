"""Dead letters of every origin: what is read of them, and that none is lost by looking."""

import json
from typing import Any

import pytest

from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.dead_letters import DeadLetter, dead_letters
from tests.unit.pipeline_ops.routes.conftest import World

NOTICE = {"schema": "pipeline.notice/1", "kind": "object", "key": "a+b %20.txt", "reason": "stream"}


def envelope(event: Any = NOTICE, target: str = "dev", type_: str = "NoSuchBucket") -> str:
    return json.dumps(
        {
            "schema": "pipeline.envelope/1",
            "event": event,
            "error": {"type": type_, "message": "why"},
            "attempts": 6,
            "timestamp": "2026-01-01T00:00:00+00:00",
            "target": target,
        }
    )


def put(world: World, body: str, **attributes: str) -> None:
    texts = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    world.sqs.send_message(QueueUrl=world.dlq, MessageBody=body, MessageAttributes=texts)


def only(world: World) -> DeadLetter:
    with dead_letters(world.replication, world.routing) as held:
        (letter,) = held.letters
        return letter


def test_an_envelope_says_its_target_reason_and_key(world: World) -> None:
    put(world, envelope())
    letter = only(world)
    assert (letter.target, letter.reason, letter.message) == ("dev", "NoSuchBucket", "why")
    assert letter.keys == ("a+b %20.txt",)
    assert json.loads(letter.event or "") == NOTICE


def test_an_events_dead_letter_says_what_event_bridge_was_refused(world: World) -> None:
    detail = {"bucket": {"name": "b"}, "object": {"key": "k%+"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    arn = next(arn for arn, name in world.routing.names.items() if name == "staging")
    put(world, json.dumps(event), TARGET_ARN=arn, ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="not allowed")
    letter = only(world)
    assert (letter.target, letter.reason) == ("staging", "Undelivered")
    assert (letter.message, letter.keys) == ("NO_PERMISSIONS: not allowed", ("k%+",))
    assert letter.event == json.dumps(event)


@pytest.mark.parametrize(
    ("body", "reason", "redrivable"),
    [
        (json.dumps({"DDBStreamBatchInfo": {"shardId": "s"}}), "StreamGap", False),
        ("not json", "Unknown", False),
        (json.dumps(["a"]), "Unknown", False),
        (envelope(event="not json"), "NoSuchBucket", True),
    ],
)
def test_a_letter_of_another_form_is_listed_all_the_same(
    world: World, body: str, reason: str, *, redrivable: bool
) -> None:
    put(world, body)
    letter = only(world)
    assert (letter.reason, letter.exported()["redrivable"], letter.keys) == (reason, redrivable, ())


def test_a_processors_letter_goes_back_to_the_processor(world: World) -> None:
    put(world, envelope({"schema": "pipeline.processing/1", "key": "incoming/a.csv"}, target="prod"))
    assert (only(world).target, only(world).keys) == ("prod", ("incoming/a.csv",))


def test_looking_loses_none_and_leaves_none_out_of_sight(world: World) -> None:
    for number in range(25):
        put(world, envelope({**NOTICE, "key": f"k{number}"}))
    for _ in range(2):
        with dead_letters(world.replication, world.routing) as held:
            assert held.complete
            assert len({letter.keys for letter in held.letters}) == 25
    with pytest.raises(RuntimeError), dead_letters(world.replication, world.routing):
        raise RuntimeError
    assert len(world.bodies(world.dlq)) == 25


def test_a_quick_look_says_that_it_was_not_all(world: World) -> None:
    for number in range(25):
        put(world, envelope({**NOTICE, "key": f"k{number}"}))
    with dead_letters(world.replication, world.routing, most=10) as held:
        assert not held.complete
        assert len(held.letters) >= 10


def test_only_the_chosen_go_back_and_who_sent_them_and_why_goes_with_them(world: World) -> None:
    put(world, envelope())
    put(world, envelope({**NOTICE, "key": "other"}, target="staging"))
    with dead_letters(world.replication, world.routing) as held:
        chosen = [letter for letter in held.letters if letter.target == "dev"]
        assert held.redrive(chosen, who="arn:someone", why="mended") == 1
    (message,) = world.sqs.receive_message(QueueUrl=world.url("dev"), MessageAttributeNames=["All"])["Messages"]
    assert json.loads(message["Body"]) == NOTICE
    told = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert told == {"redriven_by": "arn:someone", "redriven_why": "mended"}
    assert world.bodies(world.url("staging")) == []
    (left,) = world.bodies(world.dlq)
    assert json.loads(left)["target"] == "staging"


def test_what_could_not_be_sent_is_kept(world: World) -> None:
    put(world, envelope())
    world.sqs.delete_queue(QueueUrl=world.url("dev"))
    with (
        pytest.raises(OperatorError, match="0 of 1 letters were redriven, and the rest is kept"),
        dead_letters(world.replication, world.routing) as held,
    ):
        held.redrive(held.letters, who="w", why="y")
    assert len(world.bodies(world.dlq)) == 1


def test_what_has_no_queue_is_not_redriven_and_what_is_purged_is_gone(world: World) -> None:
    put(world, json.dumps({"DDBStreamBatchInfo": {}}))
    with dead_letters(world.replication, world.routing) as held:
        assert held.redrive(held.letters, who="w", why="y") == 0
        assert held.purge(held.letters) == 1
    assert world.bodies(world.dlq) == []
