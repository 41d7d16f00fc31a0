"""Shared options of the commands, the lazy loading of a command's module, and its errors."""

import functools
import importlib
import re
from collections.abc import Callable
from typing import Any

import click

import local_cloud
from local_cloud import LocalCloudError
from local_cloud.aws_provider import PROVIDERS
from pipeline_common.environments import SUFFIX
from pipeline_ops.errors import FAILED, INTERRUPTED, OperatorError
from pipeline_ops.terminal import document, tell
from pipeline_ops.where import Where
from replication_core.numbers import NumberError, number_text

__all__ = [
    "Command",
    "Commands",
    "NegativeNumbers",
    "NumberRange",
    "dataset_option",
    "endpoint_option",
    "json_option",
    "prefix",
    "provider_option",
    "runs",
    "suffix_option",
    "text",
    "where_options",
    "yes_option",
]

_JSON = "as_json"


class NumberRange(click.FloatRange):
    """A number as the grammar of all our numbers has it: by itself click takes `1_0`, `nan` and `inf` too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fails the command for what is none, or out of range."""
        if isinstance(value, str):
            try:
                value = float(number_text(value))
            except NumberError:
                self.fail(f"{value!r} is not a number that can be used here.", param, ctx)
        return super().convert(value, param, ctx)


def _show(error: Exception, *, as_json: bool) -> None:
    tell(*(error.lines if isinstance(error, OperatorError) else str(error).splitlines()), err=True)
    if as_json:
        document({"error": str(error)})


def _show_misuse(error: click.UsageError, *, as_json: bool) -> None:
    # As click itself does, which prints what was typed as it is.
    if error.ctx is not None:
        tell(*error.ctx.get_usage().splitlines(), f"Try '{error.ctx.command_path} --help' for help.", "", err=True)
    _show(OperatorError(f"Error: {error.format_message()}"), as_json=as_json)


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return f"The system refused what the command needs: {reason}."
    return f"{error.filename} can't be used: {reason}."


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
        except click.UsageError as error:
            _show_misuse(error, as_json=_JSON in ctx.meta)
            ctx.exit(error.exit_code)
        except BrokenPipeError:  # which click ends quietly
            raise
        except OSError as error:
            _show(OperatorError(_sentence(error)), as_json=_JSON in ctx.meta)
            ctx.exit(FAILED)


class NegativeNumbers(click.Command):
    """A command whose arguments may be negative numbers, which click by itself takes for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what begins as a negative number for an argument; refuse any other option that is not known."""
        literal = args[args.index("--") :] if "--" in args else []
        ctx.ignore_unknown_options = True
        rest = super().parse_args(ctx, args)
        for argument in (parameter for parameter in self.params if isinstance(parameter, click.Argument)):
            given = ctx.params.get(argument.name or "") or ()
            for word in (given,) if isinstance(given, str) else given:
                if word.startswith("-") and not _NEGATIVE.match(word) and word not in literal:
                    raise click.NoSuchOption(word, ctx=ctx)
        return rest


_NEGATIVE = re.compile(r"-\.?[0-9]")


def prefix(value: str) -> str:
    """Return a text that a service can be sent, empty or not; what was typed in bytes that are no UTF-8 is misuse."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter(f"{value} is not in UTF-8.") from None
    return value


def text(value: str) -> str:
    """Return such a text; an empty one is misuse."""
    if not value:
        raise click.BadParameter("it is empty.")
    return prefix(value)


def _endpoint(value: str) -> str:
    """Return the endpoint of a local cloud, normalized; what is none, or is AWS's, is misuse."""
    try:
        return local_cloud.normalize(text(value))
    except LocalCloudError as error:
        raise click.BadParameter(f"{error}.") from error


def _suffix(value: str) -> str:
    """Return the suffix of an instance, empty for the environments themselves; what can be none is misuse."""
    if value and not re.fullmatch(SUFFIX, value):
        raise click.BadParameter(f"{value!r} is no suffix: write up to 12 lower-case letters and digits.")
    return value


def _remember_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value:
        ctx.meta[_JSON] = True  # shared by a context and its parents, where errors are shown
    return value


Command = Callable[..., None]


def runs(work: str, **more: Any) -> Callable[[Command], Command]:
    """Have a command run `module:function` of this package, which takes its arguments and options by their names.

    It is loaded when it is run, so that to help, and to refuse what was typed, takes neither Pulumi nor boto3. What it
    takes `more` tells it which of several commands it is.
    """
    module, _, function = work.partition(":")

    def decorate(declared: Command) -> Command:
        @functools.wraps(declared)
        def load_and_run(**given: Any) -> None:
            getattr(importlib.import_module(f"pipeline_ops.{module}"), function)(**given, **more)

        return load_and_run

    return decorate


def where_options(command: Command) -> Command:
    """Add where a command goes, which it is given as `where`, and how it answers."""

    @functools.wraps(command)
    def with_where(
        local: bool, endpoint: str | None, suffix: str | None, provider: str | None = None, **given: Any
    ) -> None:
        command(where=Where(local, endpoint, provider=provider, suffix=suffix), **given)

    local_option = click.option("--local", is_flag=True, help="Go to the local cloud that is up.")
    endpoint = click.option("--endpoint", metavar="URL", type=_endpoint, help="Go to this LocalStack or MiniStack.")
    return local_option(endpoint(suffix_option(json_option(with_where))))


dataset_option = click.option(
    "--dataset",
    "datasets",
    metavar="NAME[:PREFIX]",
    type=text,
    multiple=True,
    help="Only this dataset, of a bucket only keys that begin so; may be repeated.",
)
json_option = click.option(
    "--json", _JSON, is_flag=True, callback=_remember_json, help="Print one JSON document on standard output."
)
suffix_option = click.option(
    "--suffix",
    metavar="SUFFIX",
    type=_suffix,
    help="Take this instance of the environments, such as pr5400 of dev-pr5400.",
)
provider_option = click.option(
    "--provider",
    type=click.Choice(PROVIDERS),
    help=f"The aws provider that Pulumi uses on a local cloud; {PROVIDERS[0]} by default.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask, not even for production.")
endpoint_option = click.option(
    "--endpoint", metavar="URL", type=_endpoint, help="Use this LocalStack or MiniStack, and leave it up."
)
