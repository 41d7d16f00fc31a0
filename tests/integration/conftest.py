"""The deployed system, once for all tests that change data in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_ops import pulumi_cli
from pipeline_ops.errors import OperatorError
from pipeline_ops.local import RunningSystem, running_system
from tests.integration.mirror import Mirror

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine() -> Path:
    """The Pulumi CLI; where none can be had, what needs it is skipped with the reason."""
    try:
        return pulumi_cli.ensure(print)
    except OperatorError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def system(engine: Path) -> Iterator[RunningSystem]:
    """Every stack, deployed into an emulator of this session's own."""
    with running_system(ROOT) as running:
        yield running


@pytest.fixture(scope="session")
def mirror(system: RunningSystem) -> Mirror:
    return Mirror(system.cloud, system.outputs)
