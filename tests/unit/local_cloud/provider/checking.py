"""Asking the provider, without an API, what it makes of a resource's inputs."""

from collections.abc import Mapping
from typing import Any

from local_cloud.provider.configuration import Settings
from local_cloud.provider.lifecycle import Lifecycle
from local_cloud.provider.session import Session

__all__ = ["SEED", "lifecycle", "refusals"]

SEED = b"seed"


def lifecycle(token: str, **default_tags: str) -> Lifecycle:
    settings = Settings(
        region="eu-west-1",
        access_key="test",
        secret_key="test",
        endpoints={},
        default_tags=default_tags,
        allowed_account_ids=(),
    )
    return Lifecycle(token, Session(settings), lambda _message: None)


def refusals(token: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """What is refused, by path."""
    _, refused = lifecycle(token).check("name", {}, inputs, SEED)
    return {each.path: each.reason for each in refused}
