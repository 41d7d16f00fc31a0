"""The engine's reports of one run, kept to explain it afterwards."""

import re
import threading

from pulumi.automation import EngineEvent, OpType

from pipeline_ops.resource_names import resource_name, short_type

__all__ = ["Journal", "plain"]

_COLORS = re.compile(r"<\{%.*?%\}>")
_END_SECONDS = 10.0
_CREATIONS = {OpType.CREATE, OpType.CREATE_REPLACEMENT}


def plain(text: str) -> str:
    """Return an engine's message without its colour marks."""
    return _COLORS.sub("", text).strip()


class Journal:
    """Collects a run's errors in the order in which they came, and what it has begun to create."""

    def __init__(self) -> None:
        self._errors: list[tuple[str, str]] = []
        self._creating: dict[str, str] = {}
        self._created: list[str] = []
        self._begun = False
        self._ended = threading.Event()

    def record(self, event: EngineEvent) -> None:
        """Take an event in; called by the engine's threads."""
        self._begun = True
        diagnostic = event.diagnostic_event
        if diagnostic is not None and diagnostic.severity == "error":
            self._errors.append((diagnostic.urn or "", plain(diagnostic.message)))
        if event.resource_pre_event is not None:
            begun = event.resource_pre_event.metadata
            if begun.op in _CREATIONS and begun.new is not None and begun.new.custom:
                self._creating[begun.urn] = f"{short_type(begun.type)} {resource_name(begun.urn)}"
        if event.res_outputs_event is not None:
            made = event.res_outputs_event.metadata
            if self._creating.pop(made.urn, None) is not None and made.new is not None:
                self._created.append(f"{short_type(made.type)} {made.new.id}")
        if event.cancel_event is not None:
            self._ended.set()

    def created(self) -> list[str]:
        """Return, by type and id, what was created."""
        return list(self._created)

    def creating(self) -> list[str]:
        """Return, by type and name, what was begun to be created and is not known to be there."""
        return list(self._creating.values())

    def errors(self) -> list[tuple[str, str]]:
        """Return the errors as (urn or empty, message), once the engine's last event has come."""
        # The engine's process can end before its last events have been handled here. One that was refused before it
        # began sends none.
        if self._begun:
            self._ended.wait(_END_SECONDS)
        return list(dict.fromkeys(self._errors))
