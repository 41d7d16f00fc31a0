"""A record's bytes masked: JSON by its tokens, a CSV row by its cells. Pure.

What no rule changes stays byte for byte: numbers, white space, escapes, quotes. Whatever is not surely understood is
refused, so the grammar is no wider than the one of who processes such files.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from replication_core.masking.attributes import AttributeMasks
from replication_core.masking.detectors import DETECTORS, detected
from replication_core.masking.paths import DEPTH, Node, Path, Placed, Step, parse_path, path_text, trie
from replication_core.masking.policy import DROP, PathRule, Rule
from replication_core.masking.refusals import Unclassified
from replication_core.masking.rules import Masker
from replication_core.numbers import NumberError, number_text

__all__ = ["TEXTS", "Columns", "FieldMask", "RecordMask", "Travels"]

_BLANK = " \t\r\n"
"""What may stand around a value that is no text, as in JSON: https://www.rfc-editor.org/rfc/rfc8259#section-2."""

_WHITE = r"[ \t\n\r]*+"
_STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+)*+"'
_NUMERAL = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_VALUE = rf"(?:({_STRING})|({_NUMERAL})|(true|false)|(null)|(\{{)|(\[))"
_begin = re.compile(rf"{_WHITE}\{{").match
_end = re.compile(rf"{_WHITE}\Z").match


class _Tokens:
    """How the members of a map, or the elements of a list, follow each other."""

    def __init__(self, name: str, closing: str) -> None:
        self.each = re.compile(_WHITE + name + _VALUE).match
        self.after = re.compile(rf"{_WHITE}([,{closing}])").match
        self.none = re.compile(_WHITE + closing).match


_MEMBERS = _Tokens(rf"({_STRING}){_WHITE}:{_WHITE}", r"\}")
_ELEMENTS = _Tokens("()", r"\]")

_NAME, _TEXT, _NUMBER, _BOOLEAN, _NULL, _MAP, _LIST = range(1, 8)
"""The groups of what `_Tokens.each` finds: a name, which is empty for an element, and one of the kinds of values."""


def _read(token: str) -> str:
    """Return the text that a JSON string says; raises Unclassified for half a surrogate pair."""
    if "\\" not in token:
        return token[1:-1]
    text: str = json.loads(token)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unclassified("a text is not Unicode") from None
    return text


Travels = Callable[[str, Any], bool]
"""Tells by a type and a value whether a record travels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMask:
    """What becomes of the values at a path of the policy."""

    path: str
    rule: Rule
    place: int
    """Of the rule, among those for these records."""

    type: str
    """What a text here says, as a DynamoDB type: S, N, B in base64, or BOOL."""

    mask: Masker | None
    """None where they are left out, with all below them that no longer path leads to."""

    travels: Travels | None = None
    """Tells whether the record travels, where that depends on what is here."""

    def value(self, type_: str, value: Any) -> tuple[Any, bool]:
        """Return the masked value, and whether the record travels; raises Unclassified."""
        assert self.mask  # noqa: S101 - whoever asks knows that it stays
        return self.mask(type_, value), self.travels is None or self.travels(type_, value)

    def text(self, text: str) -> tuple[str, bool]:
        """Return a masked text, and whether the record travels; the same text where its value stays.

        Raises Unclassified, also for a text that does not say a value of its type.
        """
        if self.type == "S":
            return self.value("S", text)
        read, write = TEXTS[self.type]
        try:
            value = read(text)
        except ValueError:
            raise self.refusal(f"a text is no value of type {self.type}") from None
        made, travels = self.value(self.type, value)
        return (text if made == value else write(made)), travels

    def number(self, text: str) -> tuple[str, bool]:
        """Return a masked number, and whether the record travels, as `text` does."""
        try:
            number = number_text(text)
        except NumberError:  # which many a rule refuses, but that may be kept
            number = text
        made, travels = self.value("N", number)
        return (text if made == number else made), travels

    def token(self, kind: int, token: str) -> tuple[str, bool]:
        """Return a masked JSON value, and whether the record travels, as `text` does."""
        if kind == _TEXT:
            text = _read(token)
            made, travels = self.text(text)
            return (token if made == text else encode_basestring(made)), travels
        if kind == _NUMBER:
            return self.number(token)
        if kind == _NULL:
            return token, True
        truth, travels = self.value("BOOL", token == "true")  # noqa: S105
        return _truth(truth), travels

    def refusal(self, why: str) -> Unclassified:
        """Return the refusal of a value here."""
        return Unclassified(why, path=self.path, policy_line=self.rule.line)


def _boolean(text: str) -> bool:
    found = {"true": True, "false": False}.get(text.strip(_BLANK).lower())
    if found is None:
        raise ValueError
    return found


def _truth(value: bool) -> str:
    return "true" if value else "false"


class TextForm(NamedTuple):
    """How a text says a value of a type; `read` raises ValueError for one that says none."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


