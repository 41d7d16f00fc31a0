"""What the processor's tests share."""

import logging
from collections.abc import Iterator

import pytest

from tests.unit.processor_lambda.cloud import Cloud
from tests.unit.processor_lambda.cloud import cloud as fresh_cloud


@pytest.fixture(autouse=True)
def fresh_loggers() -> None:
    """Let each test's loggers write to that test's standard output: a logger keeps the first that it sees."""
    logging.Logger.manager.loggerDict.pop("processor-dev", None)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """An environment in moto."""
    with fresh_cloud() as made:
        yield made
