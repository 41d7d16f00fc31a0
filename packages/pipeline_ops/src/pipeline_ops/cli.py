"""`python -m pipeline_ops`: every command as it is typed. Each names the module that does it, which is loaded then."""

import gc
import warnings
from collections.abc import Callable
from pathlib import Path

import click

from pipeline_ops import COLLECT_EVERY
from pipeline_ops.options import (
    Command,
    Commands,
    NegativeNumbers,
    NumberRange,
    dataset_option,
    endpoint_option,
    json_option,
    prefix,
    provider_option,
    runs,
    suffix_option,
    text,
    where_options,
    yes_option,
)
from pipeline_ops.routes import KEYS_PER_SECOND
from pipeline_ops.terminal import survive_encodings

__all__ = ["cli", "main"]

_FILE = click.Path(path_type=Path, dir_okay=False)

objects_option = click.option(
    "--objects", "prefix", type=prefix, metavar="PREFIX", help="Only objects whose keys begin so, '' for all of them."
)
markdown_option = click.option("--markdown", type=_FILE, help="Add the result to this file, in Markdown.")
routes_option = click.option(
    "--routes", metavar="TARGET,...", type=text, help="Only the replication's routes to these targets; the rest stays."
)
end_holds_option = click.option(
    "--end-holds", "ends_holds", is_flag=True, help="Held routes go to this release too, though it is no newer."
)
progressive_option = click.option(
    "--progressive", is_flag=True, help="Routes one by one, each watched and judged; back from one that is not well."
)
weight_option = click.option(
    "--weight",
    type=click.IntRange(1, 99),
    metavar="PERCENT",
    help="Like --progressive, and only so much of a route's work goes to the release while it is watched.",
)
deep_option = click.option(
    "--deep", is_flag=True, help="Read masked bodies in the source, and mask them again to compare."
)
unmasked_option = click.option(
    "--unmasked",
    metavar="REASON",
    type=text,
    help="Why a route is to go back from what masks to what does not.",
)
sample_option = click.option(
    "--keys",
    type=NumberRange(min=1),
    default=1000,
    metavar="NUMBER",
    show_default=True,
    help="Records of a dataset to look at, about.",
)
items_option = click.option("--items", is_flag=True, help="Only items; with --objects, both.")


def stack_options(command: Command) -> Command:
    """Add what every command on stacks takes."""
    return click.argument("project")(click.argument("environment")(where_options(command)))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Deploy the data pipeline's stacks and operate its replication, on AWS or on a local cloud.

    PROJECT is a folder of projects/, or `all` for every project of the environment in dependency order. The first
    Ctrl-C lets Pulumi finish the resources it is at; a second one ends it at once, which can leave resources behind
    that its state does not know.
    """


def _operation(name: str, what: str, *options: Callable[[Command], Command]) -> None:
    @stack_options
    @provider_option
    @runs("lifecycle:operate", name=name)
    def operate() -> None: ...

    for option in options:
        operate = option(operate)
    cli.command(name, help=what)(operate)


@cli.command()
@stack_options
@provider_option
@yes_option
@routes_option
@end_holds_option
@progressive_option
@weight_option
@click.option("--release", metavar="TAG", help="Deploy this release, such as replication/v1.3.0, by its own code.")
@click.option(
    "--config", type=click.Choice(["here"]), help="With --release: by this checkout's settings, not by the release's."
)
@unmasked_option
@runs("lifecycle:deploy")
def deploy() -> None:
    """Make the stacks what the code and the configuration say."""


_operation("preview", "Say what a deploy would change.", routes_option, end_holds_option)
_operation("refresh", "Make the state what is really there.", yes_option)
_operation("destroy", "Remove all that the stacks have made.", yes_option)


@cli.command()
@stack_options
@click.option("--since", metavar="COMMIT", help="Only projects that this branch changed since it left COMMIT.")
@markdown_option
@runs("delivery.reports:review")
def review() -> None:
    """Say what a deploy would change in each stack, one after the other; exit with 1 where one can't be told."""


