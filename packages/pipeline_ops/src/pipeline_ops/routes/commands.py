"""The routes' commands as they are typed; verify and backfill have a module each."""

import json
import re
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pipeline_common.contracts import RouteOutputs
from pipeline_ops.confirm import confirm, require_terminal
from pipeline_ops.counting import counted
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.options import KEY, NegativeNumbers, where_options, yes_option
from pipeline_ops.private_files import open_private
from pipeline_ops.routes.asking import key_of, reconcile_now
from pipeline_ops.routes.backfill_command import backfill
from pipeline_ops.routes.dead_letters import DeadLetter, DeadLetters, dead_letters
from pipeline_ops.routes.opening import open_replication
from pipeline_ops.routes.pausing import set_enabled
from pipeline_ops.routes.route import Replication, explained
from pipeline_ops.routes.status import read_status
from pipeline_ops.routes.tables import letters_table, status_view
from pipeline_ops.routes.verify_command import verify
from pipeline_ops.terminal import ask, at_terminal, document, show, tell, waiting, watched
from pipeline_ops.where import Where

__all__ = ["COMMANDS"]

_WATCH_SECONDS = 5.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command()
@click.argument("target", required=False)
@where_options
@click.option("--watch", is_flag=True, help="Look again every 5 seconds, until Ctrl-C.")
def status(target: str | None, local: bool, endpoint: str | None, as_json: bool, watch: bool) -> None:
    """Say what each route does just now; exit with 1 when somebody has to look at one."""
    if watch and as_json:
        raise OperatorError("--watch is for a person and --json for a program: choose one.", MISUSED)
    with open_replication(Where(local, endpoint)) as opened:
        replication, routing = opened.replication, opened.routing
        found = read_status(replication, target, routing)
        if watch:
            with watched(status_view(found)) as renew:
                try:
                    while True:
                        time.sleep(_WATCH_SECONDS)
                        found = read_status(replication, target, routing)
                        renew(status_view(found))
                except KeyboardInterrupt:
                    pass
    if as_json:
        document(found.exported())
    elif not watch:
        show(status_view(found))
    if not found.healthy:
        sys.exit(FAILED)


@click.command()
@click.argument("target")
@where_options
def pause(target: str, local: bool, endpoint: str | None, as_json: bool) -> None:
    """Stop a route: its changes wait in its queue, and none is lost for 14 days."""
    until = datetime.now(UTC) + timedelta(days=RouteOutputs.QUEUE_RETENTION_DAYS)
    _switch(
        Where(local, endpoint),
        target,
        enabled=False,
        as_json=as_json,
        says=f"paused. Changes wait in its queue; those of now are lost if it is not resumed before {until:%Y-%m-%d}",
    )


@click.command()
@click.argument("target")
@where_options
def resume(target: str, local: bool, endpoint: str | None, as_json: bool) -> None:
    """Start a paused route again: it works off what has waited."""
    _switch(Where(local, endpoint), target, enabled=True, as_json=as_json, says="enabled")


@click.command(cls=NegativeNumbers)
@click.argument("target")
@click.argument("key", type=KEY)
@click.argument("timestamp", type=KEY, required=False)
@where_options
def replicate(target: str, key: str, timestamp: str | None, local: bool, endpoint: str | None, as_json: bool) -> None:
    """Reconcile one key now, and say what was done and why: an object's KEY, or an item's id and TIMESTAMP."""
    named = key_of(key, timestamp)
    with open_replication(Where(local, endpoint)) as opened:
        replication = opened.replication
        route = replication.route(target)
        with waiting(f"Waiting for the route's function to reconcile {named}"):
            answer = reconcile_now(replication, route, named)
    if as_json:
        document(vars(answer))
    else:
        tell(answer.sentence())
    if answer.failed:
        sys.exit(FAILED)


