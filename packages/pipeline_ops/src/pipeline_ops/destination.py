"""Where a command goes: AWS, the checkout's running local cloud, another endpoint, or an emulator of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import local_cloud
from local_cloud import ANYBODY
from local_cloud.aws_provider import aws_provider
from pipeline_ops.deployment import Deployment, Listener
from pipeline_ops.errors import OperatorError
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.local import endpoint_backend, system_region
from pipeline_ops.playground import Playground
from pipeline_ops.projects import Projects
from pipeline_ops.state import Backend
from pipeline_ops.where import LOCAL_STARTS

__all__ = ["destination"]


@contextmanager
def destination(
    projects: Projects,
    *,
    may_begin: bool,
    on_event: Listener,
    on_progress: Callable[[str], None],
    interrupts: Interrupts,
) -> Iterator[Deployment]:
    """Give a Deployment for the block: to AWS, or to the local cloud that is asked for.

    Without an endpoint that is the checkout's own, where one is kept up, else an emulator for this block alone; what
    `may_begin` is False for, because nothing in an empty cloud is for it, is refused instead.
    """
    where = projects.where
    deploying: Any = {"where": where, "on_event": on_event, "on_progress": on_progress, "interrupts": interrupts}
    if not where.is_local:
        with Deployment(projects.repository, **deploying) as deployment:
            yield deployment
        return
    if where.fleeting and not may_begin:
        raise OperatorError(f"No local cloud is up: `{LOCAL_STARTS}` brings the whole system up.")
    provider = aws_provider(where.provider, os.environ)
    ours = Playground(projects.repository).running_at(where.endpoint)
    endpoint = ours.endpoint if ours else where.endpoint
    credentials = ours.credentials if ours else ANYBODY
    with local_cloud.start(endpoint, on_progress, region=system_region(projects), credentials=credentials) as cloud:
        backend = None
        if ours is not None:
            backend = Backend(ours.state)
        elif not cloud.owned:
            backend = endpoint_backend(projects.repository, cloud.endpoint)
        else:
            on_progress(f"This local cloud ends with the command; `{LOCAL_STARTS}` keeps one up.")
        with Deployment(projects.repository, cloud, provider=provider, backend=backend, **deploying) as deployment:
            yield deployment
