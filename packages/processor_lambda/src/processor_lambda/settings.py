"""What a deployment tells the processor, and the names it shares with it: standard library only.

The processing project imports this module to write the function's environment, and the function reads it back at its
cold start, so that no variable's name and no metric's name is written twice.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from queue_worker.messages import MAX_RECEIVES
from replication_core.datasets import ITEMS, Dataset, KeyType
from replication_core.replicas import REPLICATED_FROM, REPLICATION_TIMESTAMP

__all__ = [
    "DURATION_METRIC",
    "ENVIRONMENT_DIMENSION",
    "FAILED_RUNS_METRIC",
    "FAILURES_METRIC",
    "INPUT_PREFIX",
    "MAX_RECEIVES",
    "MESSAGE_SCHEMA",
    "METRICS_NAMESPACE",
    "PROCESSOR_HANDLER",
    "READ_METRIC",
    "REJECTED_METRIC",
    "REJECTED_PREFIX",
    "RESULTS_PREFIX",
    "RUNS_METRIC",
    "WRITTEN_METRIC",
    "Field",
    "FieldType",
    "ProcessorSettings",
    "SettingsError",
    "declared_fields",
    "fields_of",
]

PROCESSOR_HANDLER = "processor_lambda.handler.handle"
"""The function that turns a queue's notices into runs."""

MESSAGE_SCHEMA = "pipeline.processing/1"
"""Names the form of the processor's own messages."""

INPUT_PREFIX = "incoming/"
REJECTED_PREFIX = "rejected/"
RESULTS_PREFIX = "results/"

METRICS_NAMESPACE = "DataPipeline/Processing"
ENVIRONMENT_DIMENSION = "environment"
"""The one dimension of every metric; its value is the environment's name, or its instance's."""

RUNS_METRIC = "Runs"
"""Runs that came to their end, failed ones included."""

FAILED_RUNS_METRIC = "FailedRuns"
"""Runs whose file could not be read to its end; what was read was processed."""

READ_METRIC = "RecordsRead"
REJECTED_METRIC = "RecordsRejected"
WRITTEN_METRIC = "RecordsWritten"
"""Records of each invocation: read, rejected with a reason, and put into the table."""

FAILURES_METRIC = "ProcessingFailures"
"""Messages that ended as an envelope in the dead-letter queue."""

DURATION_METRIC = "RunDuration"
"""Milliseconds from a run's start until its summary, over as many invocations as it took."""


class SettingsError(ValueError):
    """An environment variable that is missing, or a setting that the function can't work with."""