@click.command()
@click.argument("target", required=False)
@click.option("--reason", type=KEY, help="Only those given up for this reason, such as NoSuchBucket.")
@click.option("--key", type=KEY, help="Only those of this object's key, or of this item as ID@TIMESTAMP.")
@click.option("--older-than", metavar="TIME", help="Only those as old as this or older, such as 30m, 12h or 3d.")
@click.option("--list", "only_list", is_flag=True, help="Show them, and change nothing.")
@click.option(
    "--export", type=click.Path(path_type=Path, dir_okay=False), help="Write them to this file, a JSON a line."
)
@click.option("--why", default="", help="What was mended: kept with who redrove them, in the function's log.")
@click.option("--purge", is_flag=True, help="Delete them for good instead of redriving them.")
@yes_option
@where_options
def redrive(  # noqa: PLR0917 - click passes them by name
    target: str | None,
    reason: str | None,
    key: str | None,
    older_than: str | None,
    only_list: bool,
    export: Path | None,
    why: str,
    purge: bool,
    yes: bool,
    local: bool,
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Send dead letters back to the queue they came from: all, or those that the options choose.

    Shows what is chosen and asks first. What is not chosen stays where it is. While the command looks, letters are out
    of others' sight; one that dies leaves them so for 15 minutes.
    """
    if purge and only_list:
        raise OperatorError("--purge deletes and --list changes nothing: choose one.", MISUSED)
    age = _age(older_than)
    acts = not only_list
    if acts and not yes:
        require_terminal("the dead-letter queue", interactive=at_terminal())
    with open_replication(Where(local, endpoint)) as opened, ExitStack() as stack:
        replication, routing = opened.replication, opened.routing
        if target is not None and target not in routing.urls:
            replication.route(target)  # says which there are
        with waiting("Looking through the dead-letter queue"):
            held = stack.enter_context(dead_letters(replication, routing))
        now = datetime.now(UTC)
        chosen = [
            letter
            for letter in held.letters
            if target in {None, letter.target}
            and reason in {None, letter.reason}
            and (key is None or key in letter.keys)
            and now - letter.since >= age
        ]
        if export is not None:
            _export(export, chosen)
        if not as_json:
            _show(chosen, now, of=len(held.letters))
        done = _act(held, chosen, purge, yes, why, replication) if acts and chosen else 0
    _tell(chosen, done, acts=acts, purge=purge, as_json=as_json)


def _show(chosen: Sequence[DeadLetter], now: datetime, *, of: int) -> None:
    if chosen:
        show(letters_table(chosen, now))
    else:
        tell(f"No dead letter is chosen, of {of} in the queue.")


def _act(
    held: DeadLetters, chosen: Sequence[DeadLetter], purge: bool, yes: bool, why: str, replication: Replication
) -> int:
    if purge:
        if not yes:
            confirm("purge", f"{counted(len(chosen), 'change')} will never be tried again.", ask=ask)
        return held.purge(chosen)
    if not yes:
        confirm("redrive", f"{counted(len(chosen), 'letter')}: sent back to where they came from.", ask=ask)
    with explained("It is not known who asks"):
        who = replication.client("sts", region=replication.region).get_caller_identity()["Arn"]
    return held.redrive(chosen, who=who, why=why or "not said")


def _tell(chosen: Sequence[DeadLetter], done: int, *, acts: bool, purge: bool, as_json: bool) -> None:
    kept = len(chosen) - done if acts else 0
    if as_json:
        listed = [{name: value for name, value in one.exported().items() if name != "body"} for one in chosen]
        document({"letters": listed, "purged" if purge else "redriven": done, "kept": kept})
    elif acts and chosen:
        tell(f"{'Deleted' if purge else 'Redriven'}: {done} of {counted(len(chosen), 'letter')}.")
    if kept:
        tell(
            f"Kept: {counted(kept, 'letter')} without a queue to go back to, or without what is understood there. "
            "Touch what changed since in the source, then `--purge` them.",
            err=True,
        )
        sys.exit(FAILED)


def _export(path: Path, letters: Sequence[DeadLetter]) -> None:
    try:
        with open_private(path) as file:
            file.writelines(json.dumps(letter.exported()) + "\n" for letter in letters)
    except OSError as error:
        raise OperatorError(f"The letters can't be exported to {path}: {error.strerror}.") from error


def _age(text: str | None) -> timedelta:
    if text is None:
        return timedelta()
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None:
        raise OperatorError(f"--older-than {text} is no length of time: write 90s, 30m, 12h or 3d.", MISUSED)
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _switch(where: Where, target: str, *, enabled: bool, as_json: bool, says: str) -> None:
    with open_replication(where) as opened:
        replication = opened.replication
        route = replication.route(target)
        with waiting(f"Waiting until Lambda has {'enabled' if enabled else 'paused'} the route to {target}"):
            changed = set_enabled(replication, route, enabled=enabled)
    if as_json:
        document({"target": target, "enabled": enabled, "changed": changed})
    else:
        tell(f"The route to {target} is {says}." if changed else f"The route to {target} was so already.")


COMMANDS = (status, verify, backfill, pause, resume, replicate, redrive)
