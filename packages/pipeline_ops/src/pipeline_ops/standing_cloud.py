"""The local cloud that is up before a command and after it: the checkout's own, or one that an endpoint names."""

from collections.abc import Callable
from dataclasses import dataclass

import local_cloud
from local_cloud import ANYBODY, LocalCloud
from pipeline_ops.errors import OperatorError
from pipeline_ops.playground import Playground
from pipeline_ops.projects import Projects
from pipeline_ops.state import Backend, endpoint_backend
from pipeline_ops.where import LOCAL_STARTS

__all__ = ["StandingCloud", "standing_cloud"]


@dataclass(frozen=True)
class StandingCloud:
    """The cloud, and where the state of what is deployed to it is."""

    cloud: LocalCloud
    backend: Backend


def standing_cloud(projects: Projects, say: Callable[[str], None]) -> StandingCloud:
    """Return the local cloud that the command goes to; raises OperatorError where none is up, LocalCloudError too."""
    ours = Playground(projects.repository).running_at(projects.where.endpoint)
    endpoint = ours.endpoint if ours else projects.where.endpoint
    if endpoint is None:
        raise OperatorError(f"No local cloud is up: `{LOCAL_STARTS}` brings the whole system up.")
    credentials = ours.credentials if ours else ANYBODY
    cloud = local_cloud.start(endpoint, say, region=projects.region, credentials=credentials)
    backend = Backend(ours.state) if ours else endpoint_backend(projects.repository, cloud.endpoint)
    return StandingCloud(cloud, backend)
