"""Datasets, and the keys of their records: the one place that knows how a key is made up and written.

A dataset is a bucket or a table of an environment's storage under a name of ours, the same in every environment. A
record is an object or an item; its key has one spelling, so that equal keys are equal texts.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, Self

from replication_core.numbers import NumberError, number_text
from replication_core.object_keys import KEY_BYTES

__all__ = [
    "DEFAULTS",
    "ITEMS",
    "NAME",
    "OBJECTS",
    "Dataset",
    "InvalidKeyError",
    "KeyAttribute",
    "KeyType",
    "Kind",
    "RecordKey",
]

NAME = r"[a-z][a-z0-9-]{0,23}"
"""The form of a dataset's name."""

PARTITION_KEY_BYTES = 2048
SORT_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: partition and sort keys"""


class InvalidKeyError(ValueError):
    """What is no key of a record of this dataset; the message says why."""


class Kind(StrEnum):
    """What a dataset's records are: the objects of a bucket, or the items of a table."""

    BUCKET = "bucket"
    TABLE = "table"

    @property
    def record(self) -> str:
        """What one record is called."""
        return "object" if self is Kind.BUCKET else "item"


class KeyType(StrEnum):
    """DynamoDB's types of a key's attribute."""

    STRING = "S"
    NUMBER = "N"
    BINARY = "B"


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One attribute of a table's key."""

    name: str
    type: KeyType


@dataclass(frozen=True)
class Dataset:
    """A bucket or a table by its name, and what its records' keys are made of.

    >>> orders = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING), KeyAttribute("sk", KeyType.NUMBER)))
    >>> str(orders.record("a", "1.50"))
    'orders pk=a sk=1.5'
    >>> str(OBJECTS.record("reports/1.csv"))
    'reports/1.csv'
    """

    name: str
    kind: Kind = field(hash=False)
    key: tuple[KeyAttribute, ...] = field(hash=False)
    """A table's partition key, and its sort key if it has one; a bucket's is the object's key."""

    @cached_property
    def is_bucket(self) -> bool:
        """Whether its records are objects."""
        return self.kind is Kind.BUCKET

    @cached_property
    def attribute_names(self) -> tuple[str, ...]:
        """The names of the key's attributes."""
        return tuple(attribute.name for attribute in self.key)

    def record(self, *values: str) -> "RecordKey":
        """Return the key of these values, as texts in any spelling: a binary one in base64.

        Raises InvalidKeyError for what S3 or DynamoDB would not take as one.
        """
        if len(values) != len(self.key):
            raise InvalidKeyError(f"a key of {self.name} has {' and '.join(self.attribute_names)}")
        return RecordKey(self, tuple([self._value(position, value) for position, value in enumerate(values)]))

    def named(self, values: Mapping[str, Any]) -> "RecordKey":
        """Return the key whose values are given by their attributes' names, and nothing else is. Raises likewise."""
        if values.keys() != set(self.attribute_names) or not all(isinstance(each, str) for each in values.values()):
            raise InvalidKeyError(f"a key of {self.name} has a text for each of {' and '.join(self.attribute_names)}")
        return self.record(*(values[name] for name in self.attribute_names))

    def of_item(self, item: Mapping[str, Any]) -> "RecordKey":
        """Return the key of an item in DynamoDB's own JSON, or of what has at least its key.

        Raises InvalidKeyError where it has none of the key's types. How long its values are is DynamoDB's to have seen.
        """
        try:
            return RecordKey(self, tuple([_SPELLINGS[one.type](item[one.name][one.type]) for one in self.key]))
        except (KeyError, TypeError, ValueError) as error:
            key = " and ".join(f"{one.name} ({one.type})" for one in self.key)
            raise InvalidKeyError(f"the item has no key of {self.name}, which is {key}") from error

    def _value(self, position: int, text: str) -> str:
        """Return a value in its one spelling."""
        type_ = self.key[position].type
        try:
            if type_ is KeyType.NUMBER:
                return number_text(text)
            value = text.encode() if type_ is KeyType.STRING else base64.b64decode(text, validate=True)
        except UnicodeEncodeError:
            raise self._invalid(position, "is not Unicode text") from None
        except NumberError as error:
            raise self._invalid(position, str(error)) from error
        except ValueError as error:
            raise self._invalid(position, "is not in base64") from error
        most = KEY_BYTES if self.is_bucket else SORT_KEY_BYTES if position else PARTITION_KEY_BYTES
        if not 0 < len(value) <= most:
            raise self._invalid(position, f"has {len(value)} bytes; 1 to {most} are possible")
        return text if type_ is KeyType.STRING else _base64(value)

    def _invalid(self, position: int, what: str) -> InvalidKeyError:
        return InvalidKeyError(f"an {self.kind.record}'s {self.key[position].name} {what}")

    def document(self) -> dict[str, Any]:
        """Return it as a contract or a route's specification holds it."""
        told = {"name": self.name, "kind": self.kind.value}
        key = [{"name": attribute.name, "type": attribute.type.value} for attribute in self.key]
        return told if self.is_bucket else {**told, "key": key}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError for what is none."""
        match document:
            case {"name": str(name), "kind": Kind.BUCKET.value} if re.fullmatch(NAME, name):
                return cls(name, Kind.BUCKET, OBJECTS.key)
            case {"name": str(name), "kind": Kind.TABLE.value, "key": [*attributes]} if re.fullmatch(NAME, name):
                key = tuple(map(_attribute, attributes))
                if 1 <= len(key) <= 2 and len({attribute.name for attribute in key}) == len(key):  # noqa: PLR2004
                    return cls(name, Kind.TABLE, key)
        raise ValueError(f"{document!r} is no dataset")


class RecordKey(NamedTuple):
    """The key of an object or an item, its values in their one spelling; made by its dataset.

    A tuple, since there is one for each record of a table that is compared.
    """

    dataset: Dataset
    values: tuple[str, ...]

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        dataset, values = other
        return (self.dataset.name, self.values) < (dataset.name, values)

    def __str__(self) -> str:
        if self.dataset == OBJECTS:
            return self.values[0]
        if self.dataset == ITEMS:
            return "@".join(self.values)
        if self.dataset.is_bucket:
            return f"{self.dataset.name} {self.values[0]}"
        return " ".join((self.dataset.name, *(f"{name}={value}" for name, value in self.named.items())))

    @property
    def object_key(self) -> str:
        """The key of an object, as S3 has it."""
        return self.values[0]

    @property
    def named(self) -> dict[str, str]:
        """The values by their attributes' names."""
        return dict(zip(self.dataset.attribute_names, self.values, strict=True))

    def attributes(self) -> dict[str, Any]:
        """Return an item's key in DynamoDB's own JSON, as the SDK takes it."""
        return {
            attribute.name: {
                str(attribute.type): base64.b64decode(value) if attribute.type is KeyType.BINARY else value
            }
            for attribute, value in zip(self.dataset.key, self.values, strict=True)
        }

    def document(self) -> dict[str, Any]:
        """Return it as every document names a record: an object or an item of the datasets there are by default.

        Those of other datasets have the dataset's name beside, and the key's values by name below `key`.
        """
        kind = {"kind": self.dataset.kind.record}
        if self.dataset in (OBJECTS, ITEMS):
            return {**kind, **self.named}
        return {**kind, "dataset": self.dataset.name, "key": self.named}


