"""Contracts between stacks: the only place where an output's name is written.

A contract is a frozen dataclass. Its project exports it whole, another project reads it whole over a StackReference,
and an operator's command reads it from a stack's outputs. Outputs are scalars, and what exists once per target is
written as `<target>_<field>`; datasets, routes' specifications and the notifier's mappings are nested. Secretness is
per output in Pulumi, so none of them is secret.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self, get_origin

from pipeline_common.environments import Environment
from replication_core.datasets import ITEMS, OBJECTS, Dataset

__all__ = [
    "CONTRACTS",
    "TOLD",
    "Contract",
    "DeliveryOutputs",
    "MissingOutputError",
    "ProcessingOutputs",
    "ReplicationOutputs",
    "RouteOutputs",
    "StorageOutputs",
    "StoredDataset",
]


class MissingOutputError(LookupError):
    """An output that the contract promises is not among a stack's outputs, or of another type."""

    def __init__(self, contract: type["Contract"], name: str) -> None:
        super().__init__(f"{contract.__name__} has no output {name!r}")
        self.contract = contract
        self.name = name


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Base of the contracts: to and from a stack's flat outputs."""

    PROJECT: ClassVar[str]
    """The project whose stacks export this contract."""

    environment: str
    suffix: str = ""
    """Of an instance of the environment; else empty."""
    release: str = ""
    """The version that the stack was deployed as, see `pipeline_common.release`; empty in a former release's contract.

    It is told, and nobody's programs need it: a project is released without another.
    """

    @property
    def instance(self) -> Environment:
        """The environment, or the instance of it, that the stack is named after."""
        return Environment(self.environment, self.suffix)

    def exports(self) -> dict[str, Any]:
        """Return the outputs by name, as the stack exports them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def missing(cls, outputs: Mapping[str, Any]) -> str | None:
        """Return the first output that a program of this release reads, and a stack's outputs don't have.

        One that has a default is no exception: without it a program of this release would leave something out.
        """
        read = (field.name for field in fields(cls) if field.name not in TOLD)
        try:
            cls.parse(outputs)
        except MissingOutputError as error:
            return error.name
        return next((name for name in read if name not in outputs), None)

    @classmethod
    def parse(cls, outputs: Mapping[str, Any]) -> Self:
        """Build the contract from a stack's outputs; others are ignored, so that additions break no reader.

        Raises MissingOutputError for the first output that is not there as it was promised. One that has a default was
        promised later, and may be missing.
        """
        return cls(**cls._values(cls, outputs))

    @classmethod
    def _values(
        cls, part: type["Contract | RouteOutputs"], outputs: Mapping[str, Any], prefix: str = ""
    ) -> dict[str, Any]:
        """Return the values of the fields of the contract, or of a part of it whose outputs have a prefix."""
        values = {}
        for one in fields(part):
            name = prefix + one.name
            if name not in outputs and (one.default, one.default_factory) != (MISSING, MISSING):
                continue
            value = outputs.get(name)
            if not isinstance(value, get_origin(one.type) or one.type):  # type: ignore[arg-type] # never a text
                raise MissingOutputError(cls, name)
            values[one.name] = value
        return values


TOLD = frozenset({"release"})
"""What a contract tells people, and no program."""


@dataclass(frozen=True, kw_only=True)
class StoredDataset:
    """A dataset as an environment's storage has it: the bucket or the table that holds its records."""

    dataset: Dataset
    name: str
    """The bucket's or the table's, not the dataset's."""
    arn: str
    stream_arn: str = ""
    """A table's stream's; empty for a bucket."""

    def document(self) -> dict[str, Any]:
        """Return it as the contract exports it, under the dataset's name."""
        told = {**self.dataset.document(), "name": self.name, "arn": self.arn}
        return told if self.dataset.is_bucket else {**told, "stream_arn": self.stream_arn}

    @classmethod
    def parse(cls, name: Any, document: Any) -> Self:
        """Build the dataset of that name from such a document; raises ValueError for what is none."""
        match document:
            case {"name": str(physical), "arn": str(arn)}:
                dataset = Dataset.parse({**document, "name": name})
                stream_arn = "" if dataset.is_bucket else document.get("stream_arn")
                if isinstance(stream_arn, str):
                    return cls(dataset=dataset, name=physical, arn=arn, stream_arn=stream_arn)
        raise ValueError(f"{document!r} is no dataset")


