"""A cloud for the provider's tests: an emulator of theirs, or the named cloud, where they make what they break."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import local_cloud
from local_cloud import LocalCloud
from tests.integration.provider.stacks import ProviderStack, temporary_stack

StackFactory = Callable[[str], AbstractContextManager[ProviderStack]]


@pytest.fixture(scope="session")
def provider_cloud(endpoint: str | None) -> Iterator[LocalCloud]:
    with local_cloud.start(endpoint, on_progress=print) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def make_stack(provider_cloud: LocalCloud, engine: Path, tmp_path_factory: pytest.TempPathFactory) -> StackFactory:
    return lambda name: temporary_stack(provider_cloud, engine, tmp_path_factory.mktemp(name), name)
