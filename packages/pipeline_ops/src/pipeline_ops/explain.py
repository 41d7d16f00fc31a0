"""Failed engine runs, each explained in a sentence that an operator can act on."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from pulumi.automation import CommandResult

from pipeline_ops.errors import FAILED, INTERRUPTED, OperatorError
from pipeline_ops.journal import Journal
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.resource_names import ROOT, resource_name
from pipeline_ops.state import Backend

__all__ = ["cut_off_before", "damaged_state", "ended_at_once", "explain", "interrupted", "locked", "unreadable_state"]

_LOCKED = "the stack is currently locked by"
_LOCK_OWNER = re.compile(r"created by (.+ at \S+)")
_CONFLICT = "[409] Conflict"
_SIGNED_OUT = ("PULUMI_ACCESS_TOKEN must be set", "invalid access token")
_PASSPHRASE = ("incorrect passphrase", "passphrase must be set")
_NO_PROVIDER = re.compile(r"no resource plugin 'pulumi-resource-(\S+)'")
_PROTECTED = re.compile(
    r'resource "(urn:pulumi:[^"]+)"\s+(?:cannot be deleted\s+because it is protected|as it is currently marked)'
)
_DISK_FULL = "no space left on device"
_DUPLICATE = re.compile(r"line (\d+): mapping key \"(.+)\" already defined at line (\d+)")
_TRACEBACK = re.compile(r"\s*Traceback \(most recent call last\).*", re.DOTALL)
_PREFIX = re.compile(r"^python inline source runtime error: ")
# What the engine adds to an error it has already reported.
_ECHOES = ("update failed", "preview failed", "resource monitor shut down", "an unhandled error occurred")
_TAIL_LINES = 8
_SHOWN_NAMES = 3
_GONE = "It is gone with its cloud."


def explain(
    projects: Projects,
    stack: StackId,
    operation: str,
    errors: list[tuple[str, str]],
    failure: CommandResult | None,
    copy: Path | None = None,
) -> OperatorError:
    """Return the error to show, from what the engine reported and wrote; files in `copy` are named as committed."""
    error = _explained(projects, stack, operation, errors, failure)
    message, *details = (_as_committed(line, stack, copy) for line in (error.args[0], *error.details))
    return OperatorError(message, error.exit_code, details)


def locked(projects: Projects, stack: StackId, by: str = "") -> str:
    """Return the sentence on a stack that another run is at."""
    return (
        f"{stack} is locked by another run{by}: wait until it has ended; if it no longer runs, "
        f"`{projects.command('unlock', stack)}` removes its lock."
    )


def unreadable_state(projects: Projects, backend: Backend, failure: CommandResult | None) -> OperatorError:
    """Return the error to show when a state can't be asked which stacks are in it: none of them is to blame."""
    subject = f"The state at {backend.shown} can't be read"
    known = _known(projects, None, _written(failure))
    if known:
        return OperatorError(f"{subject}: {known}")
    *lines, last = _tail(failure)
    helps = f"{last.removeprefix('error: ').rstrip('.')}. See that it can be reached and written to."
    return OperatorError(f"{subject}:", details=[*lines, helps]) if lines else OperatorError(f"{subject}: {helps}")


def _as_committed(line: str, stack: StackId, copy: Path | None) -> str:
    for place in (copy.resolve(), copy) if copy else ():
        line = line.replace(str(place), f"projects/{stack.project}")
    return line


def _explained(
    projects: Projects, stack: StackId, operation: str, errors: list[tuple[str, str]], failure: CommandResult | None
) -> OperatorError:
    known = _known(projects, stack, "\n".join([_written(failure), *(message for _, message in errors)]))
    if known:
        return OperatorError(known)
    sentences = list(dict.fromkeys(filter(None, (_sentence(urn, message) for urn, message in errors))))
    lines = [line for sentence in sentences for line in sentence.splitlines()]
    if not lines:
        lines = _tail(failure)
    if len(lines) == 1:
        return OperatorError(f"{stack}: {operation} failed: {lines[0]}")
    return OperatorError(f"{stack}: {operation} failed:", details=lines)


def _written(failure: CommandResult | None) -> str:
    return f"{failure.stdout}\n{failure.stderr}" if failure is not None else ""


def _tail(failure: CommandResult | None) -> list[str]:
    written = failure.stderr or failure.stdout if failure is not None else ""
    return written.strip().splitlines()[-_TAIL_LINES:] or ["Pulumi gave no reason"]


