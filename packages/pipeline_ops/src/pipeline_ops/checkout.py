"""The checkout of the pipeline that a command is run in, and the local cloud that is up for it."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import local_cloud
from local_cloud import ANYBODY
from pipeline_ops.errors import OperatorError
from pipeline_ops.playground import Playground
from pipeline_ops.projects import Projects, find_repository
from pipeline_ops.state import Backend, aws_backend, endpoint_backend
from pipeline_ops.where import AWS, LOCAL_STARTS, Where

if TYPE_CHECKING:
    from local_cloud import LocalCloud

__all__ = ["open_projects", "standing_cloud", "state_of"]


def open_projects(where: Where = AWS) -> Projects:
    """Return the projects of the checkout that this process is in, whose commands go where this one goes."""
    repository = find_repository(Path.cwd())
    if where.local and where.endpoint is None and Playground(repository).running() is None:
        where = replace(where, fleeting=True)
    return Projects(repository, where)


def standing_cloud(projects: Projects, say: Callable[[str], None]) -> tuple["LocalCloud", Backend]:
    """Return the local cloud that is up where the command goes, and where the state of what is deployed to it is.

    Raises OperatorError where none is up, LocalCloudError too.
    """
    ours = Playground(projects.repository).running_at(projects.where.endpoint)
    endpoint = ours.endpoint if ours else projects.where.endpoint
    if endpoint is None:
        raise OperatorError(f"No local cloud is up: `{LOCAL_STARTS}` brings the whole system up.")
    credentials = ours.credentials if ours else ANYBODY
    cloud = local_cloud.start(endpoint, say, region=projects.region, credentials=credentials)
    return cloud, Backend(ours.state) if ours else endpoint_backend(projects.repository, cloud.endpoint)


def state_of(projects: Projects) -> Backend | None:
    """Return where the state is of what is deployed where the command goes; None of a cloud that is not up."""
    if not projects.where.is_local:
        return aws_backend(projects.repository, os.environ)
    if ours := Playground(projects.repository).running_at(projects.where.endpoint):
        return Backend(ours.state)
    endpoint = projects.where.endpoint
    return endpoint_backend(projects.repository, endpoint) if endpoint else None
