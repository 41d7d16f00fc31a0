"""Markdown of what others named: nothing in it becomes a link, a mention, markup or a page of its own."""

import re
from collections.abc import Sequence

from pipeline_ops.shown import shown

__all__ = ["block", "cut", "section"]

_LONGEST_FENCE = re.compile(r"`+")


def section(title: str, lines: Sequence[str]) -> str:
    """Return a section of a title of our own and lines of anybody's."""
    return f"### {title}\n\n{block(lines)}\n" if lines else f"### {title}\n\n"


def block(lines: Sequence[str]) -> str:
    """Return the lines as a block of code that none of them ends."""
    runs = [len(run) for line in lines for run in _LONGEST_FENCE.findall(line)]
    fence = "`" * max(3, *(run + 1 for run in runs), 3)
    return "\n".join((f"{fence}text", *map(shown, lines), fence, ""))


def cut(text: str, most: int) -> str:
    """Return the text, of a longer one its beginning, ended within its block and with a sentence that says so."""
    if len(text) <= most:
        return text
    ending = "\n\n_This is too long to be shown whole: see the run's own log._\n"
    kept = text[: most - len(ending) - 16]
    fences = re.findall(r"^(`{3,})(text)?$", kept, re.MULTILINE)
    is_within = bool(fences) and bool(fences[-1][1])
    return kept + (f"\n{fences[-1][0][:12]}" if is_within else "") + ending
