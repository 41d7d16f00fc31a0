"""Policies as routes' specifications hold them."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from replication_core.masking.policy import MaskingPolicy, PolicyError, canonical
from replication_core.route_spec import RouteSpec, RouteSpecError

__all__ = ["digest_of", "fingerprints", "policy_in"]

_DIGEST_CHARACTERS = 24


def policy_in(document: Mapping[str, Any] | None) -> MaskingPolicy | None:
    """Return the policy in a route's specification, as a document; None where that masks nothing, or is not there.

    Raises PolicyError where that can't be told.
    """
    if not document:
        return None
    try:
        masking = RouteSpec.parse(document).masking
    except RouteSpecError as error:
        raise PolicyError(str(error)) from error
    return MaskingPolicy.parse(masking) if masking else None


def fingerprints(policy: MaskingPolicy) -> Iterator[tuple[str, str, str]]:
    """Yield what replicas tell of a policy: by dataset and, in a bucket, by the rule's pattern."""
    for name in policy.tables:
        yield name, "", policy.fingerprint(name)
    for name, bucket in policy.buckets.items():
        for rule in bucket.rules:
            yield name, rule.match, policy.fingerprint(name, rule)


def digest_of(policy: MaskingPolicy) -> str:
    """Return what tells a whole policy from another by which some replica is another."""
    told = canonical(sorted(map(list, fingerprints(policy))))
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGEST_CHARACTERS]
