"""What the commands' options have in common, and how a command fails."""

import json
from collections.abc import Callable
from typing import Any

import click

from local_cloud import LocalCloudError
from pipeline_ops.errors import FAILED, INTERRUPTED, OperatorError

__all__ = ["Command", "Commands", "endpoint_option", "json_option", "where_options", "yes_option"]

_JSON = "as_json"


def _show(error: Exception, *, as_json: bool) -> None:
    click.echo(str(error), err=True)
    if as_json:
        click.echo(json.dumps({"error": str(error)}))


class Commands(click.Group):
    """A group whose commands fail with a sentence and an exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; show what stopped it."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            _show(OperatorError("Interrupted."), as_json=_JSON in ctx.meta)
            ctx.exit(INTERRUPTED)
        except (OperatorError, LocalCloudError) as error:
            code = error.exit_code if isinstance(error, OperatorError) else FAILED
            _show(error, as_json=_JSON in ctx.meta)
            ctx.exit(code)


def _remember_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value:
        ctx.meta[_JSON] = True  # shared by a context and its parents, where errors are shown
    return value


Command = Callable[..., None]


def where_options(command: Command) -> Command:
    """Add where a command goes, and how it answers."""
    decorators = (
        click.option("--local", is_flag=True, help="Go to a local cloud: the one that is up, else one of its own."),
        click.option("--endpoint", metavar="URL", help="Go to this LocalStack or MiniStack."),
        json_option,
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


json_option = click.option(
    "--json", _JSON, is_flag=True, callback=_remember_json, help="Print one JSON document on standard output."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask, not even for prod.")
endpoint_option = click.option("--endpoint", metavar="URL", help="Use this LocalStack or MiniStack, and leave it up.")
