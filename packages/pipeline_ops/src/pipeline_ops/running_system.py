"""The whole system, brought up in a local cloud."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from pulumi.automation import EngineEvent

import local_cloud
from local_cloud import LocalCloud
from local_cloud.aws_provider import aws_provider
from pipeline_ops.deployment import Deployment, where_of
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.state import endpoint_backend
from pipeline_ops.where import Where

__all__ = ["RunningSystem", "running_system", "waves"]


@dataclass(frozen=True)
class RunningSystem:
    """Every stack of the repository, deployed; `outputs` by `project/environment`."""

    cloud: LocalCloud
    deployment: Deployment
    outputs: Mapping[str, Mapping[str, Any]]


@contextmanager
def running_system(
    repository: Path,
    endpoint: str | None = None,
    *,
    provider: str | None = None,
    suffix: str | None = None,
    on_event: Callable[[StackId, str, EngineEvent], None] = lambda *_: None,
    on_progress: Callable[[str], None] = lambda _: None,
    interrupts: Interrupts | None = None,
) -> Iterator[RunningSystem]:
    """Bring every stack of the repository, or of the environments' instance, up in a local cloud for the block.

    The cloud is an emulator of this block's own, gone with all its contents afterwards. One that is named by its
    endpoint keeps what is deployed, and its state is kept under `.local/state`, so that the next time changes nothing.
    This process's environment is isolated inside the block. Raises OperatorError and LocalCloudError.
    """
    projects = Projects(repository, Where(suffix=suffix))
    chosen = aws_provider(provider, os.environ)
    with local_cloud.start(endpoint, on_progress, region=projects.region) as cloud:
        backend = None if cloud.owned else endpoint_backend(repository, cloud.endpoint)
        with Deployment(
            repository,
            cloud,
            provider=chosen,
            backend=backend,
            where=replace(where_of(cloud), suffix=suffix),
            on_event=on_event,
            on_progress=on_progress,
            interrupts=interrupts,
        ) as deployment:
            yield RunningSystem(cloud, deployment, _deploy_everything(deployment, on_progress))


def waves(projects: Projects) -> Iterator[list[StackId]]:
    """Yield every stack in groups: those of a group need only stacks of the groups before it."""
    stacks = projects.every_stack()
    # One that is not in the repository is said to be missing by the deployment of what needs it.
    order = TopologicalSorter({stack: set(projects.needs(stack)) & set(stacks) for stack in stacks})
    order.prepare()
    while group := order.get_ready():
        yield [stack for stack in stacks if stack in group]
        order.done(*group)


def _deploy_everything(deployment: Deployment, on_progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    outputs: dict[str, dict[str, Any]] = {}
    for group in waves(deployment.projects):
        on_progress(f"Deploying {', '.join(map(str, group))}")
        with deployment.interrupts.passed_on(), ThreadPoolExecutor(len(group)) as threads:
            futures = {stack: threads.submit(deployment.up, stack.project, stack.environment) for stack in group}
            outputs |= {str(stack): dict(future.result().outputs) for stack, future in futures.items()}
    return outputs
