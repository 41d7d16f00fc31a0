"""The whole replication: what notices changes, and a route per target."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import ReplicationOutputs, RouteOutputs
from pipeline_common.environments import Environment
from pipeline_common.holds import standing_holds
from pipeline_common.infra.dashboards import dashboard
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.part import WHOLE, Part
from pipeline_common.release import deployed_version
from replication_core.datasets import ITEMS
from replication_project.change_trail import ChangeTrail
from replication_project.config import ReplicationConfig
from replication_project.dashboard import replication_graphs
from replication_project.item_changes import ItemChanges
from replication_project.masking import Policies
from replication_project.route import ReplicationRoute
from replication_project.stores import Stores, read_stores

__all__ = ["Replication"]


class Replication(pulumi.ComponentResource):
    """Capture, a route per target, the dashboard (`pipeline:replication:Replication`).

    Guarantees: nothing is declared that reads from or writes to storage before all of it was read and checked.

    Leaves out: what is already there when it is first deployed, except the stream's last 24 hours: that is a
    backfill's, by the same queues.
    """

    TOKEN: ClassVar[str] = "pipeline:replication:Replication"  # noqa: S105 - a resource type's token

    items: ItemChanges | None
    """The notifier; None where the rules' events are of items as well."""

    routes: Mapping[str, ReplicationRoute]

    def __init__(
        self,
        name: str,
        config: ReplicationConfig,
        *,
        source: Environment,
        policies: Policies,
        code: pulumi.AssetArchive,
        part: Part = WHOLE,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self._source = source
        self._part = part
        self._capture = config.capture
        invoked = pulumi.InvokeOptions(parent=self)
        self._region = aws.get_region_output(opts=invoked).region
        self._account_id = aws.get_caller_identity_output(opts=invoked).account_id
        stores = read_stores(config, source, policies=policies, region=self._region, account_id=self._account_id)
        holds = {} if part.ends_holds else standing_holds(part.exported, deployed_version())
        self.routes = {
            target.environment: ReplicationRoute(
                f"route-{target.environment}",
                config,
                target=target,
                policy=policies.get(target.masking),
                shadow=policies.get(target.shadow or ""),
                stores=stores,
                code=code,
                hold=holds.get(target.environment),
                shift=part.shift,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for target in config.targets
        }
        self.items = None
        if not part.is_whole:
            self.register_outputs(self.exports())
            return
        self._trail_name = self._trail(config, stores)
        if config.capture == "native":
            self.items = ItemChanges(
                "items",
                config,
                stores=stores,
                routes=list(self.routes.values()),
                code=code,
                opts=pulumi.ResourceOptions(parent=self),
            )
        workers = {target: route.worker for target, route in self.routes.items()}
        self.dashboard = dashboard(
            f"{ReplicationOutputs.PROJECT}-{source}",  # of which an account has one per region
            partial(replication_graphs, config, source),
            shown={
                "queues": pulumi.Output.all(**{target: one.queue.name for target, one in workers.items()}),
                "functions": pulumi.Output.all(
                    **{target: one.function.function.name for target, one in workers.items()}
                ),
                "notifier": self.items.function.function.name if self.items else None,
            },
            region=self._region,
            alarms=[one for part in (*self.routes.values(), self.items) if part for one in part.alarms],
            store=stores.apply(lambda known: known.source),
            parent=self,
        )
        self.register_outputs(self.exports())

    def exports(self) -> dict[str, Any]:
        """Return what the stack exports: the contract, of a part with what others' routes exported before."""
        routes = {target: self._route_outputs(target) for target in self.routes}
        if not self._part.is_whole:
            return ReplicationOutputs.exports_with(routes, self._part.exported)
        return {**self._outputs(routes).exports(), "release": str(deployed_version())}

    def _route_outputs(self, target: str) -> RouteOutputs:
        """Return a route's outputs; those of a held one with the specification that its live version has."""
        outputs, live = self.routes[target].outputs(), self._part.exported.get(f"{target}_spec")
        return replace(outputs, spec=live) if outputs.held and live else outputs

    def _outputs(self, routes: Mapping[str, RouteOutputs]) -> ReplicationOutputs:
        """Return the contract, whose scalars are outputs until it is exported."""
        items = self.items
        return ReplicationOutputs(
            environment=self._source.name,
            suffix=self._source.suffix,
            region=eventually(self._region),
            account_id=eventually(self._account_id),
            capture=self._capture,
            trail_name=eventually(self._trail_name),
            notifier_function_name=eventually(items.function.function.name) if items else "",
            notifier_function_arn=eventually(items.function.function.arn) if items else "",
            notifier_event_source_mapping_id=eventually(items.mappings.apply(_first)) if items else "",
            notifier_mappings=eventually(items.mappings) if items else {},
            notifier_log_group_name=eventually(items.function.log_group.name) if items else "",
            dashboard_name=eventually(self.dashboard.dashboard_name),
            routes=routes,
        )

    def _trail(self, config: ReplicationConfig, stores: pulumi.Output[Stores]) -> pulumi.Output[str]:
        """Return the name of the trail that records changes, empty where none does; make one unless it is named."""
        if config.capture != "cloudtrail" or config.trail is not None:
            return pulumi.Output.from_input(config.trail or "")
        # A former release had it in a component of the rule's; of that name CloudTrail would not make a second one.
        former_parent = pulumi.create_urn("calls", "pipeline:replication:RecordedChanges", self)
        own = ChangeTrail(
            "calls-trail",
            log_retention_days=config.log_retention_days,
            stores=stores,
            opts=pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(parent=former_parent)]),
        )
        return own.trail.name


def _first(mappings: Mapping[str, str]) -> str:
    """Return the mapping that a release names which knows one alone: that of `items`, where there is one."""
    return mappings.get(ITEMS.name) or next(iter(mappings.values()), "")