TEXTS: Mapping[str, TextForm] = {
    "N": TextForm(lambda text: number_text(text.strip(_BLANK)), str),
    "B": TextForm(lambda text: base64.b64decode(text, validate=True), lambda value: base64.b64encode(value).decode()),
    "BOOL": TextForm(_boolean, _truth),
}
"""How a text that says a value of another type is read, and written."""

_MOST_COLUMNS = 10_000
"""Of a CSV file: a position in its body tells of each, and has room in a message."""

Columns = tuple[FieldMask | None, ...]
"""What becomes of the cells of each column; None of one that is left out."""


class RecordMask:
    """Masks records by a policy's paths; every method raises Unclassified."""

    def __init__(
        self, rules: Iterable[PathRule], masks: AttributeMasks, travels: Mapping[str, Travels] | None = None
    ) -> None:
        """Take the rules, what makes their masks, and by path what tells of a value whether its record travels."""
        self._drops_unknown = masks.drops_unknown
        self._fields: list[FieldMask] = []

        def field(path: str, rule: Rule | None) -> FieldMask | None:
            if rule is None:
                return None
            field = FieldMask(
                path=path,
                rule=rule,
                place=len(self._fields),
                type=str(rule.settings.get("type", "S")),
                mask=None if rule.kind == DROP else masks.masker(rule, path),
                travels=(travels or {}).get(path),
            )
            self._fields.append(field)
            return field

        placed = [
            Placed(parse_path(each.path), field(each.path, each.rule), field(each.path, each.names)) for each in rules
        ]
        self.root = trie(placed, lambda field: not field.mask)
        _prune(self.root, {})
        self._shapes: tuple[_Shape, ...] = ()
        self._walked = 0

    def json(self, data: bytes) -> bytes | None:
        """Return a JSON object masked, None where it does not travel."""
        text = _decoded(data)
        for shape in self._shapes:
            if found := shape.match(text):
                return shape.masked(found)
        walk = _Walk(text, self)
        masked = walk.masked()
        self._walked += 1
        if self._walked % _LEARNT_OF == 0 and len(walk.slots) <= _LEARNT_SLOTS and len(text) <= _LEARNT_CHARACTERS:
            self._shapes = (_Shape(walk), *self._shapes[: _SHAPES - 1])
        return masked

    def header(self, row: bytes) -> tuple[bytes, Columns]:
        """Return a CSV file's first row as it is to be, and what becomes of each column."""
        cells, end = _cells(row)
        if len(cells) > _MOST_COLUMNS:
            raise Unclassified(f"the header has more than {_MOST_COLUMNS:,} columns")
        names = [_unquoted(cell) for cell in cells]
        if not all(names):
            raise Unclassified("the header has a column without a name")
        if len(set(names)) != len(names):
            raise Unclassified("the header has two columns of the same name")
        columns = tuple(self._column(name) for name in names)
        return _joined((cell for cell, column in zip(cells, columns, strict=True) if column), end), columns

    def _column(self, name: str) -> FieldMask | None:
        node = self.root.names.get(name, self.root.other)
        if node is None or node.rule is None:
            self.refuse_unknown(self.root)
            return None
        if name not in self.root.names:
            self.keep_name(name, self.root)
        return node.rule if node.rule.mask else None

    def columns(self, places: Iterable[int]) -> Columns:
        """Return what becomes of the columns of these fields' places, -1 for one that is left out."""
        return tuple(self._fields[place] if place >= 0 else None for place in places)

    def row(self, data: bytes, columns: Columns) -> bytes | None:
        """Return a CSV row masked, None where it does not travel."""
        cells, end = _cells(data)
        if len(cells) != len(columns):
            raise Unclassified(f"a row has {len(cells)} cells, where the header has {len(columns)}")
        made: list[str] = []
        travels = True
        for cell, column in zip(cells, columns, strict=True):
            if column is None:
                continue
            text = _unquoted(cell)
            if not text:  # no value
                made.append(cell)
                continue
            masked, wanted = column.text(text)
            travels = travels and wanted
            made.append(cell if masked == text else _cell(masked, quoted=cell != text))
        return _joined(made, end) if travels else None

    def refuse_unknown(self, node: Node[FieldMask]) -> None:
        """Refuse what no rule is for below a node, unless that is to be left out."""
        if not self._drops_unknown:
            raise Unclassified("holds a field that no rule is for", path=self.path(node))

    def keep_name(self, name: str, node: Node[FieldMask]) -> None:
        """Refuse a name that is kept but that no path says, where a detector finds something in it."""
        if found := detected(name):
            raise Unclassified(f"a name that is kept holds what looks like {DETECTORS[found]}", path=self.path(node))

    def path(self, wanted: Node[FieldMask]) -> str:
        """Return the path of a node, in the policy's words."""
        paths: list[tuple[Node[FieldMask], Path]] = [(self.root, ())]
        seen: set[int] = set()
        while paths:
            node, path = paths.pop()
            if node is wanted:
                return path_text(path)
            if id(node) in seen:
                continue
            seen.add(id(node))
            paths += [(below, (*path, name)) for name, below in node.names.items()]
            others = Step.NAMES if node.renames else Step.ANY
            steps = ((others, node.other), (Step.ELEMENTS, node.elements))
            paths += [(below, (*path, step)) for step, below in steps if below]
        return ""


