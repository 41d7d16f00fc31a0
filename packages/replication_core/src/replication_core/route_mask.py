"""A route's mask, made when it is first needed: of the policy in its specification, and of its key in KMS."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from replication_core.aws.errors import StoreError
from replication_core.aws.route_key import RouteKey
from replication_core.route_spec import RouteSpec

if TYPE_CHECKING:
    from replication_core.masking.mask import Mask

__all__ = ["Masking", "mask_of", "route_mask", "unmasked"]

Masking = Callable[[], "Mask | None"]
"""Returns a route's mask, always the same; None of a route that masks nothing.

Raises a retryable StoreError while it can't be made: then nothing may be written.
"""


def unmasked() -> None:
    """Return the mask of a route that masks nothing."""
    return


def route_mask(route: RouteSpec, kms: Any) -> Masking:
    """Return what makes the route's mask; KMS is never called for a route that masks nothing."""
    return mask_of(route.masking, RouteKey(kms=kms, arn=route.mask_key_arn))


def mask_of(masking: Mapping[str, Any], key: RouteKey) -> Masking:
    """Return what makes the mask of a compiled policy, which is empty where nothing is masked."""
    if not masking:
        return unmasked

    @cache
    def made(root: bytes) -> "Mask":
        from replication_core.masking.mask import Mask  # noqa: PLC0415 - a route that masks nothing loads none
        from replication_core.masking.policy import MaskingPolicy  # noqa: PLC0415
        from replication_core.masking.pseudonyms import Pseudonyms  # noqa: PLC0415

        policy = MaskingPolicy.parse(masking)
        return Mask(policy, Pseudonyms(root, policy.generation))

    def mask() -> "Mask":
        try:
            return made(key.root())
        except ValueError as error:
            raise StoreError("MaskPolicy", f"nothing can be masked: {error}") from error

    return mask
