"""`python -m pipeline_ops`: the commands of the operator. What they do is in the other modules; here they are wired."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console

from local_cloud import LocalCloudError
from pipeline_common.contracts import ProcessingOutputs
from pipeline_common.environments import Environment
from pipeline_ops.account import check_account
from pipeline_ops.confirm import confirm, must_be_confirmed, require_terminal
from pipeline_ops.demo import run_demo
from pipeline_ops.deployment import Deployment, Result
from pipeline_ops.destination import AWS, Where, destination
from pipeline_ops.errors import FAILED, OperatorError
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.local import running_system
from pipeline_ops.playground import Playground
from pipeline_ops.process import WAIT_SECONDS, aws_client
from pipeline_ops.process import process as process_object
from pipeline_ops.progress import Progress
from pipeline_ops.projects import ALL, Projects, find_repository
from pipeline_ops.report import outputs_json, outputs_text, results_json, summary

__all__ = ["cli", "main"]

_ALIVE_SECONDS = 1.0
_JSON = "as_json"


def _show(error: Exception, *, as_json: bool) -> None:
    click.echo(str(error), err=True)
    if as_json:
        click.echo(json.dumps({"error": str(error)}))


class _Commands(click.Group):
    """A group whose commands fail with a sentence and an exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (OperatorError, LocalCloudError) as error:
            code = error.exit_code if isinstance(error, OperatorError) else FAILED
            _show(error, as_json=_JSON in ctx.meta)
            ctx.exit(code)


def _remember_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value:
        ctx.meta[_JSON] = True  # shared by a context and its parents, where errors are shown
    return value


Command = Callable[..., None]


