"""What becomes of a queue's messages: done, again after a delay, or buried."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from aws_lambda_powertools.logging import Logger

from queue_worker.dead_letters import DeadLetters
from queue_worker.messages import Message, UnknownEventError, backoff_seconds
from queue_worker.settlement import Again, Done, GivenUp, Settlement, failed, not_started
from queue_worker.worker import Settled, Worker
from replication_core.aws.errors import StoreError
from replication_core.message_fields import PoisonError


class Queues:
    """A client of queues that keeps what it is asked, and may refuse the dead letters."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.letters: list[Any] = []
        self.delays: dict[str, int] = {}

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803 - boto3's own names
        assert QueueUrl == "dlq"
        if self.refuses:
            return {"Failed": [{"Id": entry["Id"], "Code": "Oops", "SenderFault": True} for entry in Entries]}
        self.letters += [json.loads(entry["MessageBody"]) for entry in Entries]
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803
        assert QueueUrl == "queue"
        self.delays |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


def understand(body: str) -> str:
    """Read a message, of which two kinds can't be."""
    if body == "poison":
        raise PoisonError("it is poison")
    if body == "fault":
        raise RuntimeError("the-data-itself")
    return body.upper()


def processed(
    queues: Any, bodies: Mapping[str, str], become: Mapping[str, Settlement], *, attempts: int = 1
) -> tuple[Settled, dict[str, str]]:
    """Process messages by id; return what became of them, and what the function was given."""
    asked: dict[str, str] = {}

    def work(messages: Mapping[Message, str]) -> Mapping[Message, Settlement]:
        asked.update((message.id, what) for message, what in messages.items())
        return {message: become[message.id] for message in messages}

    worker = Worker(
        sqs=queues,
        queue_url="queue",
        dead_letters=DeadLetters(sqs=queues, queue_url="dlq", target="dev"),
        logger=Logger(service="worker"),
        parse=understand,
    )
    received = {"ApproximateReceiveCount": str(attempts)}
    records = [
        {"messageId": id_, "receiptHandle": f"receipt-{id_}", "body": body, "attributes": received}
        for id_, body in bodies.items()
    ]
    return worker.process({"Records": records}, work), asked


def test_each_message_is_done_comes_back_after_its_delay_or_is_a_dead_letter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    queues = Queues()
    bodies = {"1": "a", "2": "poison", "3": "b", "4": "fault", "5": "c"}
    error = StoreError("Broken", "for good", permanent=True)
    settled, asked = processed(queues, bodies, {"1": Done(), "3": Again(7), "5": GivenUp(error, "key", '{"less": 1}')})
    assert asked == {"1": "A", "3": "B", "5": "C"}
    assert settled.response() == {"batchItemFailures": [{"itemIdentifier": "3"}]}
    assert [message.id for message in settled.buried] == ["2", "4", "5"]
    assert queues.delays == {"receipt-3": 7}
    told = [(letter["event"], letter["error"]["type"]) for letter in queues.letters]
    assert told == [("poison", "PoisonNotice"), ("fault", "RuntimeError"), ({"less": 1}, "Broken")]
    logged = capsys.readouterr().out
    assert [json.loads(line)["message_id"] for line in logged.splitlines() if '"given up"' in line] == ["2", "4", "5"]
    assert "the-data-itself" not in logged + json.dumps(queues.letters)


def test_a_message_whose_envelope_is_not_taken_comes_back_and_is_not_among_the_buried() -> None:
    queues = Queues(refuses=True)
    settled, _ = processed(queues, {"1": "poison"}, {}, attempts=3)
    assert settled.response() == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert settled.buried == {}
    assert queues.delays == {"receipt-1": backoff_seconds(3)}


def test_a_message_that_the_function_forgets_is_not_taken_for_done() -> None:
    with pytest.raises(KeyError):
        processed(Queues(), {"1": "a"}, {})


def test_what_is_no_batch_of_a_queue_is_refused() -> None:
    worker: Any = Worker(sqs=None, queue_url="", dead_letters=None, logger=Logger(), parse=str)  # type: ignore[arg-type]
    with pytest.raises(UnknownEventError, match=r"another form; .*Records"):
        worker.process({"Records": []}, dict, "another form")


@pytest.mark.parametrize(
    ("attempts", "permanent", "seconds"), [(1, False, 1), (5, False, 16), (6, False, None), (1, True, None)]
)
def test_a_failed_try_is_made_again_as_often_as_it_may_help(
    attempts: int, seconds: int | None, *, permanent: bool
) -> None:
    error = StoreError("Kind", "why", permanent=permanent)
    assert failed(error, attempts) == (GivenUp(error) if seconds is None else Again(seconds))


def test_what_was_never_started_is_given_up_just_before_the_queue_does_so() -> None:
    assert not_started(8) == Again(1)
    given_up = not_started(9)
    assert isinstance(given_up, GivenUp)
    assert given_up.error.kind == "NotStarted"
