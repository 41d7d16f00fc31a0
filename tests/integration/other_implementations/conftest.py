"""A source and a target in implementations of S3 and DynamoDB that nobody here has written."""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from local_cloud import ANYBODY
from local_cloud.environment import isolated_environment, only_environment
from pipeline_ops.go_program import BuildError
from tests.integration.other_implementations.servers import MissingError, Server, dynalite, versitygw
from tests.integration.other_implementations.sites import REGION, Site


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Versity's gateway; where it can't be had, what needs it is skipped with the reason."""
    try:
        with versitygw(tmp_path_factory.mktemp("versitygw")) as server:
            yield server
    except BuildError as error:
        pytest.skip(f"versitygw can't be built here: {error}")
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def dynamodb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Dynalite; where it can't be had, what needs it is skipped with the reason."""
    try:
        with dynalite(tmp_path_factory.mktemp("dynalite")) as server:
            yield server
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def make_site(request: pytest.FixtureRequest) -> Iterator[Callable[..., Site]]:
    """Make a site of buckets, or of tables, or both, as the test's fixtures have servers for; its environment holds."""
    names = request.fixturenames
    s3 = request.getfixturevalue("s3_server") if "s3_server" in names else None
    dynamodb = request.getfixturevalue("dynamodb_server") if "dynamodb_server" in names else None
    credentials = s3.credentials if s3 else ANYBODY
    environment = isolated_environment(
        os.environ, endpoint="http://127.0.0.1:9", region=REGION, credentials=credentials
    )
    environment |= {"AWS_ENDPOINT_URL_S3": s3.endpoint} if s3 else {}
    environment |= {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb.endpoint} if dynamodb else {}
    with only_environment(environment):
        yield lambda **options: Site.make(uuid.uuid4().hex[:8], s3, dynamodb, **options)