_DEFAULT_OUTPUTS = {
    "bucket_name": (OBJECTS, "name"),
    "bucket_arn": (OBJECTS, "arn"),
    "table_name": (ITEMS, "name"),
    "table_arn": (ITEMS, "arn"),
    "table_stream_arn": (ITEMS, "stream_arn"),
}
"""The outputs of a storage of one bucket and one table, which a former release wrote and reads: whose and what each is.

They are empty where the storage has no dataset of that name and kind.
"""


@dataclass(frozen=True, kw_only=True)
class StorageOutputs(Contract):
    """The names and places of an environment's storage."""

    PROJECT: ClassVar[str] = "storage"

    region: str
    account_id: str
    datasets: Mapping[str, StoredDataset]
    """By the datasets' names. A former release, which did not export them, has `objects` and `items`."""
    success_topic_arn: str
    failure_topic_arn: str
    dlq_url: str
    dlq_arn: str
    dlq_alarm_name: str = ""
    """The alarm on the dead letters; empty where the storage was deployed before it had one."""

    @property
    def partition(self) -> str:
        """The part of AWS that it is in, as ARNs name it."""
        return self.dlq_arn.split(":")[1]

    @property
    def dlq_name(self) -> str:
        """The dead-letter queue's name, as CloudWatch's metrics have it."""
        return self.dlq_arn.rpartition(":")[2]

    @property
    def dlq_alarm_arn(self) -> str:
        """The ARN of the alarm on the dead letters, as dashboards name alarms."""
        return f"arn:{self.partition}:cloudwatch:{self.region}:{self.account_id}:alarm:{self.dlq_alarm_name}"

    @property
    def bucket_name(self) -> str:
        """The name of the bucket of `objects`; empty where there is none."""
        return self._default("bucket_name")

    @property
    def table_name(self) -> str:
        """The name of the table of `items`; empty where there is none."""
        return self._default("table_name")

    def _default(self, output: str) -> str:
        dataset, name = _DEFAULT_OUTPUTS[output]
        stored = self.datasets.get(dataset.name)
        return getattr(stored, name) if stored and stored.dataset.kind is dataset.kind else ""

    def exports(self) -> dict[str, Any]:
        """Return the outputs by name, those of `objects` and `items` beside the datasets."""
        return {
            **super().exports(),
            **{output: self._default(output) for output in _DEFAULT_OUTPUTS},
            "datasets": {name: stored.document() for name, stored in self.datasets.items()},
        }

    @classmethod
    def parse(cls, outputs: Mapping[str, Any]) -> Self:
        """Build the contract from a stack's outputs; a dataset that can't be read is named as `datasets.<name>`."""
        values = cls._values(cls, {**outputs, "datasets": {}})
        values["datasets"] = _datasets(outputs["datasets"]) if "datasets" in outputs else _former_datasets(outputs)
        return cls(**values)


def _datasets(documents: Any) -> dict[str, StoredDataset]:
    """Return the datasets, buckets first, by name: the engine has a mapping in any order, another in each process."""
    if not isinstance(documents, Mapping):
        raise MissingOutputError(StorageOutputs, "datasets")
    datasets = []
    for name, document in documents.items():
        try:
            datasets.append(StoredDataset.parse(name, document))
        except ValueError:
            raise MissingOutputError(StorageOutputs, f"datasets.{name}") from None
    datasets.sort(key=lambda stored: (stored.dataset.kind, stored.dataset.name))
    return {stored.dataset.name: stored for stored in datasets}


def _former_datasets(outputs: Mapping[str, Any]) -> dict[str, StoredDataset]:
    told: dict[Dataset, dict[str, str]] = {OBJECTS: {}, ITEMS: {}}
    for output, (dataset, name) in _DEFAULT_OUTPUTS.items():
        if not isinstance(value := outputs.get(output), str):
            raise MissingOutputError(StorageOutputs, output)
        told[dataset][name] = value
    return {dataset.name: StoredDataset(dataset=dataset, **values) for dataset, values in told.items()}


@dataclass(frozen=True, kw_only=True)
class ProcessingOutputs(Contract):
    """An environment's processor: what triggers it, what it is, and what watches it."""

    PROJECT: ClassVar[str] = "processing"

    region: str
    bucket_name: str
    table_name: str = ""
    """Empty where the processing was deployed before it told."""
    input_prefix: str
    process_replicas: bool
    lambda_function_name: str
    lambda_function_arn: str
    log_group_name: str
    queue_name: str
    queue_url: str
    queue_arn: str
    rule_name: str
    rule_arn: str
    schedule_rule_name: str
    """Empty where no schedule is configured."""
    alarm_names: str
    """The alarms' names, joined by commas."""
    dashboard_name: str


