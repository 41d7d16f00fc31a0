"""What is processed, how eagerly and when somebody hears of it: the `processing:` keys of `Pulumi.<env>.yaml`."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self
from urllib.parse import quote, quote_plus

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_common.infra.limits import QUEUE_SECONDS, RetentionDays
from pipeline_common.infra.live_function import FunctionSettings
from pipeline_common.infra.schedules import Schedule
from pipeline_common.infra.stack_config import StackConfig, StackConfigError, stack_file
from processor_lambda.settings import (
    INPUT_PREFIX,
    REJECTED_PREFIX,
    RESULTS_PREFIX,
    FieldType,
    ProcessorSettings,
    RecordField,
    fields_of,
)
from replication_core.datasets import ITEMS, NAME, OBJECTS, Kind

__all__ = ["OwnStorage", "ProcessingConfig"]

MOST_PREFIX_BYTES = 256
"""A key has 1,024 bytes, which have to suffice for rejected/<key>.jsonl too.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""


def _is_a_folder(prefix: str) -> str:
    if (size := len(prefix.encode())) > MOST_PREFIX_BYTES:
        raise ValueError(f"it has {size} bytes, of which {MOST_PREFIX_BYTES} leave room for the files' names")
    # Without the slash, incoming would match incoming-old/ too; and a key never begins with one.
    if not prefix.endswith("/") or prefix.startswith("/"):
        raise ValueError("a prefix names a folder: it ends with / and does not begin with /")
    return prefix


InputPrefix = Annotated[str, AfterValidator(_is_a_folder)]
DatasetName = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]


@dataclass(frozen=True, kw_only=True)
class OwnStorage:
    """An environment's storage, and what of it the processor reads and writes."""

    contract: StorageOutputs
    bucket: StoredDataset
    table: StoredDataset


class FieldConfig(StackConfig):
    """A declared field of the records."""

    name: str = Field(min_length=1, max_length=64, description="the field's name in the files", examples=["amount"])
    type: FieldType = Field(description="what its values must be", examples=["number"])
    required: bool = Field(default=False, description="whether a record without it is rejected", examples=[True])


