"""Where a command goes: AWS, the checkout's running local cloud, another endpoint, or an emulator of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import local_cloud
from local_cloud import ANYBODY
from pipeline_ops.deployment import Deployment, Listener
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.local import endpoint_backend, system_region
from pipeline_ops.playground import Playground
from pipeline_ops.projects import Projects
from pipeline_ops.state import Backend

__all__ = ["AWS", "Where", "destination"]


@dataclass(frozen=True)
class Where:
    """What the operator asked for: AWS, unless `local` or an `endpoint` says otherwise."""

    local: bool = False
    endpoint: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether AWS is left alone."""
        return self.local or self.endpoint is not None

    @property
    def options(self) -> tuple[str, ...]:
        """The options by which a command goes to the same place."""
        if self.endpoint is not None:
            return ("--endpoint", self.endpoint)
        return ("--local",) if self.local else ()


AWS = Where()
"""Where a command goes unless it is told otherwise."""


@contextmanager
def destination(
    projects: Projects,
    where: Where,
    *,
    on_event: Listener,
    on_progress: Callable[[str], None],
    interrupts: Interrupts,
) -> Iterator[Deployment]:
    """Give a Deployment for the block: to AWS, or to the local cloud that is asked for.

    Without an endpoint that is the checkout's own, where one is kept up, else an emulator for this block alone.
    """
    if not where.is_local:
        with Deployment(
            projects.repository, on_event=on_event, on_progress=on_progress, interrupts=interrupts
        ) as deployment:
            yield deployment
        return
    running = Playground(projects.repository).running()
    endpoint = where.endpoint or (running.endpoint if running else None)
    ours = running if running is not None and running.endpoint == endpoint else None
    credentials = ours.credentials if ours else ANYBODY
    with local_cloud.start(endpoint, on_progress, region=system_region(projects), credentials=credentials) as cloud:
        backend = None
        if ours is not None:
            backend = Backend(ours.state)
        elif not cloud.owned:
            backend = endpoint_backend(projects.repository, cloud.endpoint)
        else:
            on_progress("This local cloud ends with the command; `nox -s local` keeps one up.")
        with Deployment(
            projects.repository,
            cloud,
            backend=backend,
            on_event=on_event,
            on_progress=on_progress,
            interrupts=interrupts,
        ) as deployment:
            yield deployment