@cli.command()
@stack_options
@markdown_option
@runs("delivery.reports:drift")
def drift() -> None:
    """Say what others changed of what is deployed, and change nothing; exit with 1 when there is something."""


@cli.command()
@click.argument("number", type=int)
@click.argument("title", type=text)
@click.argument("report", type=_FILE)
@runs("delivery.notices:comment")
def comment() -> None:
    """Show a REPORT in Markdown as the one comment of that TITLE on the pull request NUMBER, in a GitHub workflow."""


@cli.command()
@click.argument("title", type=text)
@click.argument("reports", type=_FILE, nargs=-1, required=True)
@runs("delivery.notices:issue")
def issue() -> None:
    """Keep an issue of that TITLE open while REPORTS in Markdown say something, in a GitHub workflow."""


@cli.command()
@click.option("--prune", metavar="AGE", help="Destroy those as old as this or older, such as 12h or 3d.")
@yes_option
@where_options
@runs("instances_command:instances")
def instances() -> None:
    """List the instances of environments, with their age and their stacks, or destroy the old ones."""


@cli.command()
@stack_options
@yes_option
@runs("lifecycle:unlock")
def unlock() -> None:
    """Remove the lock of a run that no longer runs."""


@cli.command()
@stack_options
@runs("history_command:history")
def history() -> None:
    """Show what was deployed to a stack: when, by whom, of which release, and what came of it."""


@cli.command()
@stack_options
@runs("deployed_system:outputs")
def outputs() -> None:
    """Print the stacks' outputs; those of one stack as one flat JSON object."""


@cli.command()
@click.argument("project")
@click.option("--bump", type=click.Choice(["major", "minor", "patch"]), help="Raise this part of the version.")
@yes_option
@json_option
@runs("releases.release_command:release")
def release() -> None:
    """Make the next release of PROJECT: its version, its notes in CHANGELOG.md, and its tag.

    Says what has changed of the project since the last release, and what version that makes, and asks. Nothing is
    published: it prints the command that does.
    """


@cli.command()
@click.argument("environment")
@click.argument("key", type=text)
@where_options
@click.option(
    "--wait",
    type=NumberRange(min=0),
    default=900.0,
    metavar="SECONDS",
    show_default=True,
    help="Follow it for so long.",
)
@runs("process:process")
def process() -> None:
    """Have the environment's processor process the object KEY, and say what came of it."""


@cli.command()
@click.option("--detach", is_flag=True, help="Return once it is up, and leave it up.")
@click.option("--stop", is_flag=True, help="End the one that is up.")
@endpoint_option
@provider_option
@suffix_option
@runs("local:local")
def local() -> None:
    """Bring the whole system up on this machine, until Ctrl-C; .local/cloud.json says where it is."""


@cli.command()
@endpoint_option
@provider_option
@json_option
@suffix_option
@runs("demo.run:demo")
def demo() -> None:
    """Deploy everything on this machine, change production's data and show it arrive."""


@cli.command()
@click.argument("target", required=False)
@where_options
@click.option("--watch", is_flag=True, help="Look again every 5 seconds, until Ctrl-C.")
@runs("routes.status:status")
def status() -> None:
    """Say what each route does just now; exit with 1 when somebody has to look at one."""


@cli.command()
@click.argument("target")
@objects_option
@items_option
@dataset_option
@click.option("--quick", is_flag=True, help="Believe the listings' sizes and ETags: no headers, metadata and tags.")
@deep_option
@click.option("--repair", "repairs", is_flag=True, help="Say what a repair would do, ask, and have the route do it.")
@click.option("--keep-own", is_flag=True, help="What the target has of its own is no drift, and is not deleted.")
@click.option("--report", type=_FILE, help="Write the JSON Lines here, not to .local/.")
@click.option(
    "--wait",
    type=NumberRange(min=0),
    default=1800.0,
    metavar="SECONDS",
    show_default=True,
    help="How long the route may take to work off what it has, before what differs is looked at again.",
)
@yes_option
@where_options
@runs("routes.verify_command:verify")
def verify() -> None:
    """Compare the target's replicas with production; exit with 1 when something has drifted, or could not be told.

    What differs is looked at again once the route has worked off what it had, so that lag is not called drift. All
    findings go into a JSON Lines file, with a page beside it that counts them.
    """


