"""What the engine reported about one run, kept for explaining it afterwards."""

import re
import threading

from pulumi.automation import EngineEvent

__all__ = ["Journal", "plain", "resource_name"]

_COLORS = re.compile(r"<\{%.*?%\}>")
_END_SECONDS = 10.0


def plain(text: str) -> str:
    """Return an engine's message without its colour marks."""
    return _COLORS.sub("", text).strip()


def resource_name(urn: str) -> str:
    """Return a resource's logical name."""
    return urn.rpartition("::")[2]


class Journal:
    """Collects a run's errors in the order in which they came."""

    def __init__(self) -> None:
        self._errors: list[tuple[str, str]] = []
        self._ended = threading.Event()

    def record(self, event: EngineEvent) -> None:
        """Take an event in; called by the engine's threads."""
        diagnostic = event.diagnostic_event
        if diagnostic is not None and diagnostic.severity == "error":
            self._errors.append((diagnostic.urn or "", plain(diagnostic.message)))
        if event.cancel_event is not None:
            self._ended.set()

    def errors(self) -> list[tuple[str, str]]:
        """Return the errors as (urn or empty, message), once the engine's last event has come."""
        # The engine's process can end before its last events have been handled here.
        self._ended.wait(_END_SECONDS)
        return list(dict.fromkeys(self._errors))
