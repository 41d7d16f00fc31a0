"""What differs between the environments' storage: the `storage:` keys of `Pulumi.<env>.yaml`."""

from collections import Counter
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline_common.infra.limits import AlarmCount
from pipeline_common.infra.stack_config import StackConfig

__all__ = ["AlarmSubscribers", "StorageConfig"]


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


class StorageConfig(StackConfig):
    """An environment's storage settings. Periods are in days."""

    versioning: bool = Field(description="whether the bucket keeps an object's earlier versions", examples=[True])
    retention_days: Days = Field(default=30, description="days after which a current object expires", examples=[30])
    noncurrent_retention_days: Days = Field(
        default=30, description="days an object's earlier version is kept", examples=[30]
    )
    incomplete_upload_days: Days = Field(
        default=7, description="days after which an unfinished multipart upload is removed", examples=[7]
    )
    point_in_time_recovery: bool = Field(
        description="whether the table can be restored to any second of the last 35 days", examples=[True]
    )
    deletion_protection: bool = Field(
        description="whether the bucket and the table refuse to be deleted or replaced", examples=[True]
    )
    force_destroy: bool = Field(
        description="whether destroying the stack deletes the bucket's objects with it", examples=[False]
    )
    dead_letters_alarm_count: AlarmCount = Field(
        default=1, description="the environment's dead letters that alarm", examples=[1]
    )
    alarm_subscribers: AlarmSubscribers = Field(
        default=AlarmSubscribers(),
        description="who hears of the environment's alarms and failures",
        examples=[{"email": ["oncall@example.com"]}],
    )

    def of_an_instance(self) -> Self:
        """Return the same for an instance of the environment: nothing of it is protected, all of it goes at once."""
        return self.model_copy(update={"deletion_protection": False, "force_destroy": True})

    @property
    def alarms_nobody(self) -> bool:
        """Whether data that is worth protecting has alarms that reach nobody."""
        return self.deletion_protection and self.alarm_subscribers == AlarmSubscribers()

    @model_validator(mode="after")
    def _protection_and_force_exclude_each_other(self) -> Self:
        if self.deletion_protection and self.force_destroy:
            raise ValueError(
                "storage:deletionProtection and storage:forceDestroy are both true: set one of them to false"
            )
        return self
