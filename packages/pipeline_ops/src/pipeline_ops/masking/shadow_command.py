"""`mask shadow` as it is typed."""

import random
from pathlib import Path
from typing import Any

from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.policies import read_policy
from pipeline_ops.masking.preview import Previewer
from pipeline_ops.masking.shadow import CountedShadow, counted_shadow, shadow_of, switched_on
from pipeline_ops.routes.deployed_replication import DeployedReplication, deployed_replication
from pipeline_ops.routes.route import Route, explained, open_sides
from pipeline_ops.terminal import TextTable, document, show, tell, waiting
from pipeline_ops.where import Where
from replication_core.masking.policy import PolicyError
from replication_core.masking.shadow import ShadowCounts

__all__ = ["shadow"]


def shadow(target: str, policy: Path | None, keys: float, where: Where, as_json: bool) -> None:
    """Say what a next policy would change: what the route has counted, or by a file's what becomes of a sample."""
    deployed = deployed_replication(where)
    route = deployed.replication.route(target)
    told: dict[str, Any] = {"target": target}
    if policy is None:
        found = _counted(deployed, route)
        counts, title = found.counts, _title(found)
        told |= found.span
    else:
        counts, title = _sampled(deployed, route, policy, int(keys)), "a sample"
        told["policy"] = str(policy)
    if as_json:
        document({**told, **counts.document()})
    else:
        _show(counts, f"Replicas in {target}, {title}")


def _counted(deployed: DeployedReplication, route: Route) -> CountedShadow:
    try:
        policy = route.spec.shadow_policy
    except PolicyError as error:
        raise OperatorError(f"The next policy of the route to {route.target} can't be read: {error}.") from error
    if policy is None:
        raise OperatorError(
            f"The route to {route.target} tries no next policy: deploy one as its `shadow` (replication:targets), or "
            "name a file of one, --policy FILE, to try it on a sample.",
            MISUSED,
        )
    group = route.outputs.log_group_name
    logs = deployed.replication.client("logs", region=deployed.replication.region)
    since = switched_on(deployed.history.records(), route.target, policy.digest)
    with waiting(f"Reading what {route.target} has counted"), explained(f"The log {group} can't be read"):
        return counted_shadow(logs, group, policy.digest, since)


def _sampled(deployed: DeployedReplication, route: Route, policy: Path, keys: int) -> ShadowCounts:
    then = read_policy(route, policy)
    sides = open_sides(deployed.replication, route)
    previewer = Previewer.of(deployed.replication, sides, read_policy(route, None))
    with waiting(f"Looking at production for {route.target}") as say:
        return shadow_of(previewer, then, keys, random.Random(), say)  # noqa: S311 - a sample, no secret


def _title(found: CountedShadow) -> str:
    if found.first is None or found.last is None:
        return "none changed since the next policy is tried"
    return f"as they changed from {found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC"


def _show(counts: ShadowCounts, title: str) -> None:
    table = TextTable("dataset", "place", "now", "then", "records", title=title, numbers=("records",))
    for each, count in sorted(counts.changes.items(), key=lambda told: (bool(told[0].place), -told[1])):
        table.add(each.dataset, each.place or "the record", each.now, each.then, f"{count:,}")
    show(table)
    changed = counts.changed
    for name, records in counts.records.items():
        found = counts.document()["found"][name]
        told = ", ".join(f"{count:,} {impact}" for impact, count in found.items())
        tell(f"{name}: {changed[name]:,} of {records:,} replicas would be others ({told}).")
