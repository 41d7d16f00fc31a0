"""What is replicated, to where and how eagerly: the `replication:` keys of `Pulumi.prod.yaml`."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline_common.environments import NAME, Environment
from pipeline_common.infra.limits import QUEUE_SECONDS, RetentionDays
from pipeline_common.infra.live_function import FunctionSettings
from pipeline_common.infra.part import Part
from pipeline_common.infra.schedules import Schedule
from pipeline_common.infra.stack_config import StackConfig, StackConfigError, stack_file
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.route_spec import UNMASKED

__all__ = [
    "DatasetSelection",
    "ReplicationConfig",
    "TargetConfig",
    "VerificationConfig",
    "require_capture_as_deployed",
    "require_other_targets",
]

PRINCIPAL = r"^arn:[a-z-]+:iam::\d{12}:(role|user)/.+$"
"""The ARN of a role or a user, or a pattern of such."""

TRAIL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]$"
"""https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html"""

STREAM_SECONDS = 24 * 3600
"""As long as a table's stream keeps a record: none gets older.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

MOST_KEY_BYTES = 1024
"""Of an object's key in UTF-8; https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html."""


def _is_a_keys(prefix: str) -> str:
    if (size := len(prefix.encode())) > MOST_KEY_BYTES:
        raise ValueError(f"it has {size:,} bytes, and no key has more than {MOST_KEY_BYTES:,}")
    return prefix


# What they come to together is checked by itself: a policy that names many outgrows what a role may have.
Prefixes = Annotated[
    tuple[Annotated[str, Field(min_length=1), AfterValidator(_is_a_keys)], ...],
    Field(max_length=20),
]


class DatasetSelection(StackConfig):
    """What of a dataset a target gets: all of it, or of a bucket the objects that prefixes say."""

    include: Prefixes = Field(
        default=(), description="prefixes of the keys to replicate, all when empty", examples=[["reports/"]]
    )
    exclude: Prefixes = Field(
        default=(), description="prefixes of the keys not to replicate, which win", examples=[["reports/secret/"]]
    )


class VerificationConfig(StackConfig):
    """When a sample of a target is compared with the source, and how large it is."""

    schedule: Schedule = Field(description="when, as EventBridge's rate() or cron()", examples=["rate(1 day)"])
    sample_keys: int = Field(
        default=1000, ge=100, le=10_000, description="objects, and items, that are compared each time", examples=[1000]
    )


