"""A failed engine run as the sentence that an operator can act on."""

import re

from pulumi.automation import CommandResult

from pipeline_ops.errors import OperatorError
from pipeline_ops.journal import resource_name
from pipeline_ops.projects import Projects, StackId

__all__ = ["INTERRUPTED", "explain", "interrupted"]

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as a shell gives it."""

_LOCKED = "the stack is currently locked by"
_LOCK_OWNER = re.compile(r"created by (.+ at \S+)")
_CONFLICT = "[409] Conflict"
_SIGNED_OUT = ("PULUMI_ACCESS_TOKEN must be set", "invalid access token")
_PASSPHRASE = ("incorrect passphrase", "passphrase must be set")
_NO_PROVIDER = re.compile(r"no resource plugin 'pulumi-resource-(\S+)'")
_TRACEBACK = re.compile(r"\s*Traceback \(most recent call last\).*", re.DOTALL)
_PREFIX = re.compile(r"^python inline source runtime error: ")
# What the engine adds to an error it has already reported.
_ECHOES = ("update failed", "preview failed", "resource monitor shut down", "an unhandled error occurred")
_TAIL_LINES = 8


def explain(
    projects: Projects, stack: StackId, operation: str, errors: list[tuple[str, str]], failure: CommandResult | None
) -> OperatorError:
    """Return the error to show, from the errors the engine reported and what its last command wrote."""
    written = f"{failure.stdout}\n{failure.stderr}" if failure is not None else ""
    known = _known(projects, stack, "\n".join([written, *(message for _, message in errors)]))
    if known:
        return OperatorError(known)
    sentences = list(dict.fromkeys(filter(None, (_sentence(urn, message) for urn, message in errors))))
    lines = [line for sentence in sentences for line in sentence.splitlines()]
    if not lines:
        tail = failure.stderr or failure.stdout if failure is not None else ""
        lines = tail.strip().splitlines()[-_TAIL_LINES:] or ["Pulumi gave no reason"]
    if len(lines) == 1:
        return OperatorError(f"{stack}: {operation} failed: {lines[0]}")
    return OperatorError(f"{stack}: {operation} failed:", details=lines)


def interrupted(projects: Projects, stack: StackId, operation: str) -> OperatorError:
    """Return the error to show when an interrupt ended the run."""
    return OperatorError(
        f"{stack}: {operation} was interrupted, and Pulumi finished what it was at. "
        f"`{projects.command('refresh', stack)}` compares the state with what is there, "
        f"`{projects.command(operation, stack)}` goes on.",
        INTERRUPTED,
    )


def _known(projects: Projects, stack: StackId, text: str) -> str | None:
    if _LOCKED in text or _CONFLICT in text:
        owner = _LOCK_OWNER.search(text)
        by = f" ({owner.group(1)})" if owner else ""
        return (
            f"{stack} is locked by another run{by}: wait until it has ended; if it no longer runs, "
            f"`{projects.command('unlock', stack)}` removes its lock."
        )
    if any(sign in text for sign in _PASSPHRASE):
        return (
            f"The passphrase is not the one that {stack}'s secrets were encrypted with: "
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
    return None


def _sentence(urn: str, message: str) -> str:
    said = _PREFIX.sub("", _TRACEBACK.sub("", message)).strip()
    if not said or said.lower().startswith(_ECHOES):
        return ""
    name = resource_name(urn)
    # The stack itself is the program's place, and the sentence begins with its name already.
    return f"{name}: {said}" if urn and "pulumi:pulumi:Stack" not in urn else said
