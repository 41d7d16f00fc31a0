"""Standard output and standard error for people: every text is shown as text, whoever wrote it.

Keys, reasons and answers of services are others' words: they may hold what a terminal obeys, what looks like rich's
markup, and what can't be seen. Nothing else in this package prints, or makes a console of rich's.
"""

import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import click
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.status import Status
from rich.table import Table as RichTable
from rich.text import Text

from pipeline_ops.shown import shown

__all__ = [
    "Console",
    "Laid",
    "Shown",
    "TextTable",
    "ask",
    "at_terminal",
    "console",
    "document",
    "show",
    "silence",
    "spinner_of",
    "stacked",
    "survive_encodings",
    "tell",
    "waiting",
    "watched",
]

_SPACE = r"\x20"
_UNLIMITED = 100_000
"""Columns of what is no terminal: a file has no edge to wrap or cut at."""


@dataclass(frozen=True)
class Shown:
    """A text for rich to lay out; spaces at its ends are escaped, since a layout has spaces of its own."""

    text: str
    style: str = ""
    most: int | None = None
    """Columns after which it is cut, as it is where a table has fewer."""

    def _laid_out(self, encoding: str) -> Text:
        inner = self.text.strip(" ")
        before, _, after = self.text.partition(inner) if inner else (self.text, "", "")
        text = Text(before.replace(" ", _SPACE) + shown(inner, encoding) + after.replace(" ", _SPACE), self.style)
        if self.most is not None:
            text.no_wrap, text.overflow = True, "ellipsis" if encoding.startswith("utf") else "crop"
            text.truncate(self.most)
        return text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._laid_out(options.encoding)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._laid_out(options.encoding))


class TextTable:
    """A table of texts, none of which is cut: what does not fit goes on in the next line of its cell."""

    def __init__(
        self,
        *headings: str,
        title: str = "",
        caption: str = "",
        numbers: Collection[str] = (),
        framed: bool = True,
        whole: Collection[str] = (),
    ) -> None:
        """Begin one; columns in `numbers` stand to the right, and those in `whole` are never wrapped."""
        frame: Any = {} if framed else {"box": box.SIMPLE_HEAD, "show_edge": False, "pad_edge": False}
        texts: Any = {"title": Shown(title) if title else None, "caption": Shown(caption) if caption else None}
        self._table = RichTable(**texts, **frame, collapse_padding=not framed)
        for heading in headings:
            justify: Any = "right" if heading in numbers else "left"
            self._table.add_column(Shown(heading), justify=justify, overflow="fold", no_wrap=heading in whole)

    def add(self, *cells: str | Shown) -> None:
        """Add a row."""
        self._table.add_row(*(Shown(cell) if isinstance(cell, str) else cell for cell in cells))

    def divide(self) -> None:
        """Draw a line below what was added so far."""
        self._table.add_section()

    def __rich__(self) -> RenderableType:
        return self._table


Laid: TypeAlias = TextTable | Shown | Group
"""Anything that `show` takes."""


def stacked(*parts: Laid) -> Laid:
    """Return the parts as one, each below the one before."""
    return Group(*parts)


def console(*, stderr: bool = False, file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return a console that takes no text for markup, and that cuts and wraps at a terminal's width alone."""
    stream = file or (sys.stderr if stderr else sys.stdout)
    is_terminal = stream is not None and stream.isatty()
    return Console(
        stderr=stderr,
        file=file,
        width=width or (None if is_terminal else _UNLIMITED),
        markup=False,
        highlight=False,
        emoji=False,
    )


def silence() -> Console:
    """Return a console that prints nothing."""
    return Console(quiet=True)


def show(what: Laid) -> None:
    """Print what was laid out."""
    console().print(what)


def tell(*lines: str, err: bool = False) -> None:
    """Print sentences, each on a line of its own however long it is."""
    stream = sys.stderr if err else sys.stdout
    for line in lines:
        click.echo(shown(line, getattr(stream, "encoding", None) or "utf-8"), err=err)


def document(value: object, on: Console | None = None) -> None:
    """Print one JSON document, in ASCII: the same to a program, and nothing that a terminal would obey."""
    # DEL is the one control character that JSON does not have escaped.
    text = json.dumps(value, indent=2, default=str).replace("\x7f", r"\u007f")
    click.echo(text, file=on.file if on else None)


def at_terminal() -> bool:
    """Tell whether somebody can be asked: not where standard input is closed or comes from elsewhere."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def ask(text: str) -> str:
    """Ask, on standard error, and return the answer."""
    return str(click.prompt(shown(text, getattr(sys.stderr, "encoding", None) or "utf-8"), err=True))


def spinner_of(on: Console) -> str:
    """Return the name of the spinner that the console's encoding can draw."""
    return "dots" if on.encoding.startswith("utf") else "line"


@contextmanager
def waiting(what: str, on: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is waited for, for a block, which is given a function that says it anew."""
    shown_on = on or console(stderr=True)
    with Status(Shown(what), console=shown_on, spinner=spinner_of(shown_on)) as status:
        yield lambda text: status.update(Shown(text))


@contextmanager
def watched(first: Laid) -> Iterator[Callable[[Laid], None]]:
    """Show what changes, for a block, which is given a function that shows it anew."""
    with Live(first, console=console(), auto_refresh=False) as live:
        yield lambda renewed: live.update(renewed, refresh=True)


def survive_encodings() -> None:
    """Have standard output and error escape what their encoding lacks, also where click or Python writes by itself."""
    streams: Sequence[Any] = (sys.stdout, sys.stderr)
    for stream in streams:
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")
