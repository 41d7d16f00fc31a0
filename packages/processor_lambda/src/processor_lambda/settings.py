"""What a deployment tells the processor, and the names it shares with it: standard library only.

The processing project imports this module to write the function's environment, and the function reads it back at its
cold start, so that no variable's name and no metric's name is written twice. What the environment says was checked by
the project's configuration, and is not checked again.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from queue_worker.messages import MAX_RECEIVES
from replication_core.datasets import ITEMS, Dataset, KeyType
from replication_core.replicas import REPLICATED_FROM, REPLICATION_TIMESTAMP

__all__ = [
    "ENVIRONMENT_DIMENSION",
    "INPUT_PREFIX",
    "MAX_RECEIVES",
    "MESSAGE_SCHEMA",
    "METRICS_NAMESPACE",
    "PROCESSOR_HANDLER",
    "REJECTED_PREFIX",
    "RESULTS_PREFIX",
    "FieldType",
    "Metric",
    "ProcessorSettings",
    "RecordField",
    "SettingsError",
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


class Metric(StrEnum):
    """What CloudWatch is told of each invocation: counts, and a duration in milliseconds."""

    RUNS = "Runs"
    """Runs that came to their end, failed ones included."""

    FAILED_RUNS = "FailedRuns"
    """Runs whose file could not be read to its end; what was read was processed."""

    READ = "RecordsRead"
    REJECTED = "RecordsRejected"
    WRITTEN = "RecordsWritten"

    FAILURES = "ProcessingFailures"
    """Messages that ended as an envelope in the dead-letter queue."""

    DURATION = "RunDuration"
    """From a run's start until its summary, over as many invocations as it took."""


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
class RecordField:
    """A declared field of the records."""

    name: str
    type: FieldType = FieldType.ANY
    required: bool = False


ENVIRONMENT = "environment"
"""The attribute of every item that names its environment."""

SET_ATTRIBUTES = frozenset({ENVIRONMENT, REPLICATED_FROM, REPLICATION_TIMESTAMP})
"""The attributes that are not as the file has them: the first is set, and the marks of a replica go."""

_KEY_TYPES = {KeyType.STRING: FieldType.STRING, KeyType.NUMBER: FieldType.NUMBER, KeyType.BINARY: FieldType.BINARY}


def fields_of(declared: Sequence[RecordField], table: Dataset) -> tuple[RecordField, ...]:
    """Return the fields of the records: the table's key, and those that are declared besides.

    The key's fields need not be declared, and may be as just what they are. Raises SettingsError saying what is wrong.

    >>> [field.name for field in fields_of([RecordField("amount", FieldType.NUMBER)], ITEMS)]
    ['id', 'timestamp', 'amount']
    """
    if taken := SET_ATTRIBUTES.intersection(table.attribute_names):
        raise SettingsError(f"the key of the table {table.name} has {min(taken)!r}, which the processor sets itself")
    fields = {key.name: RecordField(key.name, _KEY_TYPES[key.type], required=True) for key in table.key}
    for field in declared:
        if fields.setdefault(field.name, field).type is not field.type:
            raise SettingsError(
                f"the field {field.name!r} is a key of the table and of the type {fields[field.name].type}"
            )
    return tuple(fields.values())


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """One environment's processor: where it reads, where it writes, and what it takes for a record.

    Each field is a variable of the function's environment, as `PROCESSOR_<FIELD>`: a text, or else JSON.
    """

    environment: str
    """The environment's name: on every item, summary and envelope."""

    suffix: str = ""
    """Of an instance of the environment, whose metrics are its own."""

    release: str = ""
    """The version that the processor is deployed as: in its logs, metrics and envelopes."""

    bucket: str
    table: str
    queue_url: str
    dlq_url: str

    dataset: Dataset = ITEMS
    """What the table is, and what its key is made of."""

    input_prefix: str = INPUT_PREFIX

    process_replicas: bool = False
    """Whether an object that the replication put there is an input like any other."""

    schema: tuple[RecordField, ...] = ()
    """The declared fields. What is not declared is kept as it is."""

    @property
    def instance(self) -> str:
        """The environment, or its instance, as its stacks are named."""
        return f"{self.environment}-{self.suffix}" if self.suffix else self.environment

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
            variable = _variable(field)
            if variable in environ:
                try:
                    values[field.name] = _decode(environ[variable], field.type)
                except (ValueError, TypeError, KeyError) as error:
                    raise SettingsError(f"the environment variable {variable} is not usable: {error}") from error
            elif field.default is dataclasses.MISSING:
                raise SettingsError(f"the environment variable {variable} is not set")
        return cls(**values)


def _variable(field: dataclasses.Field[Any]) -> str:
    return f"PROCESSOR_{field.name.upper()}"


def _encode(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, default=_document, ensure_ascii=False, separators=(",", ":"))


def _document(value: Any) -> dict[str, Any]:
    return value.document() if isinstance(value, Dataset) else asdict(value)


def _decode(text: str, kind: Any) -> str | bool | Dataset | tuple[RecordField, ...]:
    if kind is str:
        return text
    document = json.loads(text)
    if kind is Dataset:
        return Dataset.parse(document)
    if kind is bool:
        if isinstance(document, bool):
            return document
        raise ValueError("expected true or false")
    return tuple(RecordField(**{**entry, "type": FieldType(entry["type"])}) for entry in document)
