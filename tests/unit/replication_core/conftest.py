"""What the replicator's tests share."""

import logging
from collections.abc import Iterator

import pytest

from tests.unit.replication_core.cloud import Cloud
from tests.unit.replication_core.cloud import cloud as fresh_cloud


@pytest.fixture(autouse=True)
def fresh_loggers() -> None:
    """Let each test's loggers write to that test's standard output: a logger keeps the first that it sees."""
    for name in ("replicator-dev", "notifier"):
        logging.Logger.manager.loggerDict.pop(name, None)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A versioned source and a target, in moto."""
    with fresh_cloud() as made:
        yield made
