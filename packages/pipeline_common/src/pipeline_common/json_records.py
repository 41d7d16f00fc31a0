"""Records that are kept as JSON documents, read back by the types of their fields."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_origin, get_type_hints

__all__ = ["record_of"]

T = TypeVar("T")

_READ_AS: Mapping[type, type | tuple[type, ...]] = {float: (int, float), Mapping: dict, tuple: list}


def record_of(cls: type[T], document: Any) -> T:
    """Return the dataclass that a document describes; what it has besides is of another release, and left out.

    Raises ValueError where a field without a default is not there, or one is of another type than its own.
    """
    hints, values = get_type_hints(cls), {}
    for field in fields(cls):  # type: ignore[arg-type] # no type says that it is a dataclass
        type_ = get_origin(hints[field.name]) or hints[field.name]
        value = document.get(field.name, MISSING) if isinstance(document, Mapping) else MISSING
        if value is MISSING and not field.default is field.default_factory is MISSING:
            continue
        if not isinstance(value, _READ_AS.get(type_, type_)):
            raise ValueError(f"it has no {field.name} of its type")  # noqa: TRY004 - of what somebody wrote
        values[field.name] = tuple(value) if type_ is tuple else value
    return cls(**values)
