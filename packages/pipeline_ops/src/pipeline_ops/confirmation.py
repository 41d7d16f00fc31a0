"""Confirmation of what can't be taken back."""

from collections.abc import Callable

from pipeline_common.contracts import ReplicationOutputs
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.projects import OF_ACCOUNTS, Projects, StackId

__all__ = ["confirm", "must_be_confirmed", "require_terminal"]


def must_be_confirmed(operation: str, stack: StackId, projects: Projects) -> bool:
    """Tell whether somebody has to agree to an operation on AWS.

    They do to any change to an account, or to an environment that is replicated from, and to every destroy but an
    instance's.
    """
    if projects.where.is_local or stack.suffix or operation == "preview":
        return False
    is_production = stack.environment in projects.environments(ReplicationOutputs.PROJECT)
    return is_production or stack.project in OF_ACCOUNTS or operation == "destroy"


def require_terminal(name: str, *, interactive: bool) -> None:
    """Raise OperatorError, as misuse, when nobody is there to confirm what has to be confirmed."""
    if not interactive:
        raise OperatorError(f"Nobody is at a terminal to confirm a change to {name}: say --yes.", MISUSED)


def confirm(name: str, question: str, *, ask: Callable[[str], str]) -> None:
    """Have the operator type `name`; raises OperatorError when something else is typed."""
    if ask(f"{question} Type {name} to go on").strip() != name:
        raise OperatorError(f"That was not {name}: nothing was changed.")
