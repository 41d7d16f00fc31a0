"""The destination of a command that changes stacks: AWS, a local cloud that is up, or an emulator of its own."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pulumi.automation import EngineEvent

import local_cloud
from local_cloud.aws_provider import aws_provider
from pipeline_ops.checkout import standing_cloud
from pipeline_ops.deployment import Deployment, Listener
from pipeline_ops.interrupts import Interrupts, ReadingInterrupts, interrupt_notice
from pipeline_ops.progress import ProgressDisplay
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.terminal import console
from pipeline_ops.where import LOCAL_STARTS

__all__ = ["open_deployment"]


@contextmanager
def open_deployment(
    projects: Projects, *, may_begin: bool = False, changes: bool = False, also: Listener = lambda *_: None
) -> Iterator[Deployment]:
    """Give a Deployment for the block, with live progress on standard error, and its events told to `also`.

    With `--local` and no local cloud up, what `may_begin` gets one of its own, and all else is refused: nothing in an
    empty cloud is for it. Where Pulumi `changes` something, Ctrl-C lets it finish what it is at; else it ends the
    command.
    """
    where = projects.where
    with ProgressDisplay(console(stderr=True)) as progress, ExitStack() as stack:
        say = progress.say

        def on_event(of: StackId, operation: str, event: EngineEvent) -> None:
            progress.on_event(of, operation, event)
            also(of, operation, event)

        provider, cloud, backend = None, None, None
        if where.is_local:
            provider = aws_provider(where.provider, os.environ)
            if where.fleeting and may_begin:
                cloud = stack.enter_context(local_cloud.start(None, say, region=projects.region))
                say(f"This local cloud ends with the command; `{LOCAL_STARTS}` keeps one up.")
            else:
                cloud, backend = standing_cloud(projects, say)
        deployment = Deployment(
            projects.repository,
            cloud,
            provider=provider,
            backend=backend,
            where=where,
            on_event=on_event,
            on_progress=say,
            interrupts=Interrupts(lambda count: say(interrupt_notice(count))) if changes else ReadingInterrupts(),
        )
        yield stack.enter_context(deployment)