class ProcessingConfig(FunctionSettings):
    """An environment's processing settings."""

    MOVED: ClassVar[Mapping[str, str]] = {"deadLettersAlarmCount": "storage:deadLettersAlarmCount"}

    memory_mb: int = Field(ge=128, le=10_240, description="the function's memory", examples=[1024])
    timeout_seconds: int = Field(
        default=30, ge=10, le=900, description="the longest that the function works on a file at once", examples=[30]
    )
    log_retention_days: RetentionDays = Field(description="days that the function's logs are kept", examples=[30])
    schedule: Schedule | None = Field(
        default=None,
        description="when a sweep looks for what events missed; never when absent",
        examples=["rate(1 hour)"],
    )
    input_prefix: InputPrefix = Field(
        default=INPUT_PREFIX, description="where the files to process arrive", examples=[INPUT_PREFIX]
    )
    bucket: DatasetName = Field(
        default=OBJECTS.name, description="the dataset that the files arrive in", examples=[OBJECTS.name]
    )
    table: DatasetName = Field(
        default=ITEMS.name, description="the dataset that the files' records become items of", examples=[ITEMS.name]
    )
    declared: tuple[FieldConfig, ...] = Field(
        default=(),
        alias="schema",
        description="the records' fields besides the table's key",
        examples=[[{"name": "amount", "type": "number"}]],
    )
    process_replicas: bool = Field(
        default=False,
        description="whether a file that the replication brought is processed like any other",
        examples=[False],
    )
    max_concurrency: int = Field(
        default=5,
        ge=2,  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
        le=1000,
        description="files that are processed at the same time",
        examples=[5],
    )
    duration_alarm_percent: int = Field(
        default=80, ge=1, le=99, description="how much of the timeout alarms when it is used", examples=[80]
    )
    queue_age_alarm_seconds: int = Field(
        default=300, ge=60, le=QUEUE_SECONDS, description="the oldest waiting file's age that alarms", examples=[300]
    )

    @model_validator(mode="after")
    def _output_is_not_input(self) -> Self:
        for output in (RESULTS_PREFIX, REJECTED_PREFIX):
            if output.startswith(self.input_prefix) or self.input_prefix.startswith(output):
                raise ValueError(
                    f"processing:inputPrefix overlaps {output}, which the processor writes to and would process "
                    f"again: set it to another folder, such as {INPUT_PREFIX}"
                )
        return self

    @model_validator(mode="after")
    def _a_field_is_declared_once(self) -> Self:
        [(name, times)] = Counter(one.name for one in self.declared).most_common(1) or [("", 0)]
        if times > 1:
            raise ValueError(f"processing:schema: the schema declares the field {name!r} more than once")
        return self

    @property
    def fields(self) -> tuple[RecordField, ...]:
        """The declared fields, as the function has them."""
        return tuple(RecordField(one.name, one.type, one.required) for one in self.declared)

    def arrivals(self, bucket_name: str) -> str:
        """Return the pattern of the events of files that arrive, in each way that the function reads their keys.

        See `replication_core.object_keys`: of a prefix of letters, digits and slashes there is one.
        """
        prefixes = dict.fromkeys([self.input_prefix, quote(self.input_prefix), quote_plus(self.input_prefix, safe="/")])
        return json.dumps(
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [bucket_name]},
                    "object": {"key": [{"prefix": prefix} for prefix in prefixes]},
                },
            }
        )

    def own_storage(self, store: StorageOutputs, region: str, account_id: str) -> OwnStorage:
        """Return what of an environment's storage is read and written by a processor that is deployed there.

        Raises StackConfigError for storage in another region or account, whose bucket's events no rule would get; for a
        dataset that the storage does not have, or has as another kind; and for a schema that does not go with the
        table's key.
        """
        environment = store.environment
        if store.region != region:
            raise StackConfigError(
                f"The storage of {environment} is in {store.region}, but processing is deployed to {region}: "
                f"set aws:region in projects/processing/Pulumi.{environment}.yaml to {store.region}."
            )
        if store.account_id != account_id:
            raise StackConfigError(
                f"The storage of {environment} is in account {store.account_id}, but processing is deployed to "
                f"{account_id}: deploy both to the same one."
            )
        bucket, table = (
            _dataset(store, "bucket", self.bucket, Kind.BUCKET),
            _dataset(store, "table", self.table, Kind.TABLE),
        )
        try:
            fields_of(self.fields, table.dataset)
        except ValueError as error:
            raise StackConfigError(f"{stack_file()}: processing:schema: {error}") from None
        return OwnStorage(contract=store, bucket=bucket, table=table)

    def settings(self, *, store: OwnStorage, queue_url: str, release: str) -> ProcessorSettings:
        """Return what the function is told: this configuration, and its environment's storage."""
        return ProcessorSettings(
            environment=store.contract.environment,
            suffix=store.contract.suffix,
            release=release,
            bucket=store.bucket.name,
            table=store.table.name,
            dataset=store.table.dataset,
            queue_url=queue_url,
            dlq_url=store.contract.dlq_url,
            input_prefix=self.input_prefix,
            process_replicas=self.process_replicas,
            schema=self.fields,
        )


def _dataset(store: StorageOutputs, key: str, name: str, kind: Kind) -> StoredDataset:
    stored = store.datasets.get(name)
    if stored is not None and stored.dataset.kind is kind:
        return stored
    there = [name for name, each in store.datasets.items() if each.dataset.kind is kind]
    raise StackConfigError(
        f"{stack_file()}: processing:{key} is {name!r}, which is no {kind} of {store.instance}'s storage "
        f"({kind}s: {', '.join(there) or 'none'}): name one of these, or declare it in storage:datasets and deploy "
        "storage first."
    )