@dataclass(frozen=True, kw_only=True)
class RouteOutputs:
    """One target's route: what carries changes to it and what applies them."""

    QUEUE_RETENTION_DAYS: ClassVar[int] = 14
    """Days that the queue keeps a message, the most that SQS takes.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
    """

    rule_name: str = ""
    """What brings changes to the queue; in a former release one rule did so for all routes, and this is empty."""
    rule_arn: str = ""
    queue_name: str
    queue_url: str
    queue_arn: str
    function_name: str
    function_arn: str
    alias_arn: str
    event_source_mapping_id: str
    log_group_name: str
    verifier_function_name: str
    """Empty where no sample of the target is compared on a schedule."""
    verifier_log_group_name: str
    alarm_names: str
    """The route's own alarms' names, joined by commas."""

    spec: Mapping[str, Any] = field(default_factory=dict)
    """The route's specification, see `replication_core.route_spec`; empty in a former release's contract."""

    version: str = ""
    """The function's version that its live alias was given; empty in a former release's contract."""
    held: Mapping[str, Any] = field(default_factory=dict)
    """Why that is not the newest, see `pipeline_common.holds`; empty where it is."""

    def exports(self, target: str) -> dict[str, Any]:
        """Return the outputs by name, as the replication's stack exports them."""
        return {f"{target}_{field.name}": getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class ReplicationOutputs(Contract):
    """The replication's capture, and a route per target.

    Exported flat: `targets` is the targets' names joined by commas, and each field of a target's route is
    `<target>_<field>`, such as `dev_queue_url`.
    """

    PROJECT: ClassVar[str] = "replication"

    region: str
    account_id: str
    rule_name: str = ""
    """The one rule of all routes in a former release; empty where each route has its own."""
    rule_arn: str = ""
    capture: str
    """How changes are noticed: `native` or `cloudtrail`."""
    trail_name: str = ""
    """The trail that records them, ours or one that is named; empty where CloudTrail has no part."""
    notifier_function_name: str
    """Empty, as the notifier's other fields, where changes are noticed by CloudTrail and there is no notifier."""
    notifier_function_arn: str
    notifier_event_source_mapping_id: str
    """That of the dataset `items`, or else the first."""
    notifier_mappings: Mapping[str, str] = field(default_factory=dict)
    """The mappings by the names of the datasets whose streams they read; a former release's contract has none."""
    notifier_log_group_name: str
    dashboard_name: str
    routes: Mapping[str, RouteOutputs]

    def exports(self) -> dict[str, Any]:
        """Return the outputs by name, each route's under its target's name.

        Raises ValueError for a target whose outputs would be named as the replication's own, such as `notifier`.
        """
        flat = super().exports()
        del flat["routes"]
        flat["targets"] = ",".join(self.routes)
        for target, route in self.routes.items():
            own = route.exports(target)
            if taken := sorted(own.keys() & flat.keys()):
                raise ValueError(f"a target can't be called {target}: {taken[0]} is an output of the replication's own")
            flat |= own
        return flat

    @staticmethod
    def exports_with(routes: Mapping[str, RouteOutputs], exported: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was exported, by this release or another, with these routes in place of the former ones."""
        flat = dict(exported)
        for target, route in routes.items():
            flat |= route.exports(target)
        targets = dict.fromkeys((*filter(None, str(exported.get("targets", "")).split(",")), *routes))
        return {**flat, "targets": ",".join(targets)}

    @classmethod
    def parse(cls, outputs: Mapping[str, Any]) -> Self:
        """Build the contract from a stack's outputs, with as many routes as `targets` names."""
        targets = outputs.get("targets")
        if not isinstance(targets, str):
            raise MissingOutputError(cls, "targets")
        routes = {
            target: RouteOutputs(**cls._values(RouteOutputs, outputs, f"{target}_"))
            for target in targets.split(",")
            if target
        }
        return super().parse({**outputs, "routes": routes})


@dataclass(frozen=True, kw_only=True)
class DeliveryOutputs(Contract):
    """An account's delivery, whose `environment` is the account's name."""

    PROJECT: ClassVar[str] = "delivery"

    provider_arn: str
    """Of the OpenID Connect provider that the roles trust."""
    role_arns: str
    """The roles that workflows take, joined by commas."""


CONTRACTS: Mapping[str, type[Contract]] = {
    contract.PROJECT: contract for contract in (StorageOutputs, ProcessingOutputs, ReplicationOutputs, DeliveryOutputs)
}
"""The contracts by the projects whose stacks export them."""
