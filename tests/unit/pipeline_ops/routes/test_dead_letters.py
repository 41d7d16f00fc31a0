"""Dead letters of every origin: what is read of them, and that none is lost by looking."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.dead_letters import DeadLetter, DeadLetterQueue, dead_letters, letter_of
from processor_lambda.notices import Continuation, Progress, Sweep
from tests.made_route import MadeRoute
from tests.unit.pipeline_ops.routes.conftest import World

NOTICE = {"schema": "pipeline.notice/1", "kind": "object", "key": "a+b %20.txt", "reason": "stream"}


def envelope(event: Any = NOTICE, target: str = "dev", type_: str = "NoSuchBucket", message: str = "why") -> str:
    return json.dumps(
        {
            "schema": "pipeline.envelope/1",
            "event": event,
            "error": {"type": type_, "message": message},
            "attempts": 6,
            "timestamp": "2026-01-01T00:00:00+00:00",
            "target": target,
        }
    )


def put(world: World, body: str, **attributes: str) -> None:
    texts = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    world.sqs.send_message(QueueUrl=world.dlq, MessageBody=body, MessageAttributes=texts)


def only(world: World) -> DeadLetter:
    with dead_letters(world.dead_letters) as held:
        (letter,) = held.letters
        return letter


def test_an_envelope_says_its_target_reason_and_key(world: World) -> None:
    put(world, envelope())
    letter = only(world)
    assert (letter.target, letter.reason, letter.message) == ("dev", "NoSuchBucket", "why")
    assert letter.keys == ("a+b %20.txt",)
    assert json.loads(letter.event or "") == NOTICE


def test_an_events_dead_letter_says_what_event_bridge_was_refused(world: World) -> None:
    detail = {"bucket": {"name": "prod-data"}, "object": {"key": "k%+"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    arn = next(arn for arn, name in world.dead_letters.names.items() if name == "staging")
    put(world, json.dumps(event), TARGET_ARN=arn, ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="not allowed")
    letter = only(world)
    assert (letter.target, letter.reason) == ("staging", "Undelivered")
    assert (letter.message, letter.keys) == ("NO_PERMISSIONS: not allowed", ("k%+", "k% "))  # either may be meant
    assert letter.event == json.dumps(event)


@pytest.mark.parametrize(
    ("body", "reason", "redrivable"),
    [
        (json.dumps({"DDBStreamBatchInfo": {"shardId": "s"}}), "StreamGap", False),
        ("not json", "Unknown", False),
        (json.dumps(["a"]), "Unknown", False),
        (envelope(event="not json"), "NoSuchBucket", False),
        (envelope(target="qa"), "NoSuchBucket", False),
        (json.dumps({"schema": "pipeline.envelope/1"}), "Unknown", False),
        (json.dumps({"schema": "pipeline.envelope/1", "target": 5, "error": "text", "event": {}}), "Unknown", False),
        ('{"schema": "pipeline.envelope/1", "event": ' + "[" * 100_000, "Unknown", False),
    ],
)
def test_a_letter_of_another_form_is_listed_all_the_same(
    world: World, body: str, reason: str, *, redrivable: bool
) -> None:
    put(world, body)
    letter = only(world)
    assert (letter.reason, letter.exported()["redrivable"]) == (reason, redrivable)


OBJECT = {"schema": "pipeline.processing/1", "kind": "object", "key": "incoming/a.csv"}


def test_a_processors_letter_goes_back_to_the_processor(world: World) -> None:
    queue = replace(
        world.dead_letters,
        urls={**world.dead_letters.urls, "prod": world.url("staging")},
        processor="prod",
    )
    put(world, envelope(OBJECT, target="prod"))
    with dead_letters(queue) as held:
        assert [(letter.target, letter.keys) for letter in held.letters] == [("prod", ("incoming/a.csv",))]
        assert held.redrive(held.letters, who="w", why="y") == 1
    assert [json.loads(body) for body in world.bodies(world.url("staging"))] == [OBJECT]


def test_a_malformed_letter_hides_no_other_and_is_itself_put_back(world: World) -> None:
    """Neither while it is looked at, nor when something else goes wrong in the middle of that."""
    put(world, json.dumps({"schema": "pipeline.envelope/1"}))
    put(world, envelope())
    with dead_letters(world.dead_letters) as held:
        assert sorted(letter.reason for letter in held.letters) == ["NoSuchBucket", "Unknown"]
        assert held.redrive(held.letters, who="w", why="y") == 1
    assert len(world.bodies(world.dlq)) == 1


def test_letters_are_put_back_although_one_could_not_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        put(world, envelope())

    def broken(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("pipeline_ops.routes.dead_letters.letter_of", broken)
    with pytest.raises(RuntimeError), dead_letters(world.dead_letters):
        pass
    assert len(world.bodies(world.dlq)) == 3


def test_a_forged_letter_brings_nothing_into_a_queue_that_its_function_does_not_understand(world: World) -> None:
    queue = replace(world.dead_letters, processor="staging")
    put(world, envelope(OBJECT, target="dev"))
    put(world, envelope({"anything": 1}, target="dev"))
    detail = {"bucket": {"name": "another"}, "object": {"key": "k"}}
    put(world, envelope({"source": "aws.s3", "detail-type": "Object Created", "detail": detail}, target="dev"))
    put(world, envelope(NOTICE, target="staging"))
    put(world, envelope({**OBJECT, "kind": "continuation", "progress": {"read": "many"}}, target="staging"))
    with dead_letters(queue) as held:
        assert held.redrive(held.letters, who="w", why="y") == 0
    assert len(world.bodies(world.dlq)) == 5


def test_a_letter_is_sent_back_in_characters_that_a_queue_takes(world: World) -> None:
    put(world, envelope(event=json.dumps({**NOTICE, "key": "\x01é\ufffe\U0001f600"}, ensure_ascii=False)))
    with dead_letters(world.dead_letters) as held:
        held.redrive(held.letters, who="w", why="y")
    (body,) = world.bodies(world.url("dev"))
    assert body.isascii()
    assert json.loads(body)["key"] == "\x01é\ufffe\U0001f600"


NAMES = [
    "schema",
    "event",
    "target",
    "error",
    "type",
    "message",
    "kind",
    "key",
    "id",
    "timestamp",
    "progress",
    "detail",
]
KNOWN = ["pipeline.envelope/1", "pipeline.notice/1", "pipeline.processing/1", "object", "item", "continuation", "dev"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(KNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=15,
)
ENVELOPES = st.fixed_dictionaries(
    {"schema": st.just("pipeline.envelope/1")},
    optional={"event": VALUES, "target": VALUES, "error": VALUES, "attempts": VALUES},
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE"]),
    st.fixed_dictionaries({"DataType": st.just("String")}, optional={"StringValue": st.text(max_size=5)}),
)
SOURCE = MadeRoute(source_bucket="prod-data", source_table="prod-data").spec


def no_client(*_: Any, **__: Any) -> Any:
    raise AssertionError


QUEUE = DeadLetterQueue(
    environment="prod",
    url="q",
    region="us-east-1",
    client=no_client,
    urls={"dev": "u", "prod": "p"},
    names={"arn": "dev"},
    source=SOURCE,
    processor="prod",
)


@given(
    st.text() | VALUES.map(json.dumps) | ENVELOPES.map(json.dumps), ATTRIBUTES, st.sampled_from(["", "arn", "other"])
)
@example("[" * 100_000, {}, "arn")
@example("1" * 5_000, {}, "arn")
def test_no_message_whatever_is_more_than_a_letter_of_which_nothing_is_known(
    body: str, attributes: Any, source: str
) -> None:
    system = {"SentTimestamp": "1767225600000", "DeadLetterQueueSourceArn": source}
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": body}
    letter = letter_of({**message, "Attributes": system, "MessageAttributes": attributes}, QUEUE)
    assert letter.event is None or QUEUE.keys(letter.target, letter.event) == letter.keys
    assert letter.event is None or letter.target in QUEUE.urls
    json.dumps(letter.exported())


CONTINUATION = Continuation(
    key="incoming/a.csv",
    version_id="v",
    etag="e",
    encoding="csv",
    progress=Progress(read=5, first="1", pieces=("a", "b"), started_at="2026-01-01T00:00:00.000+00:00"),
)


def test_what_a_processor_sends_to_itself_can_be_redriven(world: World) -> None:
    for notice in (CONTINUATION, Sweep("incoming/b")):
        assert QUEUE.keys("prod", notice.body()) is not None, notice


def test_looking_loses_none_and_leaves_none_out_of_sight(world: World) -> None:
    for number in range(25):
        put(world, envelope({**NOTICE, "key": f"k{number}"}))
    for _ in range(2):
        with dead_letters(world.dead_letters) as held:
            assert held.complete
            assert len({letter.keys for letter in held.letters}) == 25
    with pytest.raises(RuntimeError), dead_letters(world.dead_letters):
        raise RuntimeError
    assert len(world.bodies(world.dlq)) == 25


def test_a_quick_look_says_that_it_was_not_all(world: World) -> None:
    for number in range(25):
        put(world, envelope({**NOTICE, "key": f"k{number}"}))
    with dead_letters(world.dead_letters, most=10) as held:
        assert not held.complete
        assert len(held.letters) >= 10


def test_only_the_chosen_go_back_and_who_sent_them_and_why_goes_with_them(world: World) -> None:
    put(world, envelope())
    put(world, envelope({**NOTICE, "key": "other"}, target="staging"))
    with dead_letters(world.dead_letters) as held:
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
        pytest.raises(OperatorError, match="0 of 1 letter redriven, and the rest kept"),
        dead_letters(world.dead_letters) as held,
    ):
        held.redrive(held.letters, who="w", why="y")
    assert len(world.bodies(world.dlq)) == 1


def test_what_has_no_queue_is_not_redriven_and_what_is_purged_is_gone(world: World) -> None:
    put(world, json.dumps({"DDBStreamBatchInfo": {}}))
    with dead_letters(world.dead_letters) as held:
        assert held.redrive(held.letters, who="w", why="y") == 0
        assert held.purge(held.letters) == 1
    assert world.bodies(world.dlq) == []
