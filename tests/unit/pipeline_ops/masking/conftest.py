"""A replication by moto, as of the routes' own tests, and a policy of its two datasets."""

from dataclasses import replace
from typing import Any

import pytest

from replication_core.comparing.sides import Sides
from replication_core.masking.policy import MaskingPolicy
from tests.unit.pipeline_ops.routes.conftest import World, world

__all__ = ["KEEP", "PSEUDONYM", "a_policy", "masked_spec", "policy", "sides_of", "world"]

KEEP = {"rule": "keep", "line": 3, "reason": "no person"}
PSEUDONYM = {"rule": "pseudonym", "line": 4, "namespace": "customer", "prefix": "c_"}
_OPAQUE = {"body": {"opaque": "no person"}, "headers": {}, "metadata": {}, "tags": {}}


def a_policy(**more: Any) -> dict[str, Any]:
    """Return a compiled policy: customers' names in keys are pseudonyms, and of items what is noted is dropped."""
    rules = [
        {"match": "incoming/{customer}.csv", "line": 10, "key": {"customer": PSEUDONYM}, **_OPAQUE},
        {"match": "assets/**", "line": 14, "key": {}, **_OPAQUE},
    ]
    drop = {"rule": "drop", "line": 6}
    items = {"key": {"id": PSEUDONYM, "timestamp": KEEP}, "attributes": [["note", drop]], "where": []}
    return {
        "version": 1,
        "generation": 1,
        "unclassified": "refuse",
        "namespaces": ["customer"],
        "tables": {"items": {**items, "deletes": "mirror"}},
        "buckets": {"objects": {"rules": rules, "tags": [], "deletes": "mirror"}},
        "sample": None,
        "brake": None,
        **more,
    }


@pytest.fixture
def policy() -> MaskingPolicy:
    return MaskingPolicy.parse(a_policy())


def masked_spec(world: World, target: str = "dev", **more: Any) -> dict[str, Any]:
    """Return a route's specification as a document, with the policy."""
    spec = replace(world.settings, target=target, queue_url=world.url(target)).spec
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    return replace(spec, masking=a_policy(**more), mask_key_arn=key, brake_table="brake" * ("brake" in more)).document()


def sides_of(world: World) -> Sides:
    return Sides(
        route=world.settings.spec,
        source_s3=world.s3,
        target_s3=world.s3,
        source_dynamodb=world.dynamodb,
        target_dynamodb=world.dynamodb,
    )
