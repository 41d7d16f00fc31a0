"""What a record has to be, and the item that it becomes. Pure.

A record has the fields of the table's key; declared fields have their declared types; fields that are not declared are
kept as they are. Numbers are exact. Reasons name declared fields at most: never a value, and never
a name that the file brought.
"""

import base64
import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from processor_lambda.settings import ENVIRONMENT, SET_ATTRIBUTES, FieldType, RecordField
from replication_core.datasets import PARTITION_KEY_BYTES, SORT_KEY_BYTES, Dataset, KeyType, RecordKey
from replication_core.numbers import NumberError, number_text, read_number

__all__ = ["ITEM_BYTES", "Header", "Item", "Record", "RecordError", "Schema", "read_json"]

ITEM_BYTES = 400 * 1024
_DEPTH = 32
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: items and nesting."""

Item = Mapping[str, Any]
"""An item as DynamoDB's low-level interface has it."""


class RecordError(ValueError):
    """Why a record is rejected, in words that hold none of it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A valid record."""

    key: RecordKey
    item: Item
    size: int
    """The item's size, in bytes, as DynamoDB counts it or a little more."""


def _number(text: str) -> Decimal:
    try:
        return read_number(text)
    except NumberError as error:
        raise RecordError(f"a number {error}") from error


def _constant(_: str) -> Any:
    raise RecordError("NaN and Infinity are not numbers")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise RecordError("a name stands more than once in an object")
    return named


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_constant, object_pairs_hook=_object)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8, at byte {error.start + 1} of the record") from error


def read_json(data: bytes) -> Mapping[str, Any]:
    """Return a record's fields; raises RecordError."""
    try:
        value = _DECODER.decode(_text(data))
    except json.JSONDecodeError as error:
        raise RecordError(f"not JSON, at character {error.pos + 1} of the record") from error
    except RecursionError as error:
        raise RecordError(f"nested deeper than {_DEPTH} levels") from error
    if not isinstance(value, dict):
        raise RecordError("not a JSON object")
    return value


class Header:
    """A CSV file's first row, and the fields that it makes of the others.

    An empty cell is no value. A cell is text, but for columns that the schema declares a number, an integer or a
    boolean (`true` and `false`). Raises RecordError for a row that can't be a header.
    """

    def __init__(self, row: bytes, schema: "Schema") -> None:
        self._names = _cells(row)
        if not all(self._names):
            raise RecordError("the header has a column without a name")
        if len(set(self._names)) != len(self._names):
            raise RecordError("the header has two columns of the same name")
        if missing := set(schema.table.attribute_names) - set(self._names):
            raise RecordError(f"the header has no column {min(missing)!r}")
        types = {field.name: field.type for field in schema.fields}
        self._readers = [(name, _CELLS.get(types.get(name, FieldType.ANY))) for name in self._names]

    def read(self, row: bytes) -> Mapping[str, Any]:
        """Return a row's fields; raises RecordError."""
        cells = _cells(row)
        if len(cells) != len(self._names):
            raise RecordError(f"{len(cells)} cells, where the header has {len(self._names)}")
        return {
            name: reader(name, cell) if reader else cell
            for (name, reader), cell in zip(self._readers, cells, strict=True)
            if cell
        }


def _cells(row: bytes) -> list[str]:
    # The limit is the process's, and less than an item may have: it is raised, and lowered for nobody else.
    csv.field_size_limit(max(csv.field_size_limit(), len(row) + 1))
    try:
        return next(csv.reader([_text(row).removesuffix("\r")], strict=True), [])
    except csv.Error as error:
        raise RecordError("not CSV") from error


_BLANK = " \t\r\n"
"""What may stand around a value that is no text, as in JSON: https://www.rfc-editor.org/rfc/rfc8259#section-2."""


def _numeric_cell(name: str, cell: str) -> Decimal:
    try:
        return read_number(cell.strip(_BLANK))
    except NumberError as error:
        raise RecordError(f"the field {name!r} {error}") from error


def _boolean_cell(name: str, cell: str) -> bool:
    value = {"true": True, "false": False}.get(cell.strip(_BLANK).lower())
    if value is None:
        raise RecordError(f"the field {name!r} is neither true nor false")
    return value


_CELLS: Mapping[FieldType, Callable[[str, str], Any]] = {
    FieldType.NUMBER: _numeric_cell,
    FieldType.INTEGER: _numeric_cell,
    FieldType.BOOLEAN: _boolean_cell,
}

