"""The policies of routes: those that they are deployed with, and those in the files that people write."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from masking_policy.compiler import CheckedPolicy, compile_policy
from masking_policy.faults import Fault, PolicyFileError
from masking_policy.stored import StoredData
from pipeline_ops.configured_targets import TARGETS, configured_targets
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.routes.route import Route
from replication_core.masking.policy import MaskingPolicy, PolicyError
from replication_core.route_spec import RouteSpec, RouteSpecError

__all__ = [
    "compile_file",
    "configured_policy",
    "deployed_policy",
    "policy_in",
    "read_policy",
    "required_policy",
]


def policy_in(document: Mapping[str, Any] | None) -> MaskingPolicy | None:
    """Return the policy in a route's specification, as a document; None where that masks nothing, or is not there.

    Raises PolicyError where that can't be told.
    """
    try:
        return RouteSpec.parse(document).policy if document else None
    except RouteSpecError as error:
        raise PolicyError(str(error)) from error


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
        with required_policy(str(file), MISUSED):
            return compile_file(file, str(file)).policy
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
    for each in configured_targets(projects.settings(stack)):
        if each.environment == target and each.is_masked:
            with required_policy(each.masking, MISUSED):
                return compile_file(projects.repository / each.masking, each.masking).policy
    raise OperatorError(
        f"{TARGETS} names no policy for {target}: nothing of it is masked, and there is none to apply.", MISUSED
    )


def compile_file(path: Path, file: str, stored: StoredData | None = None) -> CheckedPolicy:
    """Return what a policy's file says; `file` is what its faults call it.

    Raises PolicyFileError with all that is wrong with it, also where it can't be read.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        what, fix = f"can't be read ({error.strerror})", "write it, or name the file that is there"
        raise PolicyFileError((Fault(file, 0, "", what, fix),)) from error
    return compile_policy(text, file, stored)


@contextmanager
def required_policy(file: str, exit_code: int) -> Iterator[None]:
    """Raise OperatorError, with all that is wrong, for a file that turns out to be no policy."""
    try:
        yield
    except PolicyFileError as error:
        raise OperatorError(f"{file} is no policy:", exit_code, details=str(error).splitlines()) from error
