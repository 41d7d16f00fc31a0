"""Whatever others wrote is shown as text: seen whole, obeyed by no terminal, and told from every other text."""

import io
import json
import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_ops.routes.dead_letters import DeadLetter
from pipeline_ops.routes.redrive_command import letters_table
from pipeline_ops.shown import shown
from pipeline_ops.terminal import Laid, Shown, TextTable, console, document, stacked

NOW = datetime(2026, 1, 31, tzinfo=UTC)
HOSTILE = [
    "incoming/report[/x].csv.gz",
    "[link=https://evil.example]invoice[/link]",
    "logs/[bold]/y",
    ":pill:",
    "\x1b[2J",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x9b2J",
    "invoice\u202egpj.exe",
    "\u2066a\u2069\u200e\u200f\u061c",
    "a\nAll is well.",
    "a\r\u2028\u2029\x0b\x7f",
    r"a\x1b[2J",
    "\\",
    "\ud800",
    " a ",
    "a\u00a0b\u3000\u200b\ufeff",
    "e\u0301",
    "\u1112\u1161\u11ab",
    "\u200e\u0301",
    "\u212b",
    "\u3164\u2800\ufe0f",
]
ESCAPE = re.compile(r"\\(\\|[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
ANY = st.text(st.characters(), max_size=12) | st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join)


def meant(text: str) -> str:
    """What a reader who knows Python's escapes takes a shown text for."""
    return ESCAPE.sub(lambda found: found[0].encode().decode("unicode_escape"), text)


def printed(what: Laid, *, width: int | None = None, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    console(file=file, width=width).print(what)
    file.flush()
    return raw.getvalue().decode(encoding)


def is_plain(text: str) -> bool:
    return all(char.isprintable() for line in text.split("\n") for char in line)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("incoming/report[/x].csv.gz", "incoming/report[/x].csv.gz"),
        ("caf\u00e9/\u65e5\u672c.csv", "caf\u00e9/\u65e5\u672c.csv"),
        ("\x1b[2J", r"\x1b[2J"),
        ("invoice\u202egpj.exe", r"invoice\u202egpj.exe"),
        ("a\nAll is well.", r"a\nAll is well."),
        (r"a\x1b", r"a\\x1b"),
        ("\ud800", r"\ud800"),
        ("e\u0301", r"e\u0301"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_obeys_or_does_not_show_is_escaped_and_the_rest_is_as_it_was(text: str, seen: str) -> None:
    assert shown(text) == seen


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_every_encoding_tells_which_text_it_was(text: str, encoding: str) -> None:
    seen = shown(text + "\u2603\u00e9", encoding)
    assert meant(seen) == text + "\u2603\u00e9"
    assert seen.encode(encoding)


@given(text=ANY)
def test_any_text_is_printable_and_told_from_every_other_even_by_its_looks(text: str) -> None:
    seen = shown(text)
    assert seen.isprintable()
    assert meant(seen) == text
    assert unicodedata.is_normalized("NFC", seen)


@given(key=ANY, reason=ANY, message=ANY)
def test_any_letter_is_a_row_that_tells_its_key_reason_and_message_whole(key: str, reason: str, message: str) -> None:
    letter = DeadLetter(
        id="1", body="", target="dev", reason=reason, message=message, keys=(key,), since=NOW, event=None
    )
    told = printed(letters_table([letter], NOW))
    assert is_plain(told)
    (row,) = [line for line in told.splitlines() if line.startswith("\u2502")]
    cells = re.fullmatch("\u2502 dev    \u2502 (.*)\u2502       1 \u2502 0 s    \u2502 (.*)\u2502 (.*)\u2502", row)
    assert cells is not None
    assert [meant(cell.rstrip(" ")) for cell in cells.groups()] == [reason, message, key]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
@pytest.mark.parametrize("width", [None, 20])
def test_a_table_of_any_encoding_and_width_cuts_nothing(text: str, encoding: str, width: int | None) -> None:
    table = TextTable("key", title=text, caption=text)
    table.add(text)
    told = printed(stacked(table, Shown(text)), width=width, encoding=encoding)
    assert is_plain(told)
    cells = [line.strip("\u2502| ") for line in told.splitlines() if line[:1] in {"\u2502", "|"}]
    assert meant("".join(cells[-1:] if width is None else cells).removeprefix("key")).strip("- +") == text.strip("- +")


def test_a_pipe_has_no_edge_and_a_terminal_has(monkeypatch: pytest.MonkeyPatch) -> None:
    table = TextTable("says")
    table.add("word " * 100)
    assert len(printed(table).splitlines()) == 5
    assert max(map(len, printed(table, width=80).splitlines())) <= 80


@given(text=ANY)
def test_a_document_is_exact_and_nothing_in_it_is_obeyed(text: str) -> None:
    file = io.StringIO()
    document({text: [text]}, console(file=file))
    assert json.loads(file.getvalue()) == {text: [text]}
    assert file.getvalue().isascii()
    assert is_plain(file.getvalue())
