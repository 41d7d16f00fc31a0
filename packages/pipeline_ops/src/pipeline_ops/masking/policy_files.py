"""Policies as people write them, read for a command."""

from pathlib import Path

from masking_policy.compiler import compile_policy
from masking_policy.faults import PolicyFileError
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.policies import policy_in
from pipeline_ops.routes.route import Route
from replication_core.masking.policy import MaskingPolicy, PolicyError

__all__ = ["read_policy"]


def read_policy(route: Route, file: Path | None) -> MaskingPolicy:
    """Return the policy in a file, or the one that the route is deployed with where none is named.

    Raises OperatorError: with all that is wrong with a file, or for a route that masks nothing.
    """
    if file is not None:
        try:
            return compile_policy(file.read_bytes(), str(file)).policy
        except PolicyFileError as error:
            raise OperatorError(f"{file} is no policy:", MISUSED, details=str(error).splitlines()) from error
    try:
        policy = policy_in(route.outputs.spec)
    except PolicyError as error:
        raise OperatorError(f"The policy of the route to {route.target} can't be read: {error}.") from error
    if policy is None:
        raise OperatorError(
            f"The route to {route.target} masks nothing: name a policy that is not deployed yet, --policy FILE.",
            MISUSED,
        )
    return policy
