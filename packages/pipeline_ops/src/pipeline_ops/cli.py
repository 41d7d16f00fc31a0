"""`python -m pipeline_ops`: the commands of the operator. What they do is in the other modules; here they are wired."""

import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.account import check_account
from pipeline_ops.confirm import confirm, must_be_confirmed, require_terminal
from pipeline_ops.demo import run_demo
from pipeline_ops.deployment import Result
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.local import running_system
from pipeline_ops.opening import (
    clients_of,
    interrupt_notice,
    open_deployment,
    open_projects,
    read_contract,
)
from pipeline_ops.options import (
    KEY,
    Command,
    Commands,
    Number,
    endpoint_option,
    json_option,
    provider_option,
    where_options,
    yes_option,
)
from pipeline_ops.playground import Playground
from pipeline_ops.process import WAIT_SECONDS
from pipeline_ops.process import process as process_object
from pipeline_ops.progress import Progress
from pipeline_ops.projects import ALL, Projects, StackId
from pipeline_ops.report import outputs_document, outputs_lines, results_document, summaries
from pipeline_ops.routes.commands import COMMANDS
from pipeline_ops.terminal import ask, at_terminal, console, document, survive_encodings, tell
from pipeline_ops.where import LOCAL_STOPS, Where
from replication_core.aws.clients import allow_many_headers

__all__ = ["cli", "main"]

_ALIVE_SECONDS = 1.0
_BEGINNING = {"deploy", "preview"}
"""What can be done in a cloud that is empty."""


def _target_options(command: Command) -> Command:
    """Add what every command on stacks takes."""
    environment = click.argument("environment")
    return click.argument("project")(environment(where_options(command)))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Deploy the data pipeline's stacks and operate its replication, on AWS or on a local cloud.

    PROJECT is a folder of projects/, or `all` for every project of the environment in dependency order. The first
    Ctrl-C lets Pulumi finish the resources it is at; a second one ends it at once, which can leave resources behind
    that its state does not know.
    """
    allow_many_headers()


@cli.command()
@_target_options
@provider_option
@yes_option
def deploy(
    project: str, environment: str, local: bool, endpoint: str | None, provider: str | None, as_json: bool, yes: bool
) -> None:
    """Make the stacks what the code and the configuration say."""
    _operate("deploy", project, environment, Where(local, endpoint, provider=provider), as_json=as_json, yes=yes)


@cli.command()
@_target_options
@provider_option
def preview(
    project: str, environment: str, local: bool, endpoint: str | None, provider: str | None, as_json: bool
) -> None:
    """Say what a deploy would change."""
    _operate("preview", project, environment, Where(local, endpoint, provider=provider), as_json=as_json, yes=True)


@cli.command()
@_target_options
@provider_option
@yes_option
def refresh(
    project: str, environment: str, local: bool, endpoint: str | None, provider: str | None, as_json: bool, yes: bool
) -> None:
    """Make the state what is really there."""
    _operate("refresh", project, environment, Where(local, endpoint, provider=provider), as_json=as_json, yes=yes)


@cli.command()
@_target_options
@provider_option
@yes_option
def destroy(
    project: str, environment: str, local: bool, endpoint: str | None, provider: str | None, as_json: bool, yes: bool
) -> None:
    """Remove all that the stacks have made."""
    _operate("destroy", project, environment, Where(local, endpoint, provider=provider), as_json=as_json, yes=yes)


@cli.command()
@_target_options
def outputs(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool) -> None:
    """Print the stacks' outputs; those of one stack as one flat JSON object."""
    where = Where(local, endpoint)
    projects = open_projects(where)
    stacks = _chosen(projects, project, environment)
    with open_deployment(projects) as deployment:
        values = {str(stack): deployment.outputs(stack.project, stack.environment) for stack in stacks}
    if as_json:
        document(outputs_document(values, single=project != ALL))
    else:
        tell(*outputs_lines(values))


@cli.command()
@_target_options
@yes_option
def unlock(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool, yes: bool) -> None:
    """Remove the lock of a run that no longer runs."""
    where = Where(local, endpoint)
    projects = open_projects(where)
    stack = projects.stack(project, environment)
    if not yes:
        require_terminal(str(stack), interactive=at_terminal())
        confirm(str(stack), f"No other run on {stack} may be going on.", ask=ask)
    with open_deployment(projects) as deployment:
        deployment.unlock(stack.project, stack.environment)
    if as_json:
        document(results_document([]))
    else:
        tell(f"{stack}: unlocked")


@cli.command()
@click.argument("environment")
@click.argument("key", type=KEY)
@where_options
@click.option("--wait", type=Number(min=0), default=WAIT_SECONDS, metavar="SECONDS", help="Follow it for so long.")
def process(environment: str, key: str, local: bool, endpoint: str | None, as_json: bool, wait: float) -> None:
    """Have the environment's processor process the object KEY, and say what came of it."""
    where = Where(local, endpoint)
    projects = open_projects(where)
    stack = projects.stack(ProcessingOutputs.PROJECT, environment)
    if not where.is_local:
        check_account(stack, projects.settings(stack))
    with open_deployment(projects) as deployment:
        outputs = read_contract(deployment, ProcessingOutputs, stack)
        run = process_object(
            outputs, clients_of(deployment), key, on_progress=deployment.on_progress, wait_seconds=wait
        )
    if as_json:
        document(dict(run.summary))
    else:
        tell(run.sentence())
    if not run.succeeded:
        sys.exit(FAILED)


