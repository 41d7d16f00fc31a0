"""Reading another stack's contract, and the one place that decides what a stack is called."""

from collections.abc import Mapping
from typing import Any, TypeVar

import pulumi

from pipeline_common.contracts import Contract
from pipeline_common.environments import Environment

__all__ = ["StackOutputError", "read", "stack_name"]

Promised = TypeVar("Promised", bound=Contract)


class StackOutputError(pulumi.RunError):
    """A stack does not have an output that its contract promises; the message says which, and what deploys it."""


def stack_name(project: str, environment: Environment, organization: str | None = None) -> str:
    """Return a stack's full name, `<organization>/<project>/<environment>`.

    The organization is the running program's own unless one is given: on a file or bucket backend it is the literal
    `organization`, on Pulumi Cloud the real one.
    """
    return f"{organization or pulumi.get_organization()}/{project}/{environment}"


def read(contract: type[Promised], environment: Environment) -> pulumi.Output[Promised]:
    """Read the contract of an environment's stack, whole.

    The stack has to exist: for one that does not, the engine stops the program before it can say more. An output that
    is not there raises StackOutputError, which names the stack, the output and what to deploy.
    """
    name = stack_name(contract.PROJECT, environment)
    reference = pulumi.StackReference(f"{contract.PROJECT}-{environment.name}", stack_name=name)
    return reference.outputs.apply(lambda outputs: _parse(contract, environment, name, outputs))


def _parse(contract: type[Promised], environment: Environment, name: str, outputs: Mapping[str, Any]) -> Promised:
    if missing := contract.missing(outputs):
        raise StackOutputError(
            # Not as a command: a program doesn't know by which options it was reached.
            f"Stack {name} has no output {missing!r}: it was deployed by another release. "
            f"Deploy {contract.PROJECT} of {environment} first, then run this again."
        )
    return contract.parse(outputs)
