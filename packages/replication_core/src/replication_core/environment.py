"""A function's settings as environment variables: standard library only.

A project imports the settings of the function that it deploys to write the function's environment, and the function
reads them back at its cold start, so that no variable's name is written twice.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

from replication_core.datasets import Dataset

__all__ = ["EnvironmentSettings", "SettingsError"]


class SettingsError(ValueError):
    """An environment variable that is missing or has a value the function can't work with."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentSettings:
    """Fields of text, whole numbers, truth, lists of text and datasets, each as one variable `<PREFIX><FIELD>`."""

    PREFIX: ClassVar[str]

    def to_env(self) -> dict[str, str]:
        """Return the variables that `from_env` builds these settings from."""
        return {self._variable(field.name): _encode(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Build the settings from a function's environment.

        Raises SettingsError naming the variable that is missing or not usable.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            variable = cls._variable(field.name)
            if variable not in environ:
                if field.default is not MISSING:  # a setting that a former release does not have
                    continue
                raise SettingsError(f"the environment variable {variable} is not set")
            try:
                values[field.name] = _decode(environ[variable], field.type)
            except ValueError as error:
                raise SettingsError(f"the environment variable {variable} is not usable: {error}") from error
        return cls(**values)

    @classmethod
    def _variable(cls, name: str) -> str:
        return f"{cls.PREFIX}{name.upper()}"


Value = str | bool | int | tuple[str, ...] | Dataset

_FORMS = {bool: "true or false", int: "a whole number"}


def _encode(value: Value) -> str:
    if isinstance(value, str):
        return value
    document = value.document() if isinstance(value, Dataset) else value
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _decode(text: str, kind: Any) -> Value:
    if kind is str:
        return text
    value = json.loads(text)
    if kind is Dataset:
        return Dataset.parse(value)
    if kind in _FORMS:
        if type(value) is kind:  # not isinstance, to which true is a number
            return value  # type: ignore[no-any-return] # it is of the kind
    elif isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    raise ValueError(f"expected {_FORMS.get(kind, 'a JSON list of strings')}")