def _where_options(command: Command) -> Command:
    """Add where a command goes, and how it answers."""
    decorators = (
        click.option("--local", is_flag=True, help="Go to a local cloud: the one that is up, else one of its own."),
        click.option("--endpoint", metavar="URL", help="Go to this LocalStack or MiniStack."),
        _json_option,
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def _target_options(command: Command) -> Command:
    """Add what every command on stacks takes."""
    environment = click.argument("environment", type=click.Choice([name.value for name in Environment]))
    return click.argument("project")(environment(_where_options(command)))


_json_option = click.option(
    "--json", _JSON, is_flag=True, callback=_remember_json, help="Print one JSON document on standard output."
)
_yes_option = click.option("--yes", is_flag=True, help="Do not ask, not even for prod.")
_endpoint_option = click.option("--endpoint", metavar="URL", help="Use this LocalStack or MiniStack, and leave it up.")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Deploy the data pipeline's stacks, to AWS or to a local cloud.

    PROJECT is a folder of projects/, or `all` for every project of the environment in dependency order. The first
    Ctrl-C lets Pulumi finish the resources it is at; a second one ends it at once, which can leave resources behind
    that its state does not know.
    """


@cli.command()
@_target_options
@_yes_option
def deploy(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool, yes: bool) -> None:
    """Make the stacks what the code and the configuration say."""
    _operate("deploy", project, environment, Where(local, endpoint), as_json=as_json, yes=yes)


@cli.command()
@_target_options
def preview(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool) -> None:
    """Say what a deploy would change."""
    _operate("preview", project, environment, Where(local, endpoint), as_json=as_json, yes=True)


@cli.command()
@_target_options
@_yes_option
def refresh(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool, yes: bool) -> None:
    """Make the state what is really there."""
    _operate("refresh", project, environment, Where(local, endpoint), as_json=as_json, yes=yes)


@cli.command()
@_target_options
@_yes_option
def destroy(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool, yes: bool) -> None:
    """Remove all that the stacks have made."""
    _operate("destroy", project, environment, Where(local, endpoint), as_json=as_json, yes=yes)


@cli.command()
@_target_options
def outputs(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool) -> None:
    """Print the stacks' outputs; those of one stack as one flat JSON object."""
    where = Where(local, endpoint)
    projects = _projects(where)
    stacks = projects.select(project, environment)
    with _deployment(projects, where) as deployment:
        values = {str(stack): deployment.outputs(stack.project, stack.environment) for stack in stacks}
    click.echo(outputs_json(values, single=project != ALL) if as_json else outputs_text(values))


@cli.command()
@_target_options
@_yes_option
def unlock(project: str, environment: str, local: bool, endpoint: str | None, as_json: bool, yes: bool) -> None:
    """Remove the lock of a run that no longer runs."""
    where = Where(local, endpoint)
    projects = _projects(where)
    stack = projects.stack(project, environment)
    if not yes:
        require_terminal(str(stack), interactive=_at_terminal())
        confirm(str(stack), f"No other run on {stack} may be going on.", ask=_ask)
    with _deployment(projects, where) as deployment:
        deployment.unlock(stack.project, stack.environment)
    click.echo(results_json([]) if as_json else f"{stack}: unlocked")


@cli.command()
@click.argument("environment", type=click.Choice([name.value for name in Environment]))
@click.argument("key")
@_where_options
@click.option(
    "--wait", type=click.FloatRange(min=0), default=WAIT_SECONDS, metavar="SECONDS", help="Follow it for so long."
)
def process(environment: str, key: str, local: bool, endpoint: str | None, as_json: bool, wait: float) -> None:
    """Have the environment's processor process the object KEY, and say what came of it."""
    where = Where(local, endpoint)
    projects = _projects(where)
    stack = projects.stack(ProcessingOutputs.PROJECT, environment)
    if not where.is_local:
        check_account(stack, projects.config(stack))
    with _deployment(projects, where) as deployment:
        outputs = ProcessingOutputs.parse(deployment.outputs(stack.project, stack.environment))
        client = deployment.cloud.client if deployment.cloud else aws_client
        run = process_object(outputs, client, key, on_progress=deployment.on_progress, wait_seconds=wait)
    click.echo(json.dumps(dict(run.summary), indent=2, ensure_ascii=False) if as_json else run.sentence())
    if not run.succeeded:
        sys.exit(FAILED)


@cli.command()
@click.option("--detach", is_flag=True, help="Return once it is up, and leave it up.")
@click.option("--stop", is_flag=True, help="End the one that is up.")
@_endpoint_option
def local(detach: bool, stop: bool, endpoint: str | None) -> None:
    """Bring the whole system up on this machine, until Ctrl-C; .local/cloud.json says where it is."""
    repository = _projects().repository
    playground = Playground(repository)
    console = Console(stderr=True)
    if stop:
        click.echo("The local cloud has ended." if playground.stop() else "No local cloud is up.")
    elif detach:
        with Progress(console) as progress:
            running = playground.detach(["--endpoint", endpoint] if endpoint else [], progress.say)
        click.echo(f"The local cloud is up at {running.endpoint}: {playground.description}")
        click.echo("`nox -s local -- --stop` ends it.")
    else:
        _hold(repository, playground, endpoint, console)


@cli.command()
@_endpoint_option
@_json_option
def demo(endpoint: str | None, as_json: bool) -> None:
    """Deploy everything on this machine, change production's data and show it arrive."""
    interrupts = Interrupts()
    with (
        Progress(Console(stderr=True)) as progress,
        running_system(
            _projects().repository,
            endpoint,
            on_event=progress.on_event,
            on_progress=progress.say,
            interrupts=interrupts,
        ) as system,
    ):
        progress.finish()
        code = run_demo(system, Console(), as_json)
    sys.exit(code)


def main() -> None:
    """Run the command that this process's arguments name."""
    cli(prog_name="pipeline")


def _operate(name: str, project: str, environment: str, where: Where, *, as_json: bool, yes: bool) -> None:
    projects = _projects(where)
    stacks = projects.select(project, environment)
    if name == "destroy":
        stacks = stacks[::-1]
    asks = not yes and must_be_confirmed(name, environment, local=where.is_local)
    if asks:
        require_terminal(f"{project}/{environment}", interactive=_at_terminal())
    accounts = [] if where.is_local else [check_account(stack, projects.config(stack)) for stack in stacks]
    if asks:
        account = " and ".join(sorted(set(accounts)))
        question = f"This is to {name} {' and '.join(map(str, stacks))} in AWS account {account}."
        confirm(f"{project}/{environment}", question, ask=_ask)
    with _deployment(projects, where) as deployment:
        run: Callable[[str, str], Result] = getattr(deployment, "up" if name == "deploy" else name)
        results = [run(stack.project, stack.environment) for stack in stacks]
    if as_json:
        click.echo(results_json(results))
        return
    for result in results:
        click.echo(summary(result))


def _projects(where: Where = AWS) -> Projects:
    return Projects(find_repository(Path.cwd()), where.options)


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _ask(text: str) -> str:
    return str(click.prompt(text, err=True))


@contextmanager
def _deployment(projects: Projects, where: Where) -> Iterator[Deployment]:
    with Progress(Console(stderr=True)) as progress:
        interrupts = Interrupts(lambda count: progress.say(_interrupt_notice(count)))
        with destination(
            projects, where, on_event=progress.on_event, on_progress=progress.say, interrupts=interrupts
        ) as deployment:
            yield deployment


def _interrupt_notice(count: int) -> str:
    if count == 1:
        return "Interrupted: Pulumi finishes the resources it is at. Once more ends it at once, and may lose track."
    return "Interrupted again: Pulumi ends at once."


def _hold(repository: Path, playground: Playground, endpoint: str | None, console: Console) -> None:
    with playground.held(), Progress(console) as progress:
        interrupts = Interrupts(lambda count: progress.say(_interrupt_notice(count)))
        with running_system(
            repository,
            endpoint,
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
