"""Others' texts as they may be shown, on a terminal or a page: keys, reasons and answers of services."""

import re
import unicodedata
from collections.abc import Callable

__all__ = ["shown"]

# What Unicode has a terminal show nothing for, and Python calls printable all the same; and the blank that is no space.
# https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_JAMO = re.compile("[\u1160-\u11ff]")


def shown(text: str, encoding: str = "utf-8") -> str:
    r"""Return the text as it may be printed: on one line, seen whole, and other than any other text's.

    What is not seen, or is obeyed, is escaped as Python writes it (`\n`, `\x1b`, `\u202e`): control and format
    characters, those of the writing direction, every space but the one, lone surrogates, and what the encoding lacks.
    A backslash is doubled, so that it is told from an escape. Of a text in another normal form than NFC, which looks
    the same, what makes it so is escaped too.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    escaped = _escaped(text, _is_seen)
    if not unicodedata.is_normalized("NFC", escaped):
        escaped = _escaped(text, lambda char: _is_seen(char) and _is_composed(char))
    return escaped.encode(encoding, "backslashreplace").decode(encoding)


def _escaped(text: str, kept: Callable[[str], bool]) -> str:
    return "".join(char if kept(char) else char.encode("unicode_escape").decode() for char in text)


def _is_seen(char: str) -> bool:
    return char.isprintable() and char != "\\" and not _INVISIBLE.match(char)


def _is_composed(char: str) -> bool:
    # What is neither is left as it is by every normalization: https://www.unicode.org/reports/tr15/#Detecting_Normalization_Forms
    composes = unicodedata.category(char).startswith("M") or _JAMO.match(char)
    return not composes and unicodedata.is_normalized("NFC", char)