def interrupted(projects: Projects, stack: StackId, operation: str) -> OperatorError:
    """Return the error to show when an interrupt ended the run, and Pulumi did so in its own time."""
    refresh, again = (projects.command(name, stack) for name in ("refresh", operation))
    compares = "" if operation == "refresh" else f"`{refresh}` compares the state with what is there, "
    helps = _GONE if projects.where.fleeting else f"{compares}`{again}` goes on."
    return OperatorError(
        f"{stack}: {operation} was interrupted, and Pulumi finished what it was at. {helps}", INTERRUPTED
    )


def ended_at_once(
    projects: Projects, stack: StackId, operation: str, creating: Sequence[str], signal_number: int | None = None
) -> OperatorError:
    """Return the error to show when Pulumi could not finish; what it was creating is perhaps in no state."""
    by = f" by {signal.Signals(signal_number).name}" if signal_number else ""
    exit_code = FAILED if signal_number else INTERRUPTED
    if projects.where.fleeting:
        return OperatorError(f"{stack}: {operation} was ended at once{by}. {_GONE}", exit_code)
    orphans = f" What it was creating may be there and in no state: {', '.join(creating)}." if creating else ""
    return OperatorError(
        f"{stack}: {operation} was ended at once{by}, and what it was at may be half done: "
        f"`{projects.command('refresh', stack)}` looks what came of it.{orphans}",
        exit_code,
    )


def damaged_state(stack: StackId, operation: str, damage: str, journal: Journal) -> OperatorError:
    """Return the error to show when the state's files are damaged; what the run made may be recorded here alone."""
    made = [*journal.created(), *(f"{name}, perhaps" for name in journal.creating())]
    return OperatorError(f"{stack}: {operation} failed. {damage}", details=["It made:", *made] if made else ())


def cut_off_before(projects: Projects, stack: StackId, names: Sequence[str]) -> OperatorError:
    """Return the error to show when an earlier run was cut off at the resources of those names."""
    shown = ", ".join(names[:_SHOWN_NAMES])
    rest = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return OperatorError(
        f"{stack}: an earlier run was cut off while it was at {shown}{rest}. "
        f"`{projects.command('refresh', stack)}` looks what came of it."
    )


def _known(projects: Projects, stack: StackId | None, text: str) -> str | None:
    if _LOCKED in text or _CONFLICT in text:
        owner = _LOCK_OWNER.search(text)
        by = f" ({owner.group(1)})" if owner else ""
        if stack is None:
            return f"another run has locked it{by}: wait until that has ended."
        return locked(projects, stack, by)
    if any(sign in text for sign in _PASSPHRASE):
        whose = f"{stack}'s" if stack else "its"
        return (
            f"The passphrase is not the one that {whose} secrets were encrypted with: "
            "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to that one."
        )
    if any(sign in text for sign in _SIGNED_OUT):
        return "Pulumi Cloud does not know you: `pulumi login`, or name another backend in PULUMI_BACKEND_URL."
    provider = _NO_PROVIDER.search(text)
    if provider:
        return (
            f"Pulumi's provider for {provider.group(1)} is not installed and could not be downloaded: "
            f"`pulumi plugin install resource {provider.group(1)}`."
        )
    return _known_of_files(projects, stack, text)


def _known_of_files(projects: Projects, stack: StackId | None, text: str) -> str | None:
    if _DISK_FULL in text:
        full = "the disk is full on which the state or Pulumi's temporary files are: make room"
        if stack is None:
            return f"{full}."
        if projects.where.fleeting:
            return f"{stack}: {full}. {_GONE}"
        return (
            f"{stack}: {full}, then `{projects.command('refresh', stack)}` looks what was made and could not be "
            "recorded."
        )
    return _known_of_settings(projects, stack, text) if stack else None


def _known_of_settings(projects: Projects, stack: StackId, text: str) -> str | None:
    file = f"projects/{stack.project}/{stack.settings_file}"
    if protected := ", ".join(dict.fromkeys(map(resource_name, _PROTECTED.findall(text)))):
        return (
            f"{stack}: protected, and so neither deleted nor replaced: {protected}. Set deletionProtection to false in "
            f"{file}, `{projects.command('deploy', stack)}`, and then do it again."
        )
    duplicate = _DUPLICATE.search(text)
    if duplicate and "Pulumi.yaml" not in text:
        again, key, first = duplicate.groups()
        return f"{file} has {key} in line {first} and again in line {again}: remove one of them."
    return None


def _sentence(urn: str, message: str) -> str:
    said = _PREFIX.sub("", _TRACEBACK.sub("", message)).strip()
    if not said or said.lower().startswith(_ECHOES):
        return ""
    name = resource_name(urn)
    # The stack itself is the program's place, and the sentence begins with its name already.
    return f"{name}: {said}" if urn and ROOT not in urn else said
