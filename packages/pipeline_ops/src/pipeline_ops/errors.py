"""The one error that an operator's command shows: a sentence, and the exit code that goes with it."""

from collections.abc import Sequence

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "OperatorError"]

FAILED = 1
"""The exit code of a command that could not do what it was asked to."""

MISUSED = 2
"""The exit code of a command that was called in a way that it refuses."""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended: 128 and the signal's number, as shells have it."""


class OperatorError(Exception):
    """An error that stops a command; its message is the sentence that the operator reads, with the remedy in it.

    Whatever a command can't do raises it, so that the functions of this package say so only where one has to know it.
    `details` are lines below the sentence. A line break within either is shown escaped: a key may hold one.
    """

    def __init__(self, message: str, exit_code: int = FAILED, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.details = tuple(details)

    @property
    def lines(self) -> list[str]:
        """What is shown, a line each."""
        return [str(self.args[0]), *(f"  {detail}" for detail in self.details)]

    def __str__(self) -> str:
        return "\n".join(self.lines)