OBJECTS = Dataset("objects", Kind.BUCKET, (KeyAttribute("key", KeyType.STRING),))
ITEMS = Dataset("items", Kind.TABLE, (KeyAttribute("id", KeyType.STRING), KeyAttribute("timestamp", KeyType.NUMBER)))
"""The datasets that every environment's storage has unless its configuration says otherwise."""

DEFAULTS: Mapping[str, Dataset] = {dataset.kind.record: dataset for dataset in (OBJECTS, ITEMS)}
"""They, by what a document calls a record that names no dataset."""


def _attribute(document: Any) -> KeyAttribute:
    match document:
        case {"name": str(name), "type": str(type_)} if 0 < len(name.encode(errors="replace")) <= 255:  # noqa: PLR2004
            return KeyAttribute(name, KeyType(type_))
    raise ValueError(f"{document!r} is no attribute of a key")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> str:
    return number_text(_text(value))


def _binary(value: Any) -> str:
    """Return the base64 of bytes, as the SDK has them, or of their base64, as a stream's record has it."""
    return _base64(value if isinstance(value, bytes) else base64.b64decode(value, validate=True))


_SPELLINGS: Mapping[KeyType, Callable[[Any], str]] = {
    KeyType.STRING: _text,
    KeyType.NUMBER: _number,
    KeyType.BINARY: _binary,
}
"""The one spelling of an item's value, by its type; they raise TypeError and ValueError for what is none."""
