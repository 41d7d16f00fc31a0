"""What SQS takes of a call, and what is tried again."""

from typing import Any

from replication_core.aws.batches import send


class Queue:
    """Answers each call as it was told, by the entries that fail in it."""

    def __init__(self, *failures: dict[str, bool]) -> None:
        self.failures = list(failures)
        self.calls: list[list[str]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        ids = [entry["Id"] for entry in Entries]
        self.calls.append(ids)
        failing = self.failures.pop(0) if self.failures else {}
        return {
            "Successful": [{"Id": id_} for id_ in ids if id_ not in failing],
            "Failed": [
                {"Id": id_, "Code": "InternalError", "Message": "oops", "SenderFault": fault}
                for id_, fault in failing.items()
                if id_ in ids
            ],
        }


def sent(queue: Any, bodies: int) -> dict[int, str]:
    return {position: error.message for position, error in send(queue, "url", ["body"] * bodies).items()}


def test_an_entry_that_sqs_failed_to_take_is_sent_again_without_the_others() -> None:
    queue = Queue({"1": False, "12": False})
    assert sent(queue, 15) == {}
    assert queue.calls == [[str(number) for number in range(10)], ["1"], [str(number) for number in range(10, 15)]]


def test_an_entry_that_the_answer_says_nothing_of_was_not_taken() -> None:
    class Silent(Queue):
        def send_message_batch(self, **call: Any) -> dict[str, Any]:
            super().send_message_batch(**call)
            return {}

    queue = Silent()
    assert sent(queue, 2) == dict.fromkeys((0, 1), "SQS: answered with success, but not for this message")
    assert len(queue.calls) == 3


def test_an_entry_that_is_the_senders_fault_is_not_sent_again() -> None:
    queue = Queue({"0": True, "1": False})
    assert sent(queue, 3) == {0: "SQS: oops"}
    assert queue.calls == [["0", "1", "2"], ["1"]]


def test_an_entry_that_keeps_failing_is_an_error_after_three_calls_that_took_nothing() -> None:
    queue = Queue(*[{"0": False}] * 10)
    assert sent(queue, 2) == {0: "SQS: oops"}
    assert queue.calls == [["0", "1"], ["0"], ["0"], ["0"]]
