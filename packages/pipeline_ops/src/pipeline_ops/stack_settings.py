"""A stack's committed `Pulumi.<environment>.yaml`, as the operator's commands read it.

The program reads the same file through the engine, typed and whole. A command needs a few of its keys before there is
a program, so here every one of them is read by the same parser and refused in the same way: the file, the key, what is
wrong and what to write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline_ops.errors import OperatorError

__all__ = ["StackSettings", "parse_settings", "read_settings"]

_CONFIG = "config"


@dataclass(frozen=True)
class StackSettings:
    """What the file holds; the methods raise OperatorError for a value that is not what it has to be."""

    name: str
    """The file, from the repository's root."""

    values: Mapping[str, Any]
    """What stands at its top: `config`, and how its secrets are encrypted."""

    config: Mapping[str, Any]
    """The stack's configuration, by `namespace:key`."""

    def text(self, key: str) -> str | None:
        """Return a key's text; None where it is not there."""
        value = self.config.get(key)
        if value is not None and not isinstance(value, str):
            raise self._refused(key, value, "a text", f'{key}: "..."')
        return value

    def texts(self, key: str) -> Sequence[str]:
        """Return a key's list of texts, nothing where it is not there."""
        texts = self._list(key, '["...", "..."], each quoted')
        for place, value in enumerate(texts):
            if not isinstance(value, str):
                raise self._refused(f"{key}[{place}]", value, "a text", f'"{value}", with the quotation marks')
        return texts

    def mappings(self, key: str, example: str) -> Sequence[Mapping[str, Any]]:
        """Return a key's list of mappings, nothing where it is not there."""
        entries = self._list(key, example)
        for place, value in enumerate(entries):
            if not isinstance(value, Mapping):
                raise self._refused(f"{key}[{place}]", value, "a mapping", f"{key}: {example}")
        return entries

    def _list(self, key: str, example: str) -> list[Any]:
        value = self.config.get(key)
        if value is not None and not isinstance(value, list):
            raise self._refused(key, value, "a list", f"{key}: {example}")
        return value or []

    def _refused(self, key: str, value: Any, wanted: str, example: str) -> OperatorError:
        return OperatorError(f"{self.name}: {key} is {value!r}: it should be {wanted}; write for example `{example}`.")


def read_settings(path: Path, name: str) -> StackSettings:
    """Read the file, which an error calls `name`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise OperatorError(f"{name} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise OperatorError(
            f"{name} is not UTF-8 text: line {line} has the byte 0x{error.object[error.start]:02x}; save it as UTF-8."
        ) from error
    return parse_settings(text, name)


def parse_settings(text: str, name: str) -> StackSettings:
    """Return what such a file's text holds, whichever commit it is of; an error calls it `name`."""
    values = _parsed(text, name)
    config = values.get(_CONFIG) if isinstance(values, Mapping) else None
    if not isinstance(values, Mapping) or not isinstance(config, Mapping | None):
        raise OperatorError(
            f"{name} is not a mapping with `{_CONFIG}:` at its top and, below that, a line `namespace:key: value` for "
            "each setting: write it as that."
        )
    return StackSettings(name, values, config or {})


def _parsed(text: str, name: str) -> Any:
    try:
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        where = f" in line {place.line + 1}, column {place.column + 1}" if place else ""
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise OperatorError(f"{name} is not YAML{where}: {what}.") from error
    # A date that does not exist is a ValueError, a list as a key a TypeError, and what is nested without end too deep.
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise OperatorError(f"{name} is not YAML: {' '.join(str(error).split())}.") from error
    return {} if values is None else values