_TYPES: Mapping[FieldType, tuple[Callable[[Any], bool], str]] = {
    FieldType.STRING: (lambda value: isinstance(value, str), "text"),
    FieldType.NUMBER: (lambda value: isinstance(value, Decimal), "a number"),
    FieldType.INTEGER: (lambda value: isinstance(value, Decimal) and _is_whole(value), "a whole number"),
    FieldType.BOOLEAN: (lambda value: isinstance(value, bool), "true or false"),
    FieldType.BINARY: (lambda value: isinstance(value, str) and _is_base64(value), "text in base64"),
    FieldType.ANY: (lambda _: True, ""),
}


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:  # also of binascii.Error, and of text that is not ASCII
        return False
    return True


def _is_whole(number: Decimal) -> bool:
    if not number.is_finite():
        return False
    _, digits, exponent = number.as_tuple()
    places = -int(exponent)
    return places <= 0 or not any(digits[-places:])


class Schema:
    """The table's key and the declared fields, and one environment's name for every item."""

    def __init__(self, fields: Sequence[RecordField], environment: str, table: Dataset) -> None:
        self.fields = fields
        self.table = table
        self._environment = environment
        self._binary = [field.name for field in fields if field.type is FieldType.BINARY]
        most = zip(table.key, (PARTITION_KEY_BYTES, SORT_KEY_BYTES), strict=False)
        self._key = [(each.name, each.type.value) for each in table.key]
        self._key_bytes = {each.name: size for each, size in most if each.type is not KeyType.NUMBER}

    def record(self, fields: Mapping[str, Any]) -> Record:
        """Return the item that a record becomes; raises RecordError.

        A record's own `environment` gives way to this one's, and the marks of a replica go: the item is none.
        """
        for field in self.fields:
            value = fields.get(field.name)
            if value is None:
                if field.required:
                    raise RecordError(f"the field {field.name!r} is missing")
                continue
            fits, what = _TYPES[field.type]
            if not fits(value):
                raise RecordError(f"the field {field.name!r} is not {what}")
        kept = {name: value for name, value in fields.items() if name not in SET_ATTRIBUTES}
        for name in self._binary:
            if kept.get(name) is not None:
                kept[name] = base64.b64decode(kept[name])
        for name, most in self._key_bytes.items():
            value = kept[name]
            if not 0 < len(value if isinstance(value, bytes) else _encoded(value)) <= most:
                raise RecordError(f"the field {name!r} must have 1 to {most} bytes")
        item, size = _map({**kept, ENVIRONMENT: self._environment}, 1)
        if size > ITEM_BYTES:
            raise RecordError(f"larger than the {ITEM_BYTES} bytes of an item")
        # As `Dataset.of_item` makes it, but of what is known to be a key in its one spelling.
        values = [item[name][type_] for name, type_ in self._key]
        key = RecordKey(self.table, tuple(map(_key_text, values) if self._binary else values))
        return Record(key, item, size)


def _key_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else base64.b64encode(value).decode()


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RecordError("a text is not Unicode") from error


def _map(fields: Mapping[str, Any], depth: int) -> tuple[dict[str, Any], int]:
    made: dict[str, Any] = {}
    total = 0
    for name, value in fields.items():
        if not name:
            raise RecordError("a field has no name")
        made[name], size = _attribute(value, depth)
        total += len(_encoded(name)) + size
    return made, total


def _list(values: Iterable[Any], depth: int) -> tuple[list[Any], int]:
    made = [_attribute(value, depth) for value in values]
    return [attribute for attribute, _ in made], sum(size for _, size in made)


# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html: item sizes
_CONTAINER_BYTES = 3
_ELEMENT_BYTES = 1


def _attribute(value: Any, depth: int) -> tuple[dict[str, Any], int]:
    match value:
        case str():
            return {"S": value}, len(_encoded(value))
        case bool():
            return {"BOOL": value}, 1
        case Decimal():
            try:
                text = number_text(value)
            except NumberError as error:
                raise RecordError(f"a number {error}") from error
            return {"N": text}, len(value.as_tuple().digits) // 2 + 3
        case None:
            return {"NULL": True}, 1
        case bytes():
            return {"B": value}, len(value)
    if depth > _DEPTH:
        raise RecordError(f"nested deeper than {_DEPTH} levels")
    overhead = _CONTAINER_BYTES + _ELEMENT_BYTES * len(value)
    inner: tuple[Any, int] = _map(value, depth + 1) if isinstance(value, dict) else _list(value, depth + 1)
    return {"M" if isinstance(value, dict) else "L": inner[0]}, inner[1] + overhead
