"""Contracts and clients of the deployed system, without Pulumi, for commands that only look."""

import os
from dataclasses import dataclass
from functools import partial

from pipeline_ops.account import check_account
from pipeline_ops.clients import ClientMaker, aws_client
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.standing_cloud import standing_cloud
from pipeline_ops.state import aws_backend
from pipeline_ops.terminal import tell
from replication_core.aws.clients import allow_many_headers

__all__ = ["DeployedSystem", "deployed_system"]


@dataclass(frozen=True)
class DeployedSystem:
    """The stacks' outputs, and what makes clients of the cloud that they are in."""

    projects: Projects
    outputs: StackOutputs
    client: ClientMaker

    def check_account(self, stack: StackId) -> None:
        """Raise OperatorError where the stack is on AWS and the credentials are of another account than its own."""
        if not self.projects.where.is_local:
            check_account(stack, self.projects.settings(stack))


def deployed_system(projects: Projects) -> DeployedSystem:
    """Return what is deployed where the projects' commands go, and say on standard error what takes long.

    Raises OperatorError where no such local cloud is up.
    """
    allow_many_headers()
    say = partial(tell, err=True)
    if projects.where.is_local:
        there = standing_cloud(projects, say)
        return DeployedSystem(projects, StackOutputs(projects, there.backend, say), there.cloud.client)
    backend = aws_backend(projects.repository, os.environ)
    return DeployedSystem(projects, StackOutputs(projects, backend, say), aws_client)