class TargetConfig(StackConfig):
    """One environment that gets the source's data."""

    environment: str = Field(description="the environment that gets the data", pattern=f"^{NAME}$", examples=["dev"])
    datasets: Mapping[str, DatasetSelection] | None = Field(
        default=None,
        min_length=1,
        description="the datasets that it gets, all that both sides have when absent",
        examples=[{"objects": {"include": ["reports/"]}, "orders": {}}],
    )
    objects: DatasetSelection | None = Field(
        default=None, description="datasets.objects, in short", examples=[{"include": ["reports/"]}]
    )
    items: bool | None = Field(
        default=None, description="datasets.items, in short: whether it gets them", examples=[False]
    )
    masking: str = Field(
        min_length=1,
        description=f"the policy that masks what it gets, a file of the project's, or {UNMASKED} with a reason beside",
        examples=["policies/dev.yaml"],
    )
    shadow: str | None = Field(
        default=None,
        min_length=1,
        description="a next policy that is tried beside the one in `masking`, and by which nothing is written",
        examples=["policies/next.yaml"],
    )
    reason: str | None = Field(
        default=None,
        pattern=r"\S",
        description=f"why nothing of it is masked, beside `masking: {UNMASKED}`",
        examples=["production holds made-up data alone"],
    )
    max_concurrency: int = Field(
        default=5,
        ge=2,  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
        le=1000,
        description="functions that work on the target at the same time",
        examples=[5],
    )
    verify: VerificationConfig | None = Field(
        default=None,
        description="when a sample of it is compared with the source, never when absent",
        examples=[{"schedule": "rate(1 day)"}],
    )

    @property
    def is_masked(self) -> bool:
        """Whether a policy says what becomes of the data."""
        return self.masking != UNMASKED

    @property
    def policies(self) -> Mapping[str, str]:
        """The files of its policies, by the settings that name them."""
        named = {"masking": self.masking if self.is_masked else "", "shadow": self.shadow or ""}
        return {setting: file for setting, file in named.items() if file}

    @property
    def in_short(self) -> tuple[str, ...]:
        """The datasets of which one of the short keys tells."""
        short = {OBJECTS.name: self.objects, ITEMS.name: self.items}
        return tuple(name for name, told in short.items() if told is not None)

    @property
    def chosen(self) -> Mapping[str, DatasetSelection]:
        """What is said of datasets that it gets, by their names, whichever key says it."""
        chosen = dict(self.datasets or {})
        if self.objects is not None:
            chosen[OBJECTS.name] = self.objects
        if self.items:
            chosen[ITEMS.name] = DatasetSelection()
        return chosen

    def selection(self, name: str) -> DatasetSelection | None:
        """Return what it gets of a dataset that both sides have; None where it gets nothing of it."""
        gets_others = self.datasets is None and not (name == ITEMS.name and self.items is False)
        return self.chosen.get(name, DatasetSelection() if gets_others else None)

    def key_of(self, name: str) -> str:
        """Return the key, below the target's own, that a dataset is configured by."""
        return f".{name}" if name in self.in_short else f".datasets.{name}" if name in self.chosen else ".datasets"


