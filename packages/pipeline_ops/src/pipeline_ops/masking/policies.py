"""Policies as routes' specifications hold them."""

from collections.abc import Mapping
from typing import Any

from replication_core.masking.policy import MaskingPolicy, PolicyError
from replication_core.route_spec import RouteSpec, RouteSpecError

__all__ = ["policy_in"]


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
