"""What differs between the environments' storage: the `storage:` keys of `Pulumi.<env>.yaml`."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline_common.infra.limits import AlarmCount
from pipeline_common.infra.stack_config import StackConfig
from replication_core.datasets import NAME, OBJECTS, Dataset, KeyAttribute, KeyType, Kind

__all__ = ["AlarmSubscribers", "DatasetConfig", "IndexConfig", "StorageConfig"]


Days = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""Days of a lifecycle rule: S3 has them as a positive integer, of the 32 bits of its SDKs.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleExpiration.html
"""


Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
HttpsUrl = Annotated[str, Field(pattern=r"^https://[^\s/]+(/\S*)?$")]


class AlarmSubscribers(StackConfig):
    """Who hears of an environment's alarms and failures."""

    email: tuple[Email, ...] = Field(
        default=(),
        description="addresses, each of which has to confirm once, by the mail that SNS sends it",
        examples=[["oncall@example.com"]],
    )
    https: tuple[HttpsUrl, ...] = Field(
        default=(),
        description="URLs of what wakes people, which confirm by themselves; may be secret",
        examples=[["https://events.example.com/key"]],
    )

    @model_validator(mode="after")
    def _nobody_twice(self) -> Self:
        # SNS has one subscription for both, which the removal of either would end.
        if repeated := [one for one, count in Counter((*self.email, *self.https)).items() if count > 1]:
            raise ValueError(f"{len(repeated)} of them stand there more than once: keep one of each")
        return self


class KeyConfig(StackConfig):
    """One attribute of a table's or an index's key."""

    name: str = Field(min_length=1, max_length=255, description="the attribute's name", examples=["id"])
    type: KeyType = Field(description="S for text, N for a number, B for bytes", examples=["S"])


def _key(*parts: KeyConfig | None) -> tuple[KeyAttribute, ...]:
    return tuple(KeyAttribute(part.name, part.type) for part in parts if part)


class IndexConfig(StackConfig):
    """A table's global secondary index over all attributes."""

    partition_key: KeyConfig = Field(
        description="what the index finds items by", examples=[{"name": "environment", "type": "S"}]
    )
    sort_key: KeyConfig | None = Field(default=None, description="what it sorts them by")

    @property
    def key(self) -> tuple[KeyAttribute, ...]:
        """The partition key, and the sort key if it has one."""
        return _key(self.partition_key, self.sort_key)


def _is_a_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError("write up to 24 lower-case letters, digits and hyphens, a letter first")
    return name


DatasetName = Annotated[str, AfterValidator(_is_a_name)]