@cli.command()
@click.argument("target")
@objects_option
@items_option
@dataset_option
@click.option(
    "--since",
    metavar="TIME",
    help="Only objects modified at or after this ISO-8601 time (UTC unless it says otherwise), and items whose own is.",
)
@click.option(
    "--time-attribute",
    metavar="NAME",
    type=text,
    help="Where items have their time: Unix seconds as a number, or ISO-8601 as a text. By default their `timestamp`, "
    "where that is in the key.",
)
@click.option(
    "--rate",
    type=NumberRange(min=1),
    default=KEYS_PER_SECOND,
    metavar="KEYS",
    show_default=True,
    help="Keys a second at most.",
)
@click.option("--restart", is_flag=True, help="Begin anew, even where an earlier run can be gone on with.")
@click.option("--resume", is_flag=True, help="Go on with an earlier run even where it was cut off long ago.")
@click.option("--dry-run", is_flag=True, help="Only say what it will take.")
@yes_option
@where_options
@runs("routes.backfill_command:backfill")
def backfill() -> None:
    """Replicate what is in production already: all of it, or what the options choose.

    Says what it will take, asks, enqueues every key for its route, and follows the route until they are through. Cut
    off, the same command goes on from where it was. Live changes go on meanwhile, and no newer state is undone.
    """


@cli.command()
@click.argument("target")
@where_options
@runs("routes.switch:switch", enabled=False)
def pause() -> None:
    """Stop a route: its changes wait in its queue, and none is lost for 14 days."""


@cli.command()
@click.argument("target")
@click.option("--deletes", is_flag=True, help="Let the deletes through, too, that its brake holds.")
@where_options
@runs("routes.switch:switch", enabled=True)
def resume() -> None:
    """Start a paused route again: it works off what has waited.

    A brake that holds is released, and counts anew. With --deletes it counts nothing for an hour.
    """


@cli.command()
@click.argument("target")
@click.argument("version", required=False)
@unmasked_option
@yes_option
@where_options
@runs("routes.rollback_command:rollback")
def rollback() -> None:
    """Put a route back to a former version of its function, at once: code, route and policy.

    VERSION is a number of a function's version, or a release such as v1.3.0; without it the one that was live before.
    The route stays there until a newer release is deployed.
    """


@cli.command(cls=NegativeNumbers)
@click.argument("target")
@click.argument("words", metavar="KEY | ID TIMESTAMP | DATASET KEY...", type=text, nargs=-1, required=True)
@where_options
@runs("routes.reconciliation:replicate")
def replicate() -> None:
    """Reconcile one record now, and say what was done and why.

    It is an object's KEY, an item's ID and TIMESTAMP, or a dataset and its key: `orders pk=1 sk=2`.
    """


@cli.command()
@click.argument("environment", required=False)
@click.option(
    "--route",
    metavar="TARGET",
    help="Only those of the route to this target; by the environment's name, its processor's.",
)
@click.option("--reason", type=text, help="Only those given up for this reason, such as NoSuchBucket.")
@click.option("--key", type=text, help="Only those of this key, as `--list --json` tells it, such as ID@TIMESTAMP.")
@click.option("--older-than", metavar="TIME", help="Only those as old as this or older, such as 30m, 12h or 3d.")
@click.option("--list", "only_list", is_flag=True, help="Show them, and change nothing.")
@click.option("--export", type=_FILE, help="Write them to this file, a JSON a line.")
@click.option("--why", default="", help="What was mended: kept with who redrove them, in the function's log.")
@click.option("--purge", is_flag=True, help="Delete them for good instead of redriving them.")
@yes_option
@where_options
@runs("routes.redrive_command:redrive")
def redrive() -> None:
    """Send the dead letters of ENVIRONMENT back to the queues they came from: all, or those that the options choose.

    Each environment has one dead-letter queue: its processor's, and in the replication's source, which is meant unless
    another is named, every route's too. Shows what is chosen and asks first. What is not chosen stays where it is.
    While the command looks, letters are out of others' sight; one that dies leaves them so for 15 minutes.
    """


