"""A route's specification: what is replicated from where to where, and where is reported. One document, read by all.

The replication project makes it once, of contracts and configuration. It travels in the function's archive, so that a
version of a function is its code and its route, and in the contract, so that an operator's command reads the same one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, get_origin

from replication_core.datasets import Dataset, RecordKey

if TYPE_CHECKING:
    from replication_core.masking.policy import MaskingPolicy

__all__ = [
    "NOTIFICATIONS",
    "ROUTES_FILE",
    "ROUTE_FILE",
    "UNMASKED",
    "RouteSpec",
    "RouteSpecError",
    "RoutedDataset",
    "SourceDatasets",
]

ROUTE_FILE = "route.json"
"""The specification's name in the archive of a route's functions."""

ROUTES_FILE = "routes.json"
"""The name, in the notifier's archive, of the specifications of all its routes."""

NOTIFICATIONS = ("each", "batch", "failures")
"""The topics get failures by change and successes by batch; both by batch; or failures by change alone."""

UNMASKED = "none"
"""The word, in place of a policy's file, of a target that gets the source's data as they are."""

_SCHEMA = "pipeline.route/1"
_POLICIES = ("masking", "shadow")


class RouteSpecError(ValueError):
    """A document that is no route's specification; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedDataset:
    """A dataset of the source, and what of it the target gets.

    >>> from replication_core.datasets import OBJECTS
    >>> objects = RoutedDataset(dataset=OBJECTS, source="prod-objects", target="dev-objects", exclude=("private/",))
    >>> objects.wants(OBJECTS.record("reports/1.csv")), objects.wants(OBJECTS.record("private/1.csv"))
    (True, False)
    """

    dataset: Dataset
    source: str
    """The name of the source's bucket or table."""

    target: str
    """The name of the target's; empty for a dataset that the target does not get."""

    include: tuple[str, ...] = ()
    """Prefixes of the objects' keys to replicate; none means all of them."""

    exclude: tuple[str, ...] = ()
    """Prefixes of the objects' keys not to replicate; they win over `include`."""

    def wants(self, key: RecordKey) -> bool:
        """Tell whether the target gets a record of the dataset."""
        return self.wants_object(key.object_key) if self.dataset.is_bucket else bool(self.target)

    def wants_object(self, key: str) -> bool:
        """Tell whether the target gets the object of a bucket's key."""
        included = bool(self.target) and (not self.include or key.startswith(self.include))
        return included and not key.startswith(self.exclude)

    def wants_objects(self, keys: Iterable[str]) -> bool:
        """Tell whether the target gets the objects of all these keys."""
        has_rules = self.include or self.exclude
        return all(map(self.wants_object, keys)) if has_rules else bool(self.target)

    def document(self) -> dict[str, Any]:
        """Return it as a route's document holds it."""
        names = {"source": self.source, "target": self.target}
        prefixes = {"include": list(self.include), "exclude": list(self.exclude)} if self.dataset.is_bucket else {}
        return {**self.dataset.document(), **names, **prefixes}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError."""
        match document:
            case {"source": str(source), "target": str(target)}:
                include, exclude = (_texts(document.get(name, ())) for name in ("include", "exclude"))
                dataset = Dataset.parse(document)
                return cls(dataset=dataset, source=source, target=target, include=include, exclude=exclude)
        raise ValueError(f"{document!r} names no source and no target")


@dataclass(frozen=True, kw_only=True)
class SourceDatasets:
    """A source's datasets, found by their names, and by the buckets and tables that they are."""

    datasets: tuple[RoutedDataset, ...]
    """Every dataset of the source, those that a target does not get as well."""

    @cached_property
    def _by_name(self) -> Mapping[str, RoutedDataset]:
        return {each.dataset.name: each for each in self.datasets}

    @cached_property
    def _by_store(self) -> Mapping[tuple[bool, str], RoutedDataset]:
        return {(each.dataset.is_bucket, each.source): each for each in self.datasets}

    def dataset(self, name: str) -> RoutedDataset | None:
        """Return the source's dataset of that name, if it has one."""
        return self._by_name.get(name)

    def of_bucket(self, bucket: str) -> RoutedDataset | None:
        """Return the dataset whose source is that bucket, if one is."""
        return self._by_store.get((True, bucket))

    def of_table(self, table: str) -> RoutedDataset | None:
        """Return the dataset whose source is that table, if one is."""
        return self._by_store.get((False, table))