def _prune(node: Node[FieldMask], seen: dict[int, bool]) -> bool:
    """Take off what is below the nodes that leave out all of it; tell whether this one does."""
    if id(node) not in seen:
        seen[id(node)] = bool(node.rule and not node.rule.mask)  # of a node that is below itself, what the others say
        below = [_prune(each, seen) for each in (*node.names.values(), node.other, node.elements) if each]
        seen[id(node)] = seen[id(node)] and not node.names and all(below)
        if seen[id(node)]:
            node.other = node.elements = None
    return seen[id(node)]


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unclassified(f"not UTF-8, at byte {error.start + 1} of the record") from None


_cell_of = re.compile(r'("(?:[^"]++|"")*+"|(?!")[^,\r\n]*+)(,|\Z)').match


def _cells(row: bytes) -> tuple[list[str], str]:
    """Return a row's cells as they are written, and what follows them."""
    text = _decoded(row)
    end = "\r" if text.endswith("\r") else ""
    text = text.removesuffix(end)
    cells: list[str] = []
    at, comma = 0, ","
    while comma:
        found = _cell_of(text, at)
        if not found:
            raise Unclassified(f"not CSV, from character {at + 1} of the row on")
        cell, comma = found.groups()
        cells.append(cell)
        at = found.end()
    return cells, end


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


_needs_quotes = re.compile(r'[",\r\n]').search


def _cell(text: str, *, quoted: bool) -> str:
    return '"' + text.replace('"', '""') + '"' if quoted or _needs_quotes(text) else text


def _joined(cells: Iterable[str], end: str) -> bytes:
    return (",".join(cells) + end).encode()


_LEFT_OUT: Node[FieldMask] = Node()
_LEFT_OUT.other = _LEFT_OUT.elements = _LEFT_OUT
"""The node of all that is below what is left out."""


