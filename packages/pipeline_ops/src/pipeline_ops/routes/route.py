"""The replication as it is deployed: its source, and a route per target."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Self

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_common.contracts import ReplicationOutputs, RouteOutputs, StorageOutputs, StoredDataset
from pipeline_common.holds import Hold
from pipeline_ops.clients import ClientMaker
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.release_1 import route_of_environment
from pipeline_ops.where import AWS, Where
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import is_of_a_call, unreadable
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS
from replication_core.items.answers import read_items_fast
from replication_core.objects.heads import keep_empty_expires
from replication_core.objects.lean_reads import read_lean
from replication_core.route_mask import route_mask
from replication_core.route_spec import RouteSpec

__all__ = ["CONFIG", "THREADS", "Route", "SourceRoutes", "explained", "open_sides"]

THREADS = 64
"""Calls under way at the same time: they wait for AWS most of it."""

CONFIG = Config(
    max_pool_connections=THREADS + 32,  # those that list and scan come on top
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""The configuration of the clients that read both sides."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """The deployed route of changes to one target."""

    target: str
    outputs: RouteOutputs
    read_spec: Callable[[], RouteSpec]

    @cached_property
    def spec(self) -> RouteSpec:
        """The route's specification; raises OperatorError if another release's contract has none."""
        return self.read_spec()

    @property
    def hold(self) -> Hold | None:
        """Why its newest version is not live; None where it is. Raises OperatorError where that can't be understood."""
        try:
            return Hold.parse(self.outputs.held)
        except ValueError as error:
            raise OperatorError(f"The state of the route to {self.target} can't be understood: {error}.") from error


@dataclass(frozen=True, kw_only=True)
class SourceRoutes:
    """Every route of a source, and the clients that reach them."""

    source: StorageOutputs
    routes: Mapping[str, Route]
    notifier_function_name: str
    """Empty where no notifier reads the tables' streams."""

    notifier_mappings: Mapping[str, str]
    """The event source mappings by which it reads, by the names of the datasets."""

    trail_name: str
    """The trail whose records the rules match; empty where CloudTrail has no part."""

    target_storage: Callable[[str], StorageOutputs]
    """Reads a target's storage contract, once; raises OperatorError where it is not deployed."""

    client: ClientMaker
    """Makes each client once, since making one takes longer than most calls."""

    where: Where = AWS
    """The place that suggested commands go to."""

    @classmethod
    def of(
        cls,
        source: StorageOutputs,
        replication: ReplicationOutputs,
        client: ClientMaker,
        target_storage: Callable[[str], StorageOutputs],
        where: Where = AWS,
    ) -> Self:
        """Build it from what the two stacks export, and what reads the targets' storages."""
        client = functools.cache(client)
        deploys = where.command("deploy", ReplicationOutputs.PROJECT, source.environment)
        routes = {
            target: Route(
                target=target,
                outputs=replace(route, rule_name=route.rule_name or replication.rule_name),
                read_spec=partial(_spec, route, client, source.region, deploys),
            )
            for target, route in replication.routes.items()
        }
        # A former release had one, of `items`.
        first = replication.notifier_event_source_mapping_id
        former = {ITEMS.name: first} if first else {}
        return cls(
            source=source,
            routes=routes,
            notifier_function_name=replication.notifier_function_name,
            notifier_mappings=replication.notifier_mappings or former,
            trail_name=replication.trail_name,
            target_storage=functools.cache(target_storage),
            client=client,
            where=where,
        )

    @property
    def region(self) -> str:
        """Where the routes are: where their source is."""
        return self.source.region

    @property
    def replicated(self) -> list[StoredDataset]:
        """The source's datasets that some route gets; of one that can't be looked at, looking at it says why."""
        names: set[str] = set()
        for route in self.routes.values():
            with suppress(OperatorError):
                names.update(each.dataset.name for each in route.spec.routed)
        return [stored for name, stored in self.source.datasets.items() if name in names]

    @property
    def deploy_command(self) -> str:
        """The command that deploys the routes anew."""
        return self.where.command("deploy", ReplicationOutputs.PROJECT, self.source.environment)

    @property
    def mend_sentence(self) -> str:
        """A sentence on how to bring back what was changed by hand, and what was lost meanwhile."""
        refresh = self.where.command("refresh", ReplicationOutputs.PROJECT, self.source.environment)
        verify = self.where.command("verify", "TARGET", "--repair")
        return (
            f"`{refresh}`, then `{self.deploy_command}` bring back what was changed, `{verify}` what was lost meanwhile"
        )

    def route(self, target: str) -> Route:
        """Return a target's route; raises OperatorError, as misuse, where there is none."""
        if target not in self.routes:
            raise OperatorError(
                f"{self.source.environment} is not replicated to {target}: the targets are "
                f"{', '.join(self.routes)} (replication:targets).",
                MISUSED,
            )
        return self.routes[target]

    def chosen(self, target: str | None) -> list[Route]:
        """Return the one route that is named, else all of them."""
        return [self.route(target)] if target else list(self.routes.values())


def _spec(route: RouteOutputs, client: ClientMaker, region: str, deploys: str) -> RouteSpec:
    """Return a route's specification from its contract, or, of the first release's, from its function's environment."""
    try:
        if route.spec:
            return RouteSpec.parse(route.spec)
        with explained(f"The settings of {route.function_name} can't be read"):
            # Not GetFunctionConfiguration: LocalStack finds no alias by it.
            found = client("lambda", region=region).get_function(FunctionName=route.alias_arn)["Configuration"]
        return route_of_environment(found.get("Environment", {}).get("Variables", {}))
    except ValueError as error:
        raise OperatorError(
            f"{route.function_name} was deployed by another release: {error}. `{deploys}` deploys this one."
        ) from error


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise what AWS refuses inside the block as an OperatorError that says what was tried."""
    try:
        yield
    except (BotoCoreError, ClientError, StoreError) as error:
        raise OperatorError(f"{what}: {error}") from error
    except Exception as error:
        if not is_of_a_call(error):
            raise
        raise OperatorError(f"{what}: {unreadable(error)}") from error


def open_sides(replication: SourceRoutes, route: Route) -> Sides:
    """Return the route's source and target."""
    spec = route.spec
    source_s3, target_s3 = (
        replication.client("s3", region=region, config=CONFIG) for region in (spec.source_region, spec.target_region)
    )
    for client in (source_s3, target_s3):
        keep_empty_expires(client)
    source_dynamodb, target_dynamodb = (
        replication.client("dynamodb", region=region, config=CONFIG)
        for region in (spec.source_region, spec.target_region)
    )
    read_items_fast(source_dynamodb)
    read_items_fast(target_dynamodb)
    return Sides(
        route=spec,
        source_s3=read_lean(source_s3),
        target_s3=read_lean(target_s3),
        source_dynamodb=source_dynamodb,
        target_dynamodb=target_dynamodb,
        mask=route_mask(spec, replication.client("kms", region=spec.source_region) if spec.masking else None),
    )
