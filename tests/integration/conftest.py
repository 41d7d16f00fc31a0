"""The deployed system, once for all tests that change data in it, in an emulator or in a cloud that is already up."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import local_cloud
from local_cloud import LocalCloud
from local_cloud.endpoint import normalize
from local_cloud.errors import LocalCloudError
from pipeline_ops import pulumi_cli
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects
from pipeline_ops.running_system import RunningSystem, running_system
from tests.integration.mirror import Mirror
from tests.integration.probes import lacks
from tests.integration.repositories import ROOT, disposable, unmasked_repository
from tests.named_endpoint import named_in

ENDPOINT = pytest.StashKey[str | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--endpoint",
        metavar="URL",
        help="a LocalStack or MiniStack that is up, where the system is deployed for the tests and destroyed after "
        "them; by default the one that AWS_ENDPOINT_URL or LOCALSTACK_HOST names, else an emulator of the tests' own",
    )


def named_endpoint(config: pytest.Config) -> str | None:
    # An option of pytest's is known only where this folder is named: `pytest tests` goes by the variables alone.
    given: str | None = config.getoption("endpoint", None) or named_in(os.environ)
    return given


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    # The files share a cloud that is named, where their stacks would be the same ones.
    return 1 if named_endpoint(config) else None


def pytest_configure(config: pytest.Config) -> None:
    given = named_endpoint(config)
    try:
        endpoint = normalize(given) if given else None
        if endpoint is not None:
            local_cloud.start(endpoint)
    except LocalCloudError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[ENDPOINT] = endpoint


def pytest_report_header(config: pytest.Config) -> str:
    endpoint = config.stash[ENDPOINT]
    if endpoint is None:
        return "integration tests: in an emulator of their own"
    named_by = "--endpoint" if config.getoption("endpoint", None) else "the environment"
    return f"integration tests: at {endpoint}, which {named_by} names"


def pytest_runtest_setup(item: pytest.Item) -> None:
    endpoint = item.config.stash[ENDPOINT]
    if endpoint is None:
        return
    if item.get_closest_marker("own_cloud"):
        pytest.skip("needs a cloud of its own: run it without an endpoint")
    for mark in item.iter_markers("needs"):
        if reason := lacks(endpoint, mark.args[0]):
            pytest.skip(f"seen at {endpoint}: {reason}")


@pytest.fixture(scope="session")
def endpoint(pytestconfig: pytest.Config) -> str | None:
    """The cloud that was named, or None where the tests start an emulator."""
    return pytestconfig.stash[ENDPOINT]


@pytest.fixture(scope="session")
def engine() -> Path:
    """The Pulumi CLI; where none can be had, what needs it is skipped with the reason."""
    try:
        return pulumi_cli.ensure(print)
    except OperatorError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def system(engine: Path, endpoint: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Every stack, whose routes mask nothing: in an emulator of this session's own, or for a while in a named cloud."""
    folder = tmp_path_factory.mktemp("repository")
    if endpoint is None:
        with running_system(unmasked_repository(folder)) as running:
            yield running
        return
    with running_system(disposable(unmasked_repository(folder)), endpoint) as running:
        try:
            yield running
        finally:
            for stack in reversed(running.deployment.projects.every_stack()):
                running.deployment.destroy(stack.project, stack.environment)


@pytest.fixture
def empty_cloud(engine: Path) -> Iterator[LocalCloud]:
    """An emulator of the test's own."""
    with local_cloud.start(region=Projects(ROOT).region) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def mirror(system: RunningSystem) -> Mirror:
    return Mirror(system.cloud, system.outputs)
