"""What is wrong with a policy's file: all of it, each in one sentence with its place and what to write instead."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Fault", "Faults", "PolicyFileError"]


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong, or that may be meant otherwise."""

    file: str
    line: int
    place: str
    """Where it stands within the file, such as `datasets.orders.key.id`; empty for the file as a whole."""

    what: str
    fix: str
    is_warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        end = "" if self.fix.endswith("?") else "."
        return f"{where}: {self.place or 'the policy'} {self.what}: {self.fix}{end}"

    def document(self) -> dict[str, Any]:
        """Return it as a report in JSON holds it."""
        told = {"line": self.line, "place": self.place, "what": self.what, "fix": self.fix}
        return {"kind": "warning" if self.is_warning else "fault", "file": self.file, **told}


class PolicyFileError(ValueError):
    """A file that is no policy; the message is all that is wrong with it, a line each."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class Faults:
    """Collects what is found in one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: dict[Fault, None] = {}
        self._told: set[tuple[int, str]] = set()

    def add(self, line: int, place: str, what: str, fix: str) -> None:
        """Note what is wrong at a place, and what to do; the place begins the sentence, and `what` goes on.

        What follows from another fault, of the same place or right below it, is not told.
        """
        if (line, place) not in self._told:
            self._found[Fault(self._file, line, place, what, fix)] = None
            self._told |= {(line, place), (line, place.rpartition(".")[0])}

    def warn(self, line: int, place: str, what: str, fix: str) -> None:
        """Note what may be meant otherwise."""
        self._found[Fault(self._file, line, place, what, fix, is_warning=True)] = None

    @property
    def errors(self) -> tuple[Fault, ...]:
        """What stops the file from being a policy, in the file's order."""
        return tuple(sorted(fault for fault in self._found if not fault.is_warning))

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """What may be meant otherwise, likewise."""
        return tuple(sorted(fault for fault in self._found if fault.is_warning))
