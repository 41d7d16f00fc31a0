"""Live progress of the engine's runs: a line per resource that changes, and on a terminal what is being worked on."""

import queue
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from pulumi.automation import EngineEvent, OpType, StepEventMetadata
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipeline_ops.journal import plain
from pipeline_ops.projects import StackId
from pipeline_ops.resource_names import resource_name, short_type
from pipeline_ops.shown import shown
from pipeline_ops.terminal import Console, spinner_of

__all__ = ["ProgressDisplay", "Tracker"]

_SHOWN_PROPERTIES = 6
_REFRESHES_PER_SECOND = 8.0


class _Verb(NamedTuple):
    mark: str
    style: str
    doing: str
    done: str


_VERBS = {
    OpType.CREATE: _Verb("+", "green", "creating", "created"),
    OpType.UPDATE: _Verb("~", "yellow", "updating", "updated"),
    OpType.DELETE: _Verb("-", "red", "deleting", "deleted"),
    OpType.CREATE_REPLACEMENT: _Verb("±", "magenta", "replacing", "replaced"),
    OpType.DELETE_REPLACED: _Verb("-", "red", "deleting the replaced", "deleted the replaced"),
    OpType.READ: _Verb(">", "cyan", "reading", "read"),
    OpType.REFRESH: _Verb("?", "cyan", "looking at", "looked at"),
    OpType.IMPORT: _Verb("=", "green", "importing", "imported"),
}
_UNINTERESTING = {OpType.READ, OpType.REFRESH}


@dataclass
class Tracker:
    """Turns a run's events into lines, and knows what is being worked on."""

    stack: StackId
    operation: str
    active: dict[str, tuple[str, float]] = field(default_factory=dict)

    def take(self, event: EngineEvent, now: float) -> Text | None:
        """Take an event in, `now` being seconds of any clock; return the line to print for it, where there is one."""
        if event.resource_pre_event is not None:
            self._begun(event.resource_pre_event.metadata, now)
        elif event.res_outputs_event is not None:
            return self._done(event.res_outputs_event.metadata, now)
        elif event.res_op_failed_event is not None:
            return self._failed(event.res_op_failed_event.metadata)
        diagnostic = event.diagnostic_event
        if diagnostic is not None and diagnostic.severity == "warning" and not diagnostic.ephemeral:
            return self._line("!", "yellow", plain(diagnostic.message))
        return None

    def _begun(self, step: StepEventMetadata, now: float) -> None:
        verb = _VERBS.get(step.op)
        if verb is not None and _is_real(step):
            self.active[step.urn] = (f"{verb.doing} {short_type(step.type)} {resource_name(step.urn)}", now)

    def _done(self, step: StepEventMetadata, now: float) -> Text | None:
        _, began = self.active.pop(step.urn, ("", now))
        verb = _VERBS.get(step.op)
        if verb is None or step.op in _UNINTERESTING or not _is_real(step):
            return None
        what = f"{short_type(step.type)} {resource_name(step.urn)}{_changed(step)}"
        if self.operation == "preview":
            return self._line(verb.mark, verb.style, f"would be {verb.done}: {what}")
        if self.operation == "drift":
            return self._line(verb.mark, verb.style, f"was {verb.done} by others: {what}")
        return self._line(verb.mark, verb.style, f"{verb.done} {what} ({now - began:.1f} s)")

    def _failed(self, step: StepEventMetadata) -> Text:
        self.active.pop(step.urn, None)
        return self._line("✗", "bold red", f"failed {short_type(step.type)} {resource_name(step.urn)}")

    def _line(self, mark: str, style: str, text: str) -> Text:
        # A warning has lines of its own; all else is one.
        said = "\n".join(shown(line) for line in text.splitlines())
        return Text.assemble((f"{self.stack} ", "bold"), (mark, style), f" {said}")


def _is_real(step: StepEventMetadata) -> bool:
    # Components, stacks and providers are Pulumi's own: nothing in the cloud changes with them.
    state = step.new or step.old
    return bool(state and state.custom) and not step.type.startswith("pulumi:")


def _changed(step: StepEventMetadata) -> str:
    # Names of properties only: values can be secret.
    names = sorted({name.partition(".")[0].partition("[")[0] for name in (step.detailed_diff or step.diffs or ())})
    if step.op not in {OpType.UPDATE, OpType.CREATE_REPLACEMENT} or not names:
        return ""
    rest = f" and {len(names) - _SHOWN_PROPERTIES} more" if len(names) > _SHOWN_PROPERTIES else ""
    return f" [{', '.join(names[:_SHOWN_PROPERTIES])}{rest}]"


class ProgressDisplay:
    """Shows runs as they go. `on_event` and `say` only enqueue, from any thread; one thread of its own prints."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._queue: queue.SimpleQueue[tuple[StackId, str, EngineEvent] | str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)
        self._trackers: dict[tuple[StackId, str], Tracker] = {}
        self._waiting: tuple[str, float] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Show what is enqueued and stop showing, so that something else can print. Again is fine."""
        self._queue.put(None)
        self._thread.join()

    def on_event(self, stack: StackId, operation: str, event: EngineEvent) -> None:
        """Enqueue an engine's event."""
        self._queue.put((stack, operation, event))

    def say(self, message: str) -> None:
        """Enqueue a sentence about what is being done or waited for; on a terminal it stays until the next, timed."""
        self._queue.put(message)

    def _show(self) -> None:
        live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with live if self._console.is_terminal else nullcontext():
            while (entry := self._queue.get()) is not None:
                self._take(entry)

    def _take(self, entry: tuple[StackId, str, EngineEvent] | str) -> None:
        if isinstance(entry, str):
            self._console.print(self._text(entry, "dim"), soft_wrap=True)
            self._waiting = (entry, time.monotonic())
            return
        self._waiting = None
        stack, operation, event = entry
        tracker = self._trackers.setdefault((stack, operation), Tracker(stack, operation))
        line = tracker.take(event, time.monotonic())
        if line is not None:
            self._console.print(line, soft_wrap=True)

    def _render(self) -> Table:
        # Called by the refreshing thread while entries are taken in: it reads copies.
        now = time.monotonic()
        table = Table.grid(padding=(0, 1))
        doing = [] if self._waiting is None else [self._waiting]
        for tracker in list(self._trackers.values()):
            doing += [(f"{tracker.stack} {what}", since) for what, since in list(tracker.active.values())]
        for what, since in doing:
            turning = Spinner(spinner_of(self._console))
            table.add_row(turning, self._text(what), self._text(f"{now - since:.0f} s", "dim"))
        return table

    def _text(self, text: str, style: str = "") -> Text:
        return Text(shown(text, self._console.encoding), style)