class FieldType(StrEnum):
    """What a declared field's values must be; `any` declares the name alone."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    BINARY = "binary"
    """Text in base64, put as the bytes that it stands for."""

    ANY = "any"


@dataclass(frozen=True, slots=True)
class Field:
    """A declared field of the records."""

    name: str
    type: FieldType = FieldType.ANY
    required: bool = False

    @classmethod
    def parse(cls, entry: Any) -> Self:
        """Build it from `{"name": ..., "type": ..., "required": ...}`; raises SettingsError saying what is wrong."""
        if not isinstance(entry, Mapping):
            raise SettingsError("a field of the schema is not an object")
        name, type_, required = entry.get("name"), entry.get("type", "any"), entry.get("required", False)
        if not isinstance(name, str) or not name:
            raise SettingsError("a field of the schema has no name")
        if unknown := set(entry) - {"name", "type", "required"}:
            raise SettingsError(f"the field {name!r} of the schema has the unknown key {min(unknown)!r}")
        if type_ not in set(FieldType):
            raise SettingsError(f"the type of the field {name!r} must be one of {', '.join(FieldType)}")
        if not isinstance(required, bool):
            raise SettingsError(f"'required' of the field {name!r} must be true or false")
        return cls(name, FieldType(type_), required)


ENVIRONMENT = "environment"
"""The attribute of every item that names its environment."""

SET_ATTRIBUTES = frozenset({ENVIRONMENT, REPLICATED_FROM, REPLICATION_TIMESTAMP})
"""The attributes that are not as the file has them: the first is set, and the marks of a replica go."""

_KEY_TYPES = {KeyType.STRING: FieldType.STRING, KeyType.NUMBER: FieldType.NUMBER, KeyType.BINARY: FieldType.BINARY}


def declared_fields(schema: str) -> list[Field]:
    """Return the fields that a schema, a JSON list of them, declares; raises SettingsError saying what is wrong."""
    try:
        entries = json.loads(schema)
    except ValueError as error:
        raise SettingsError("the schema is not JSON") from error
    if not isinstance(entries, list):
        raise SettingsError("the schema is not a list of fields")
    declared = [Field.parse(entry) for entry in entries]
    names = [field.name for field in declared]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise SettingsError(f"the schema declares the field {min(repeated)!r} more than once")
    return declared


def fields_of(schema: str, table: Dataset) -> tuple[Field, ...]:
    """Return the fields of the records: the table's key, and those that a schema declares besides.

    The key's fields need not be declared, and may be as just what they are. Raises SettingsError saying what is wrong.

    >>> [field.name for field in fields_of('[{"name": "amount", "type": "number"}]', ITEMS)]
    ['id', 'timestamp', 'amount']
    """
    declared = declared_fields(schema)
    keys = [Field(attribute.name, _KEY_TYPES[attribute.type], required=True) for attribute in table.key]
    if taken := SET_ATTRIBUTES.intersection(table.attribute_names):
        raise SettingsError(f"the key of the table {table.name} has {min(taken)!r}, which the processor sets itself")
    for key in keys:
        for field in declared:
            if field.name == key.name and field.type is not key.type:
                raise SettingsError(f"the field {key.name!r} is a key of the table and of the type {key.type}")
    return (*keys, *(field for field in declared if field.name not in table.attribute_names))


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """One environment's processor: where it reads, where it writes, and what it takes for a record.

    Each field is a variable of the function's environment, as `PROCESSOR_<FIELD>`.
    """

    environment: str
    """The environment's name: on every item, summary and envelope."""

    suffix: str = ""
    """Of an instance of the environment, whose metrics are its own."""

    bucket: str
    table: str
    queue_url: str
    dlq_url: str

    dataset: Dataset = ITEMS
    """What the table is, and what its key is made of."""

    input_prefix: str = INPUT_PREFIX

    process_replicas: bool = False
    """Whether an object that the replication put there is an input like any other."""

    schema: str = "[]"
    """The declared fields, as `fields_of` reads them. What is not declared is kept as it is."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the records: the table's key, and those declared besides."""
        return fields_of(self.schema, self.dataset)

    @property
    def instance(self) -> str:
        """The environment, or its instance, as its stacks are named."""
        return f"{self.environment}-{self.suffix}" if self.suffix else self.environment

    def __post_init__(self) -> None:
        declared_fields(self.schema)  # which refuses what is no schema
        # An empty prefix overlaps everything, and what is written would be read.
        for output in (RESULTS_PREFIX, REJECTED_PREFIX):
            if output.startswith(self.input_prefix) or self.input_prefix.startswith(output):
                raise SettingsError(f"the input prefix {self.input_prefix!r} overlaps {output!r}, which is written to")

    def to_env(self) -> dict[str, str]:
        """Return the variables that `from_env` builds these settings from."""
        return {_variable(field): _encode(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Build the settings from a function's environment.

        A variable that is missing has its field's default, as in the environment that a former release made. Raises
        SettingsError naming one that is missing without, or not usable.
        """
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if (text := environ.get(_variable(field))) is not None:
                try:
                    values[field.name] = _decode(text, field.type)
                except ValueError as error:
                    raise SettingsError(
                        f"the environment variable {_variable(field)} is not usable: {error}"
                    ) from error
            elif field.default is dataclasses.MISSING:
                raise SettingsError(f"the environment variable {_variable(field)} is not set")
        return cls(**values)


def _variable(field: dataclasses.Field[Any]) -> str:
    return f"PROCESSOR_{field.name.upper()}"


def _encode(value: str | bool | Dataset) -> str:
    if isinstance(value, str):
        return value
    document = value.document() if isinstance(value, Dataset) else value
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _decode(text: str, kind: Any) -> str | bool | Dataset:
    if kind is str:
        return text
    value = json.loads(text)
    if kind is Dataset:
        return Dataset.parse(value)
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")
