"""`redrive` as it is typed: dead letters chosen, shown, confirmed, and sent back or deleted."""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline_ops.ages import age_of, duration
from pipeline_ops.confirmation import confirm, require_terminal
from pipeline_ops.counts import counted
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.private_files import open_private
from pipeline_ops.routes.dead_letters import DeadLetter, DeadLetterQueue, HeldLetters, dead_letters
from pipeline_ops.routes.deployed_replication import deployed_dead_letters
from pipeline_ops.routes.route import explained
from pipeline_ops.terminal import TextTable, ask, at_terminal, document, show, tell, waiting
from pipeline_ops.where import Where

__all__ = ["letters_table", "redrive"]


def redrive(
    *,
    environment: str | None,
    route: str | None,
    reason: str | None,
    key: str | None,
    older_than: str | None,
    only_list: bool,
    export: Path | None,
    why: str,
    purge: bool,
    yes: bool,
    where: Where,
    as_json: bool,
) -> None:
    """Show the dead letters that are chosen, ask, and send them back or delete them; exit with 1 where any is kept."""
    if purge and only_list:
        raise OperatorError("--purge deletes and --list changes nothing: choose one.", MISUSED)
    age = timedelta() if older_than is None else age_of(older_than, "--older-than")
    acts = not only_list
    if acts and not yes:
        require_terminal("the dead-letter queue", interactive=at_terminal())
    queue = deployed_dead_letters(where, environment)
    sources = queue.urls
    if route is not None and route not in sources:
        raise OperatorError(
            f"Nothing in the dead-letter queue of {queue.environment} is of {route}: --route is one of "
            f"{', '.join(sources)}.",
            MISUSED,
        )
    with ExitStack() as stack:
        with waiting(f"Looking through the dead-letter queue of {queue.environment}"):
            held = stack.enter_context(dead_letters(queue))
        now = datetime.now(UTC)
        chosen = [
            letter
            for letter in held.letters
            if route in {None, letter.target}
            and reason in {None, letter.reason}
            and (key is None or key in letter.keys)
            and now - letter.since >= age
        ]
        if export is not None:
            _export(export, chosen)
        if not as_json:
            _show(chosen, now, queue, where, of=len(held.letters))
        done = _act(held, chosen, purge, yes, why, queue) if acts and chosen else 0
    _tell(chosen, done, acts=acts, purge=purge, as_json=as_json)


def _show(chosen: Sequence[DeadLetter], now: datetime, queue: DeadLetterQueue, where: Where, *, of: int) -> None:
    if chosen:
        show(letters_table(chosen, now))
        return
    tell(f"No dead letter is chosen, of {of} in the queue of {queue.environment}.")
    if set(queue.urls) <= {queue.processor}:
        helps = where.command("redrive", "--route", queue.environment)
        tell(f"What a route to {queue.environment} gave up is in the queue of the route's source: `{helps}`.")


def letters_table(letters: Sequence[DeadLetter], now: datetime) -> TextTable:
    """Return the letters by target and reason, with their number, the oldest one's age and an example of a key."""
    groups: defaultdict[tuple[str, str], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        groups[letter.target or "unknown", letter.reason].append(letter)
    headings = ("target", "reason", "letters", "oldest", "says", "for example")
    table = TextTable(*headings, title=counted(len(letters), "dead letter"), numbers=("letters",))
    for (target, reason), own in sorted(groups.items(), key=lambda group: group[0]):
        oldest = min(own, key=lambda letter: letter.since)
        age = duration((now - oldest.since).total_seconds())
        table.add(target, reason, f"{len(own):,}", age, oldest.message, ", ".join(oldest.keys[:1]))
    return table


def _act(
    held: HeldLetters, chosen: Sequence[DeadLetter], purge: bool, yes: bool, why: str, queue: DeadLetterQueue
) -> int:
    if purge:
        if not yes:
            confirm("purge", f"{counted(len(chosen), 'change')} will never be tried again.", ask=ask)
        return held.purge(chosen)
    if not yes:
        confirm("redrive", f"{counted(len(chosen), 'letter')}: sent back to where they came from.", ask=ask)
    with explained("It is not known who asks"):
        who = queue.client("sts", region=queue.region).get_caller_identity()["Arn"]
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