PhysicalName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{3,255}$")]
"""What a table or an index may be called; S3 takes less of a bucket.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

OF_BUCKETS = {"versioning", "retention_days", "noncurrent_retention_days", "incomplete_upload_days", "force_destroy"}
OF_TABLES = {"partition_key", "sort_key", "indexes", "time_to_live", "point_in_time_recovery"}
OF_WHAT_IS_THERE = {"kind", "existing", "partition_key", "sort_key"}
"""The settings of a dataset that only one kind has, and those that one has which is adopted."""

PROTECTION = {"deletion_protection", "force_destroy"}


class DatasetConfig(StackConfig):
    """A bucket or a table. A setting that is None is as the environment has it."""

    kind: Kind = Field(description="what holds the records", examples=["table"])
    existing: PhysicalName | None = Field(
        default=None,
        description="the name of a bucket or table that is there, and is used as it is",
        examples=["our-orders"],
    )
    partition_key: KeyConfig | None = Field(
        default=None, description="a table's partition key", examples=[{"name": "id", "type": "S"}]
    )
    sort_key: KeyConfig | None = Field(default=None, description="a table's sort key")
    indexes: Mapping[PhysicalName, IndexConfig] = Field(default={}, description="a table's indexes by their names")
    time_to_live: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="the attribute of a table's items that tells when each is deleted, in seconds since 1970",
        examples=["expires"],
    )
    versioning: bool | None = None
    retention_days: Days | None = None
    noncurrent_retention_days: Days | None = None
    incomplete_upload_days: Days | None = None
    point_in_time_recovery: bool | None = None
    deletion_protection: bool | None = None
    force_destroy: bool | None = None

    def dataset(self, name: str) -> Dataset:
        """Return what is told of it to whoever replicates or processes it."""
        return Dataset(name, self.kind, self.key)

    @property
    def key(self) -> tuple[KeyAttribute, ...]:
        """What its records' keys are made of."""
        return OBJECTS.key if self.kind is Kind.BUCKET else _key(self.partition_key, self.sort_key)

    def own_settings(self) -> dict[str, Any]:
        """Return what is not as the environment has it, by the names of its settings."""
        shared = self.__class__.model_fields.keys() & StorageConfig.model_fields.keys()
        return {name: value for name in shared if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _settings_are_its_kinds(self) -> Self:
        if strange := self._given() & (OF_TABLES if self.kind is Kind.BUCKET else OF_BUCKETS):
            raise ValueError(f"a {self.kind} has no {self._written(strange)}: remove that")
        if self.kind is Kind.TABLE and not self.partition_key:
            raise ValueError("a table has a partitionKey: add one, such as `partitionKey: {name: id, type: S}`")
        return self

    @model_validator(mode="after")
    def _nothing_of_what_is_there_is_changed(self) -> Self:
        if self.existing and (changed := self._given() - OF_WHAT_IS_THERE):
            raise ValueError(
                f"a {self.kind} that is there is used as it is, without {self._written(changed)}: remove that, or "
                f"remove existing to have a {self.kind} made"
            )
        return self

    @model_validator(mode="after")
    def _an_attribute_has_one_type_and_one_part_in_a_key(self) -> Self:
        types: dict[str, KeyType] = {}
        for key in (self.key, *(index.key for index in self.indexes.values())):
            if len({attribute.name for attribute in key}) < len(key):
                raise ValueError(f"{key[0].name} is both partitionKey and sortKey: remove the sortKey or rename it")
            for attribute in key:
                if types.setdefault(attribute.name, attribute.type) is not attribute.type:
                    raise ValueError(f"{attribute.name} has two types: give it the same one everywhere")
        return self

    def _given(self) -> set[str]:
        return {name for name in self.model_fields_set if getattr(self, name) is not None}

    def _written(self, names: set[str]) -> str:
        aliases = (field.alias for name, field in self.__class__.model_fields.items() if name in names)
        return " and ".join(filter(None, aliases))


DEFAULT_DATASETS: dict[str, Any] = {
    "objects": {"kind": "bucket"},
    "items": {
        "kind": "table",
        "partitionKey": {"name": "id", "type": "S"},
        "sortKey": {"name": "timestamp", "type": "N"},
        "indexes": {
            "environment-index": {
                "partitionKey": {"name": "environment", "type": "S"},
                "sortKey": {"name": "timestamp", "type": "N"},
            }
        },
    },
}


class StorageConfig(StackConfig):
    """An environment's storage settings. Periods are in days.

    What stands here of buckets and tables is for every dataset that does not say it for itself.
    """

    datasets: Mapping[DatasetName, DatasetConfig] = Field(
        default=DEFAULT_DATASETS,
        validate_default=True,
        description="the buckets and tables, by a name of yours",
        examples=[DEFAULT_DATASETS],
    )
    versioning: bool = Field(description="whether buckets keep an object's earlier versions", examples=[True])
    retention_days: Days = Field(default=30, description="days after which a current object expires", examples=[30])
    noncurrent_retention_days: Days = Field(
        default=30, description="days an object's earlier version is kept", examples=[30]
    )
    incomplete_upload_days: Days = Field(
        default=7, description="days after which an unfinished multipart upload is removed", examples=[7]
    )
    point_in_time_recovery: bool = Field(
        description="whether tables can be restored to any second of the last 35 days", examples=[True]
    )
    deletion_protection: bool = Field(
        description="whether buckets and tables refuse to be deleted or replaced", examples=[True]
    )
    force_destroy: bool = Field(
        description="whether destroying the stack deletes the buckets' objects with it", examples=[False]
    )
    dead_letters_alarm_count: AlarmCount = Field(
        default=1, description="the environment's dead letters that alarm", examples=[1]
    )
    alarm_subscribers: AlarmSubscribers = Field(
        default=AlarmSubscribers(),
        description="who hears of the environment's alarms and failures",
        examples=[{"email": ["oncall@example.com"]}],
    )

    def of(self, dataset: DatasetConfig) -> Self:
        """Return the settings of one dataset, its own before the environment's."""
        return self.model_copy(update=dataset.own_settings())

    def of_an_instance(self) -> Self:
        """Return the same for an instance of the environment: all of it is made, not protected, and goes at once.

        What the environment adopts is its own: an instance gets a bucket or a table like it.
        """
        freed = dict.fromkeys(("existing", *PROTECTION))
        datasets = {name: dataset.model_copy(update=freed) for name, dataset in self.datasets.items()}
        return self.model_copy(update={"deletion_protection": False, "force_destroy": True, "datasets": datasets})

    @property
    def alarms_nobody(self) -> bool:
        """Whether data that is worth protecting has alarms that reach nobody."""
        protects = any(self.of(dataset).deletion_protection for dataset in self.datasets.values())
        return (protects or self.deletion_protection) and self.alarm_subscribers == AlarmSubscribers()

    @model_validator(mode="after")
    def _nothing_is_adopted_twice(self) -> Self:
        adopted = Counter((each.kind, each.existing) for each in self.datasets.values() if each.existing)
        if repeated := [f"the {kind} {name}" for (kind, name), count in adopted.items() if count > 1]:
            raise ValueError(f"storage:datasets adopts {repeated[0]} under several names: keep one of them")
        return self

    @model_validator(mode="after")
    def _protection_and_force_exclude_each_other(self) -> Self:
        if conflicts := list(self._conflicts()):
            raise ValueError(
                f"{conflicts[0]}deletionProtection and {conflicts[0]}forceDestroy are both true: "
                "set one of them to false"
            )
        return self

    def _conflicts(self) -> Iterator[str]:
        if self.deletion_protection and self.force_destroy:
            yield "storage:"
        for name, dataset in self.datasets.items():
            settings = self.of(dataset)
            if dataset.kind is Kind.BUCKET and settings.deletion_protection and settings.force_destroy:
                yield f"storage:datasets.{name}."