@cli.command()
@click.option("--detach", is_flag=True, help="Return once it is up, and leave it up.")
@click.option("--stop", is_flag=True, help="End the one that is up.")
@endpoint_option
@provider_option
def local(detach: bool, stop: bool, endpoint: str | None, provider: str | None) -> None:
    """Bring the whole system up on this machine, until Ctrl-C; .local/cloud.json says where it is."""
    if stop and (detach or endpoint or provider):
        raise OperatorError("--stop ends the one that is up, and goes with no other option.", MISUSED)
    repository = open_projects().repository
    playground = Playground(repository)
    if stop:
        tell("The local cloud has ended." if playground.stop() else "No local cloud is up.")
    elif detach:
        with Progress(console(stderr=True)) as progress:
            given = {"--endpoint": endpoint, "--provider": provider}
            arguments = [word for name, value in given.items() if value for word in (name, value)]
            running = playground.detach(arguments, progress.say)
        tell(f"The local cloud is up at {running.endpoint}: {playground.description}")
        tell(f"`{LOCAL_STOPS}` ends it.")
    else:
        _hold(repository, playground, endpoint, provider)


@cli.command()
@endpoint_option
@provider_option
@json_option
def demo(endpoint: str | None, provider: str | None, as_json: bool) -> None:
    """Deploy everything on this machine, change production's data and show it arrive."""
    interrupts = Interrupts()
    with (
        Progress(console(stderr=True)) as progress,
        running_system(
            open_projects().repository,
            endpoint,
            provider=provider,
            on_event=progress.on_event,
            on_progress=progress.say,
            interrupts=interrupts,
        ) as system,
    ):
        progress.finish()
        code = run_demo(system, console(), as_json)
    sys.exit(code)


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command that this process's arguments name."""
    # Of an engine that was killed, the command tells in a sentence what Pulumi's SDK warns of by its own line number.
    warnings.filterwarnings("ignore", message="Error in event stream")
    survive_encodings()
    cli(prog_name="pipeline")


def _chosen(projects: Projects, project: str, environment: str) -> tuple[StackId, ...]:
    stacks = projects.select(project, environment)
    for name in projects.left_out(environment) if project == ALL else ():
        tell(f"{name} is left out: it has no Pulumi.{environment}.yaml.", err=True)
    return stacks


def _operate(name: str, project: str, environment: str, where: Where, *, as_json: bool, yes: bool) -> None:
    if where.provider and not where.is_local:
        raise OperatorError("--provider goes with --local or --endpoint: on AWS it is the official one.", MISUSED)
    projects = open_projects(where)
    stacks = _chosen(projects, project, environment)
    if name == "destroy":
        stacks = stacks[::-1]
    asks = not yes and must_be_confirmed(name, environment, local=where.is_local)
    if asks:
        require_terminal(f"{project}/{environment}", interactive=at_terminal())
    accounts = [] if where.is_local else [check_account(stack, projects.settings(stack)) for stack in stacks]
    if asks:
        account = " and ".join(sorted(set(accounts)))
        question = f"This is to {name} {' and '.join(map(str, stacks))} in AWS account {account}."
        confirm(f"{project}/{environment}", question, ask=ask)
    with open_deployment(projects, may_begin=name in _BEGINNING, changes=name != "preview") as deployment:
        run: Callable[[str, str], Result] = getattr(deployment, "up" if name == "deploy" else name)
        results = [run(stack.project, stack.environment) for stack in stacks]
    if as_json:
        document(results_document(results))
    else:
        tell(*summaries(results))


def _hold(repository: Path, playground: Playground, endpoint: str | None, provider: str | None) -> None:
    with playground.held(), Progress(console(stderr=True)) as progress:
        interrupts = Interrupts(lambda count: progress.say(interrupt_notice(count)))
        with running_system(
            repository,
            endpoint,
            provider=provider,
            on_event=progress.on_event,
            on_progress=progress.say,
            interrupts=interrupts,
        ) as system:
            playground.describe(system)
            progress.say(
                f"The whole system is up at {system.cloud.endpoint}: {playground.description}. Ctrl-C ends it."
            )
            if not _wait_for_signal(system.cloud.is_alive):
                raise OperatorError(f"The emulator at {system.cloud.endpoint} has ended by itself.")


def _wait_for_signal(is_alive: Callable[[], bool]) -> bool:
    """Wait for SIGINT or SIGTERM; False when what is held ended by itself."""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not asked.wait(_ALIVE_SECONDS):
            if not is_alive():
                return False
        return True
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