class _Walk:
    """Goes over one JSON object's tokens, and collects what is to be instead of them."""

    __slots__ = ("copied", "made", "masks", "slots", "text", "travels")

    def __init__(self, text: str, masks: RecordMask) -> None:
        self.text = text
        self.masks = masks
        self.made: list[str] = []
        self.copied = 0
        """How much of the text stands in `made`, as it is to be."""

        self.slots: list[_Slot] = []
        self.travels = True

    def masked(self) -> bytes | None:
        """Return the masked record, None where it does not travel."""
        found = _begin(self.text)
        if not found:
            raise Unclassified("not a JSON object")
        end = self._inside(found.end(), self.masks.root, _MEMBERS, 0)
        if not _end(self.text, end):
            raise self._no_json(end)
        self._replace(len(self.text), len(self.text))
        return "".join(self.made).encode() if self.travels else None

    def _no_json(self, at: int) -> Unclassified:
        return Unclassified(f"not JSON, from character {at + 1} of the record on")

    def _replace(self, start: int, end: int, by: str = "") -> None:
        self.made += (self.text[self.copied : start], by)
        self.copied = end

    def _inside(self, at: int, node: Node[FieldMask], tokens: _Tokens, depth: int) -> int:
        """Go over the members or elements from behind the bracket on; return where what follows the closing one is."""
        if depth > DEPTH:
            raise Unclassified(f"nested deeper than {DEPTH} levels")
        if found := tokens.none(self.text, at):
            return found.end()
        names: dict[str, str] = {}
        is_first = True
        while True:
            begin = at
            found = tokens.each(self.text, at)
            if not found:
                raise self._no_json(at)
            below = self._member(found, node, names) if tokens is _MEMBERS else self._kept(found, node.elements, node)
            end = self._value(found, below, depth) if below else self._over(found, depth)
            after = tokens.after(self.text, end)
            if not after:
                raise self._no_json(end)
            at = after.end()
            is_last = after[1] != ","
            if below:
                is_first = False
            elif is_first:
                self._replace(begin, after.start(1) if is_last else at)
            else:
                self._replace(begin - 1, after.start(1))  # with the comma before it
            if is_last:
                if node.renames and len(set(names.values())) < len(names):
                    raise Unclassified("two names become the same one", path=self.masks.path(node))
                return at

    def _member(self, found: re.Match[str], node: Node[FieldMask], names: dict[str, str]) -> Node[FieldMask] | None:
        """Return a member's node, having masked its name where that is data; None where it is left out."""
        name = _read(found[_NAME])
        if name in names:
            raise Unclassified("a name stands more than once in an object", path=self.masks.path(node))
        names[name] = name
        if known := node.names.get(name):
            return self._kept(found, known, node)
        below = self._kept(found, node.other, node)
        if below and node.renames:
            made, _ = node.renames.text(name)
            if made != name:
                if made in node.names:
                    raise Unclassified("two names become the same one", path=self.masks.path(node))
                names[name] = made
                self._replace(*found.span(_NAME), encode_basestring(made))
        elif below:
            self.masks.keep_name(name, node)
        return below

    def _kept(
        self, found: re.Match[str], below: Node[FieldMask] | None, node: Node[FieldMask]
    ) -> Node[FieldMask] | None:
        """Return the node of what was found below another one; None where it is left out."""
        if below is _LEFT_OUT:
            return None
        if below is None:
            self.masks.refuse_unknown(node)
            return None
        rule = below.rule
        leads_on = below.other if found.lastindex == _MAP else below.elements if found.lastindex == _LIST else None
        if rule is None and not leads_on and found.lastindex not in {_NULL, _MAP}:
            self.masks.refuse_unknown(below)
            return None
        return None if rule and not rule.mask and not leads_on else below

    def _value(self, found: re.Match[str], node: Node[FieldMask], depth: int) -> int:
        """Mask a member's or an element's value; return where what follows it is."""
        kind = found.lastindex or _NULL
        if kind == _MAP:
            if node.rule and not (node.names or node.other):
                raise node.rule.refusal("is a map, and the rule takes none")
            return self._inside(found.end(), node, _MEMBERS, depth + 1)
        if kind == _LIST:
            if node.rule and not node.elements:
                raise node.rule.refusal("is a list, and the rule takes none")
            return self._inside(found.end(), node, _ELEMENTS, depth + 1)
        if node.rule:
            made, travels = node.rule.token(kind, found[kind])
            self.travels = self.travels and travels
            self.slots.append((found.span(kind), node.rule, len(self.made) + 1))
            self._replace(*found.span(kind), made)
        return found.end()

    def _over(self, found: re.Match[str], depth: int) -> int:
        """Go over a value that is left out, by the same grammar; return where what follows it is."""
        kind = found.lastindex or _NULL
        if kind not in {_MAP, _LIST}:
            if kind == _TEXT:
                _read(found[_TEXT])
            if kind != _NULL:
                self.slots.append((found.span(kind), None, 0))
            return found.end()
        before, copied = len(self.made), self.copied
        end = self._inside(found.end(), _LEFT_OUT, _MEMBERS if kind == _MAP else _ELEMENTS, depth + 1)
        del self.made[before:]
        self.copied = copied
        return end


_Slot = tuple[tuple[int, int], FieldMask | None, int]
"""Where a value is, what becomes of it, None where it is left out, and its place in what is made of the record."""

_SHAPES = 8
_LEARNT_OF = 32
"""One of so many records of no known shape is learnt from, since that takes as long as they do."""

_LEARNT_SLOTS, _LEARNT_CHARACTERS = 100, 10_000
"""The most that a record has which is learnt from."""

_SLOTS = {True: rf"({_STRING}|{_NUMERAL}|true|false|null)", False: rf"({_STRING}|{_NUMERAL}|true|false)"}
"""The values that have a place, by whether they stay: null is left out by some rules and not by others."""

_KINDS = {'"': _TEXT, "t": _BOOLEAN, "f": _BOOLEAN, "n": _NULL}


class _Shape:
    """What is alike in records that differ in their values alone, so that one match finds all of these.

    Names, white space and nesting are those of the record that it is learnt from, so that each value has the rule that
    it had there, and nothing else needs to be looked at.
    """

    def __init__(self, walk: _Walk) -> None:
        parts: list[str] = []
        at = 0
        for (start, end), field, _ in walk.slots:
            parts += (re.escape(walk.text[at:start]), _SLOTS[field is not None])
            at = end
        self.match = re.compile("".join(parts) + re.escape(walk.text[at:])).fullmatch
        self._made = tuple(walk.made)
        self._slots = [(field, place) for _, field, place in walk.slots]

    def masked(self, found: re.Match[str]) -> bytes | None:
        """Return a masked record that `match` has found, None where it does not travel; raises Unclassified."""
        made, travels = list(self._made), True
        for (field, place), token in zip(self._slots, found.groups(), strict=True):
            kind = _KINDS.get(token[0], _NUMBER)
            if field is None:
                if kind == _TEXT:
                    _read(token)
            else:
                made[place], wanted = field.token(kind, token)
                travels = travels and wanted
        return "".join(made).encode() if travels else None
