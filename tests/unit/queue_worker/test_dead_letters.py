"""What becomes of the text that others wrote once it is in an envelope."""

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from queue_worker.dead_letters import ENVELOPE_SCHEMA, DeadLetters, Envelope, Letter, redriven
from replication_core.aws.errors import StoreError

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Queue:
    """A queue that keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803 - boto3's own names
        assert QueueUrl == "dlq"
        self.bodies += [entry["MessageBody"] for entry in Entries]
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


def sent(*notices: str) -> list[str]:
    """Return the envelopes of these notices."""
    queue: Any = Queue()
    letters = [Letter(notice=notice, error=StoreError("Kind", "why"), attempts=1) for notice in notices]
    assert DeadLetters(sqs=queue, queue_url="dlq", target="dev").send(letters, AT) == set()
    return list(queue.bodies)


@pytest.mark.parametrize(
    "poison",
    [
        '{"x": 1e99999999999999999999}',
        '{"x": 1e-99999999999999999999}',
        '{"x": 1e999}',
        '{"x": 0.12345678901234567890123}',
        '{"x": ' + "9" * 5000 + "}",
        "no JSON",
    ],
)
def test_a_notice_that_would_not_be_the_same_once_it_was_read_is_kept_as_its_text_and_hinders_no_other(
    poison: str,
) -> None:
    first, second = (json.loads(body)["event"] for body in sent(poison, '{"x": 1.5}'))
    assert (first, second) == (poison, {"x": 1.5})


@pytest.mark.parametrize("limit", [sys.getrecursionlimit(), 10_000])
def test_a_notice_is_sent_however_deep_it_is_nested(limit: int) -> None:
    bodies = ["[" * depth + "]" * depth for depth in range(limit - 100, limit + 1)]
    told = [re.sub("[^][]", "", body) for body in sent(*bodies)]
    assert told == bodies


def envelope(event: object) -> dict[str, Any]:
    return {"schema": ENVELOPE_SCHEMA, "event": event, "target": "dev", "error": {"type": "Kind", "message": "why"}}


def test_an_event_that_can_be_read_but_not_be_written_is_no_envelopes() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert Envelope.parse(envelope(deep)) is None


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ("\x01x", "\\u0001x"),
        ("\x7f\x1f\x00", "\\u007f\\u001f\\u0000"),
        ("a\tb\nc\rd ~", "a\tb\nc\rd ~"),
        ('é\ufffe😀"\\', '\\u00e9\\ufffe\\ud83d\\ude00"\\'),
        ({"key": "\x01é"}, '{"key": "\\u0001\\u00e9"}'),
    ],
)
def test_an_event_is_told_in_characters_that_a_queue_takes(event: object, text: str) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html: which those are."""
    parsed = Envelope.parse(envelope(event))
    assert parsed is not None
    assert parsed.event == text


@pytest.mark.parametrize("told", [None, [], ["redriven_by"], "redriven_by", {}, {"other": {"stringValue": "x"}}])
def test_a_message_without_the_attributes_of_one_that_was_sent_back_was_not(told: object) -> None:
    assert list(redriven([{"messageId": "m", "messageAttributes": told}])) == []


@pytest.mark.parametrize("by", [None, [], "someone", {}, {"stringValue": None}])
def test_attributes_that_say_nothing_are_logged_as_nothing(by: object) -> None:
    (told,) = redriven([{"messageId": "m", "messageAttributes": {"redriven_by": by}}])
    assert told == {"message_id": "m", "redriven_by": None, "redriven_why": None}
