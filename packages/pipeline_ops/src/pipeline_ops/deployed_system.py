"""Contracts and clients of the deployed system, without Pulumi, for commands that only look; and `outputs`."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline_ops.account import check_account
from pipeline_ops.checkout import open_projects, standing_cloud
from pipeline_ops.clients import ClientMaker, aws_client
from pipeline_ops.history import History
from pipeline_ops.projects import ALL, Projects, StackId
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.state import aws_backend
from pipeline_ops.terminal import document, tell
from pipeline_ops.where import Where
from replication_core.aws.clients import read_any_headers

__all__ = ["DeployedSystem", "deployed_system", "outputs"]


@dataclass(frozen=True)
class DeployedSystem:
    """The stacks' outputs, and what makes clients of the cloud that they are in."""

    projects: Projects
    outputs: StackOutputs
    client: ClientMaker

    def history(self, stack: StackId) -> History:
        """Return the history of a stack's deploys."""
        return History(self.outputs.backend, stack, partial(tell, err=True))

    def check_account(self, stack: StackId) -> None:
        """Raise OperatorError where the stack is on AWS and the credentials are of another account than its own."""
        if not self.projects.where.is_local:
            check_account(stack, self.projects.settings(stack))


def deployed_system(projects: Projects) -> DeployedSystem:
    """Return what is deployed where the projects' commands go, and say on standard error what takes long."""
    read_any_headers()
    say = partial(tell, err=True)
    if projects.where.is_local:
        cloud, backend = standing_cloud(projects, say)
        return DeployedSystem(projects, StackOutputs(projects, backend, say), cloud.client)
    backend = aws_backend(projects.repository, os.environ)
    return DeployedSystem(projects, StackOutputs(projects, backend, say), aws_client)


def outputs(project: str, environment: str, where: Where, as_json: bool) -> None:
    """Print the stacks' outputs; those of one stack as one flat JSON object."""
    projects = open_projects(where)
    stacks = projects.select(project, environment)
    tell(*projects.left_out(project, environment), err=True)
    read = deployed_system(projects).outputs
    values = {str(stack): read.of(stack) for stack in stacks}
    if as_json:
        document(values if project == ALL else values[str(stacks[0])])
    else:
        tell(*list(_lines(values))[1:])


def _lines(outputs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for stack, values in outputs.items():
        width = max(map(len, values), default=0)
        yield from ("", stack)
        yield from (f"  {name:<{width}}  {value}" for name, value in sorted(values.items()))
