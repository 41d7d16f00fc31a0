"""Policies as people write them, read for a command."""

from pathlib import Path

from masking_policy.compiler import compile_policy
from masking_policy.faults import PolicyFileError
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.configured import configured_targets
from pipeline_ops.masking.policies import policy_in
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.routes.route import Route
from replication_core.masking.policy import MaskingPolicy, PolicyError

__all__ = ["configured_policy", "deployed_policy", "read_policy"]


def deployed_policy(route: Route) -> MaskingPolicy | None:
    """Return the policy that a route is deployed with, None where it masks nothing; raises OperatorError."""
    try:
        return policy_in(route.outputs.spec)
    except PolicyError as error:
        raise OperatorError(f"The policy of the route to {route.target} can't be read: {error}.") from error


def read_policy(route: Route, file: Path | None) -> MaskingPolicy:
    """Return the policy in a file, or the one that the route is deployed with where none is named.

    Raises OperatorError: with all that is wrong with a file, or for a route that masks nothing.
    """
    if file is not None:
        return _compiled(file)
    policy = deployed_policy(route)
    if policy is None:
        raise OperatorError(
            f"The route to {route.target} masks nothing: name a policy that is not deployed yet, --policy FILE.",
            MISUSED,
        )
    return policy


def configured_policy(projects: Projects, stack: StackId, target: str) -> MaskingPolicy:
    """Return the policy that the settings of the replication's stack name for a target.

    Raises OperatorError, as misuse, for a target that is not masked.
    """
    known = {each.environment: each for each in configured_targets(projects.settings(stack))}
    if target not in known or not known[target].is_masked:
        raise OperatorError(
            f"replication:targets names no policy for {target}: nothing of it is masked, and there is none to apply.",
            MISUSED,
        )
    return _compiled(projects.repository / known[target].masking)


def _compiled(file: Path) -> MaskingPolicy:
    try:
        return compile_policy(file.read_bytes(), str(file)).policy
    except PolicyFileError as error:
        raise OperatorError(f"{file} is no policy:", MISUSED, details=str(error).splitlines()) from error