class ReplicationConfig(FunctionSettings):
    """The replication's settings."""

    targets: tuple[TargetConfig, ...] = Field(
        min_length=1,
        description="the environments that get the data, at least one",
        examples=[[{"environment": "dev", "masking": "policies/dev.yaml"}]],
    )
    deletion_protection: bool = Field(
        default=True,
        description="whether the keys that pseudonyms are made with refuse to be deleted or replaced",
        examples=[True],
    )
    mask_key_users: tuple[Annotated[str, Field(pattern=PRINCIPAL)], ...] = Field(
        default=(),
        description="who besides the routes and the workflows may use those keys, anybody whom IAM lets when absent",
        examples=[["arn:aws:iam::123456789012:role/on-call"]],
    )
    memory_mb: int = Field(default=1024, ge=128, le=10240, description="each function's memory", examples=[1024])
    timeout_seconds: int = Field(
        default=120, ge=30, le=900, description="the longest that a function works on a batch", examples=[120]
    )
    batch_size: int = Field(
        default=100, ge=1, le=10_000, description="the most changes that a function is given at once", examples=[100]
    )
    batch_window_seconds: int = Field(
        default=1, ge=0, le=300, description="how long a batch is waited for to fill", examples=[1]
    )
    log_retention_days: RetentionDays = Field(
        default=30, description="days that the functions' logs are kept", examples=[30]
    )
    notifications: Literal["each", "batch", "failures"] = Field(
        default="each",
        description="failures per change and successes per batch, both per batch, or failures per change alone",
        examples=["each"],
    )
    capture: Literal["native", "cloudtrail"] = Field(
        default="native",
        description="how changes are noticed: by the stores' own events and stream, or by what CloudTrail records",
        examples=["native"],
    )
    trail: str | None = Field(
        default=None,
        pattern=TRAIL_NAME,
        description="an existing trail that records the source's writes; one is made when absent",
        examples=["audit"],
    )
    lag_alarm_seconds: int = Field(
        default=300,
        ge=1,
        le=QUEUE_SECONDS,
        description="the time from a change to its replica that alarms",
        examples=[300],
    )
    queue_age_alarm_seconds: int = Field(
        default=300, ge=60, le=QUEUE_SECONDS, description="the oldest waiting change's age that alarms", examples=[300]
    )
    stream_age_alarm_seconds: int = Field(
        default=300, ge=60, le=STREAM_SECONDS, description="the age of the table's changes that alarms", examples=[300]
    )

    soak_seconds: int = Field(
        default=300,
        ge=0,
        le=24 * 3600,
        description="how long a route is watched at a release before the next one gets it",
        examples=[300],
    )
    soak_answer_seconds: int = Field(
        default=30,
        ge=1,
        le=900,
        description="the longest that a release may take for a sample of keys while it is watched",
        examples=[30],
    )

    def of_an_instance(self) -> Self:
        """Return the same for an instance of the environment, which goes at once."""
        return self.model_copy(update={"deletion_protection": False})

    def only(self, targets: Collection[str]) -> Self:
        """Return the settings of these targets alone."""
        return self.model_copy(
            update={"targets": tuple(target for target in self.targets if target.environment in targets)}
        )

    @model_validator(mode="after")
    def _targets_make_sense(self) -> Self:
        counts = Counter(target.environment for target in self.targets)
        if repeated := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"replication:targets names {', '.join(repeated)} more than once: keep one of each")
        return self

    @model_validator(mode="after")
    def _a_dataset_is_told_of_once(self) -> Self:
        for place, target in enumerate(self.targets):
            for name in target.in_short:
                if name in (target.datasets or {}):
                    key = f"replication:targets[{place}]"
                    raise ValueError(
                        f"{key}.{name} and {key}.datasets.{name} are of the same dataset: keep one of them"
                    )
        return self

    @model_validator(mode="after")
    def _a_reason_is_for_masking_nothing(self) -> Self:
        for place, target in enumerate(self.targets):
            key = f"replication:targets[{place}]"
            if target.masking == UNMASKED and target.reason is None:
                raise ValueError(f"{key}.masking is {UNMASKED} without a reason: say why in {key}.reason")
            if target.masking != UNMASKED and target.reason is not None:
                raise ValueError(f"{key}.reason is for a target with `masking: {UNMASKED}`: remove it, or write that")
            if target.shadow is not None and not target.is_masked:
                raise ValueError(f"{key}.shadow is for a target that a policy masks: remove it, or name one in masking")
        return self

    @model_validator(mode="after")
    def _a_trail_is_for_cloudtrail(self) -> Self:
        if self.trail is not None and self.capture != "cloudtrail":
            raise ValueError(
                f"replication:trail names {self.trail}, but replication:capture is {self.capture}, which reads no "
                "trail: set replication:capture to cloudtrail, or remove replication:trail"
            )
        return self

    @model_validator(mode="after")
    def _large_batches_have_a_window(self) -> Self:
        # https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
        if self.batch_size > 10 and self.batch_window_seconds < 1:  # noqa: PLR2004 - SQS's own limit without a window
            raise ValueError(
                "replication:batchSize is above 10 without a window: "
                "set replication:batchWindowSeconds to 1 or more, or replication:batchSize to 10 or less"
            )
        return self


def require_capture_as_deployed(config: ReplicationConfig, part: Part) -> None:
    """Raise StackConfigError where a part of the stack is to notice changes in another way than the rest of it does."""
    deployed = part.exported.get("capture", config.capture)
    if not part.is_whole and config.capture != deployed:
        raise StackConfigError(
            f"{stack_file()}: replication:capture is {config.capture}, and what is deployed notices changes by "
            f"{deployed}: that is of all routes, so deploy the whole stack, without --routes."
        )


def require_other_targets(config: ReplicationConfig, source: Environment) -> None:
    """Raise StackConfigError where the source, which is the stack's own environment, is to replicate into itself."""
    if any(target.environment == source.name for target in config.targets):
        raise StackConfigError(
            f"{stack_file()}: replication:targets names {source.name}, which is the source: remove it."
        )
