"""What all unit tests share."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto.sqs.models import SQSBackend


@pytest.fixture(scope="session", autouse=True)
def no_long_polls() -> Iterator[None]:
    """Have moto answer at once that a queue is empty: nobody else would send a message while it waits."""
    receive = SQSBackend.receive_message

    def at_once(backend: SQSBackend, queue: str, count: int, _seconds: int, *others: Any) -> Any:
        return receive(backend, queue, count, 0, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQSBackend, "receive_message", at_once)
        yield
