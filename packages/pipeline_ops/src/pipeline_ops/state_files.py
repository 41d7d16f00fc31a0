"""The files of a state that is kept in a folder: a whole copy of each before a run, and what is wrong with them after.

Pulumi writes such a state in place of the one before, and does not ask whether all of it could be written. On a full
disk what it leaves is cut off, and so may be the copies that it makes itself at a run's end.
"""

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.state import Backend

__all__ = ["back_up", "damage"]

_BACKUPS = "backup"
_PULUMI = ".pulumi"


def back_up(backend: Backend, stack: StackId) -> None:
    """Copy the stack's state, where it is in a folder, so that a run which can't write all of its own takes nothing.

    Raises OperatorError where there is no room for that: there would be none for the run's state either.
    """
    folder = backend.folder
    state = folder / _state(stack) if folder else None
    if folder is None or state is None or not _is_whole(state):
        return
    copy = folder / _BACKUPS / stack.project / f"{stack.environment}.json"
    fresh = copy.with_suffix(".new")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(state, fresh)  # and its mode, which is the owner's alone
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(copy)
    except OSError as error:
        raise OperatorError(
            f"No copy of the state can be written to {copy} ({error.strerror}): make room first."
        ) from error


def damage(backend: Backend, projects: Projects, stack: StackId | None = None) -> str | None:
    """Return what is wrong with the files of a state in a folder and what helps, in a sentence; None where nothing is.

    Every stack's state is looked at, since Pulumi reads them all to tell which are there, and the one stack's locks.
    """
    folder = backend.folder
    if folder is None:
        return None
    for state in sorted((folder / _PULUMI / "stacks").glob("*/*.json")):
        if not _is_whole(state):
            return _cut_off(folder, state, projects)
    for sidecar in sorted((folder / _PULUMI / "stacks").glob("*/*.attrs")):
        if not _is_json(sidecar):
            remove = shlex.join(("rm", str(sidecar)))
            return f"A run was killed while it wrote {sidecar}, which holds nothing of the state: `{remove}`."
    return _half_lock(folder, stack, projects) if stack else None


def _half_lock(folder: Path, stack: StackId, projects: Projects) -> str | None:
    for lock in (folder / _PULUMI / "locks").glob(f"*/{stack.project}/{stack.environment}/*.json*"):
        if not _is_json(lock):
            return (
                f"{stack} is locked by a run that could not write who it is to {lock}, as on a full disk: where no run "
                f"goes on, `{projects.command('unlock', stack)}` removes it."
            )
    return None


def _cut_off(folder: Path, state: Path, projects: Projects) -> str:
    stack = StackId(state.parent.name, state.stem)
    copies = sorted(filter(_is_whole, _copies(folder, stack)), key=lambda copy: copy.stat().st_mtime)
    if not copies:
        return (
            f"The state of {stack}, {state}, is cut off, as on a full disk, and there is no whole copy of it: restore "
            "one from your own backup."
        )
    restore = shlex.join(("cp", str(copies[-1]), str(state)))
    return (
        f"The state of {stack}, {state}, is cut off, as on a full disk: make room, then `{restore}` puts "
        f"the last whole copy back, and `{projects.command('refresh', stack)}` compares it with what is there. What "
        "was made after that copy is in no state."
    )


def _copies(folder: Path, stack: StackId) -> Iterator[Path]:
    yield folder / _BACKUPS / stack.project / f"{stack.environment}.json"
    yield folder / _state(stack).with_suffix(".json.bak")
    yield from (folder / _PULUMI / "backups" / stack.project / stack.environment).glob("*.json")
    yield from (folder / _PULUMI / "history" / stack.project / stack.environment).glob("*.checkpoint.json")


def _state(stack: StackId) -> Path:
    return Path(_PULUMI, "stacks", stack.project, f"{stack.environment}.json")


def _is_whole(state: Path) -> bool:
    return _is_json(state, "checkpoint")


def _is_json(file: Path, key: str | None = None) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and (key is None or key in content)