@cli.group()
def mask() -> None:
    """Look at what a route's policy makes of production's data, and have a target hold nothing else."""


@mask.command()
@click.argument("words", metavar="[TARGET|FILE]...", type=text, nargs=-1)
@json_option
@runs("masking.check_command:check")
def check() -> None:
    """Say what is wrong with policies; exit with 1 when something is. Asks neither Pulumi nor AWS.

    Checks the policies of these targets, or these files; by default all that the replication's targets name.
    """


@mask.command()
@click.argument("ref", metavar="COMMIT", type=text)
@click.option("--exit-code", "exits", is_flag=True, help="Exit with 1 where something is looser without a reason.")
@json_option
@runs("masking.diff_command:diff")
def diff() -> None:
    """Say what changed of the policies since COMMIT: what is looser, each with its reason, and what is tighter."""


@mask.command(cls=NegativeNumbers)
@click.argument("target")
@click.argument("words", metavar="KEY | ID TIMESTAMP | DATASET KEY...", type=text, nargs=-1, required=True)
@click.option("--policy", type=_FILE, help="By this file, which need not be deployed yet.")
@where_options
@runs("masking.preview_command:preview")
def preview() -> None:
    """Show what one record's replica would be: what each value becomes, and by which rule.

    Nothing of production is shown: of what is kept only type and length. The record is named as for `replicate`.
    """


@mask.command()
@click.argument("dataset")
@sample_option
@click.option("--write", type=_FILE, help="Write a draft of a policy to this file.")
@where_options
@runs("masking.discover_command:discover")
def discover() -> None:
    """Say what a sample of production's DATASET has, without a value: paths, types, rates, and what looks personal.

    The draft refuses what was not seen, and drops or masks what may be of a person: a person has to read it.
    """


@mask.command()
@click.argument("target")
@deep_option
@yes_option
@where_options
@runs("masking.apply_command:apply")
def apply() -> None:
    """Have a target hold only what the configured policy makes, whatever was replicated there before.

    Pauses the route, deploys it, has it work off what it has and reconcile every record, deletes for good what another
    policy or none has made, and compares. Cut off, the same command goes on. `status` says unsafe until it is done.
    """


@mask.command()
@click.argument("target")
@click.option("--policy", type=_FILE, help="Try this file, which need not be deployed, on a sample.")
@sample_option
@where_options
@runs("masking.shadow_command:shadow")
def shadow() -> None:
    """Say what a next policy would change of a target's replicas, and write nothing.

    That is what the route has counted since its `shadow` was deployed (replication:targets); with --policy FILE what
    that would change of a sample.
    """


@mask.command()
@click.argument("target")
@sample_option
@click.option("--all", "everything", is_flag=True, help="Count all records instead; of a file its first one.")
@click.option("--report", "file", type=_FILE, help="Write it to this file, and a page beside it; by default in .local.")
@where_options
@runs("masking.report_command:report")
def report() -> None:
    """Write a report of a target's masking for a reviewer, as JSON and as a page that needs nothing else.

    It has the policy, what that makes of a sample of production or of all, what was refused, and the last comparison.
    """


def main() -> None:
    """Run the command that this process's arguments name."""
    # Of an engine that was killed, the command tells in a sentence what Pulumi's SDK warns of by its own line number.
    warnings.filterwarnings("ignore", message="Error in event stream")
    survive_encodings()
    gc.set_threshold(COLLECT_EVERY)
    cli(prog_name="pipeline")