@dataclass(frozen=True, kw_only=True)
class RouteSpec(SourceDatasets):
    """One route: its source, its target, what of each dataset it replicates, and where it reports."""

    target: str
    """The target environment's name: on every replica, notification and envelope."""

    source_environment: str
    """As its stacks are named, so with the suffix of an instance, which the target is of too: on every replica."""

    source_region: str
    target_region: str

    target_environment: str = ""
    """The target as its stacks are named, with the suffix of an instance; by default just `target`."""

    queue_url: str
    dlq_url: str
    success_topic_arn: str
    failure_topic_arn: str

    release: str = ""
    """The version that the route is deployed as, such as `v1.4.0`; empty in a former release's document.

    With it a function's version is code, route, policy and release together.
    """

    notifications: str = "each"
    """One of `NOTIFICATIONS`."""

    sample_keys: int = 1000
    """Records of each dataset that a scheduled comparison looks at, about."""

    settle_seconds: int = 300
    """How long a replica may differ from an unchanged source before a scheduled comparison calls it drift."""

    soak_seconds: int = 300
    """How long the route is watched at a release before another route gets that."""

    soak_answer_seconds: int = 30
    """The longest that a release may take to answer for a sample of keys meanwhile."""

    masking: dict[str, Any] = field(default_factory=dict, hash=False)
    """The compiled policy; empty where the route copies as it is, and in a former release's document."""

    shadow: dict[str, Any] = field(default_factory=dict, hash=False)
    """A compiled policy that is tried beside `masking`, and by which nothing is written; empty where there is none."""

    unmasked_reason: str = ""
    """Why the route copies as it is; empty where it masks, and in a former release's document."""

    mask_key_arn: str = ""
    """The HMAC key that the route's pseudonyms are made with; empty where it masks nothing."""

    brake_table: str = ""
    """The table in the source's region that the route's deletes are counted in; empty where its policy has no brake."""

    def __post_init__(self) -> None:
        """Name the target's environment where nobody has."""
        object.__setattr__(self, "target_environment", self.target_environment or self.target)

    @cached_property
    def policy(self) -> "MaskingPolicy | None":
        """What becomes of the data; None where the route copies them as they are. Raises PolicyError."""
        return _policy(self.masking) if self.masking else None

    @cached_property
    def shadow_policy(self) -> "MaskingPolicy | None":
        """The next policy, where one is tried; raises PolicyError."""
        return _policy(self.shadow) if self.shadow else None

    @property
    def routed(self) -> tuple[RoutedDataset, ...]:
        """The datasets that the target gets."""
        return tuple(each for each in self.datasets if each.target)

    def wants(self, key: RecordKey) -> bool:
        """Tell whether the route replicates a record."""
        routed = self.dataset(key.dataset.name)
        return routed is not None and routed.wants(key)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document, which `parse` reads."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "datasets"}
        # As text: the engine hands on a stack's whole numbers as floats, and no name that begins with two underscores.
        policies = {name: _text(plain[name]) for name in _POLICIES}
        return {"schema": _SCHEMA, **plain, **policies, "datasets": [each.document() for each in self.datasets]}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from a release's document: what a former one did not have gets its default, more is passed over.

        Raises RouteSpecError.
        """
        if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
            raise RouteSpecError(f"a route's specification is not of the form {_SCHEMA}")
        known = [each for each in fields(cls) if each.name in document]
        plain = {each.name: _exact(document[each.name]) for each in known}
        plain |= {name: _read(plain[name]) for name in _POLICIES if name in plain}
        for each in known:
            if each.name != "datasets" and type(plain[each.name]) is not (get_origin(each.type) or each.type):
                raise RouteSpecError(f"a route's specification has no usable {each.name!r}")
        if plain.get("masking") and not plain.get("mask_key_arn"):
            raise RouteSpecError("a route's specification masks, and names no key to do so with")
        if plain.get("notifications", "each") not in NOTIFICATIONS:
            raise RouteSpecError(f"a route's notifications are one of {', '.join(NOTIFICATIONS)}")
        try:
            plain["datasets"] = tuple(map(RoutedDataset.parse, document["datasets"]))
            route = cls(**plain)
            has_brake = route.policy is not None and route.policy.brake is not None
        except (TypeError, ValueError, KeyError) as error:
            raise RouteSpecError(f"a route's specification is not usable: {error}") from error
        if has_brake and not route.brake_table:
            raise RouteSpecError("a route's specification has a brake, and names no table to count in")
        return route


def _exact(value: Any) -> Any:
    """Return a whole number as one: a stack's outputs have them as floats on their way through the engine."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _policy(document: Any) -> "MaskingPolicy":
    from replication_core.masking.policy import MaskingPolicy  # noqa: PLC0415 - a route that masks nothing loads none

    return MaskingPolicy.parse(document)


def _text(policy: Mapping[str, Any]) -> str:
    return json.dumps(policy, sort_keys=True, separators=(",", ":")) if policy else ""


def _read(text: Any) -> Any:
    """Return the compiled policy that a document holds as text; what is no such text is for the check of its type."""
    try:
        return json.loads(text) if text != "" else {}
    except (TypeError, ValueError):
        return None


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{value!r} is no list of texts")
    return tuple(value)
