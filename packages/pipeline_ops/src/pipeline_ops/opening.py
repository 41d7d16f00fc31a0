"""What a command opens before it does anything: the checkout, the deployment it goes to, and the person to ask."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pipeline_common.contracts import Contract, MissingOutputError
from pipeline_ops.clients import Clients, aws_client
from pipeline_ops.deployment import Deployment
from pipeline_ops.destination import destination
from pipeline_ops.errors import OperatorError
from pipeline_ops.interrupts import Interrupts, ReadingInterrupts
from pipeline_ops.playground import Playground
from pipeline_ops.progress import Progress
from pipeline_ops.projects import Projects, StackId, find_repository
from pipeline_ops.terminal import console
from pipeline_ops.where import AWS, Where

__all__ = [
    "clients_of",
    "interrupt_notice",
    "open_deployment",
    "open_projects",
    "read_contract",
]

C = TypeVar("C", bound=Contract)


def open_projects(where: Where = AWS) -> Projects:
    """Return the projects of the checkout that this process is in, whose commands go where this one goes.

    Raises OperatorError outside a checkout.
    """
    repository = find_repository(Path.cwd())
    if where.local and where.endpoint is None and Playground(repository).running() is None:
        where = replace(where, fleeting=True)
    return Projects(repository, where)


@contextmanager
def open_deployment(
    projects: Projects, progress: Progress | None = None, *, may_begin: bool = False, changes: bool = False
) -> Iterator[Deployment]:
    """Give a Deployment for the block, with live progress on standard error.

    With `--local` and no local cloud up, what `may_begin` gets one of its own, and all else is refused.

    Where Pulumi `changes` something, Ctrl-C lets it finish what it is at; else it ends the command.

    Who passes a `progress` shows and finishes it: nothing else can be asked or drawn on a terminal before that.
    """
    with ExitStack() as stack:
        shown = progress or stack.enter_context(Progress(console(stderr=True)))
        noticed = Interrupts(lambda count: shown.say(interrupt_notice(count)))
        yield stack.enter_context(
            destination(
                projects,
                may_begin=may_begin,
                on_event=shown.on_event,
                on_progress=shown.say,
                interrupts=noticed if changes else ReadingInterrupts(),
            )
        )


def clients_of(deployment: Deployment) -> Clients:
    """Return what makes clients of the AWS that the deployment goes to."""
    return deployment.cloud.client if deployment.cloud else aws_client


def read_contract(deployment: Deployment, contract: type[C], stack: StackId) -> C:
    """Return what a deployed stack promises; raises OperatorError where it was deployed before the promise was made."""
    try:
        return contract.parse(deployment.outputs(stack.project, stack.environment))
    except MissingOutputError as error:
        helps = deployment.projects.command("deploy", stack)
        raise OperatorError(f"{stack} was deployed by another release, without {error.name}: `{helps}`.") from error


def interrupt_notice(count: int) -> str:
    """Say what the first Ctrl-C does, and what a second one would."""
    if count == 1:
        return "Interrupted: Pulumi finishes the resources it is at. Once more ends it at once, and may lose track."
    return "Interrupted again: Pulumi ends at once."
