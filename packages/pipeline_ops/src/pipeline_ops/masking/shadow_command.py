"""`mask shadow` as it is typed."""

import random
from pathlib import Path

from pipeline_ops.masking.policies import read_policy
from pipeline_ops.masking.preview import Previewer
from pipeline_ops.masking.shadow import ShadowCounts, shadow_of
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.route import open_sides
from pipeline_ops.terminal import TextTable, document, show, tell, waiting
from pipeline_ops.where import Where

__all__ = ["shadow"]


def shadow(target: str, policy: Path, keys: float, where: Where, as_json: bool) -> None:
    """Say what a policy that is not deployed would change of a sample of a target's replicas."""
    replication = deployed_replication(where).replication
    route = replication.route(target)
    then = read_policy(route, policy)
    previewer = Previewer.of(replication, open_sides(replication, route), read_policy(route, None))
    with waiting(f"Looking at production for {target}") as say:
        counts = shadow_of(previewer, then, int(keys), random.Random(), say)  # noqa: S311 - a sample, no secret
    if as_json:
        document({"target": target, "policy": str(policy), **counts.document()})
    else:
        _show(counts, target)


def _show(counts: ShadowCounts, target: str) -> None:
    table = TextTable("dataset", "place", "now", "then", "records", title=f"Replicas in {target}", numbers=("records",))
    for told in (counts.verdicts, counts.values):
        for each, count in told.most_common():
            table.add(each.dataset, each.place or "the record", each.now, each.then, f"{count:,}")
    show(table)
    for name, records in counts.records.items():
        tell(f"{name}: {counts.changed[name]:,} of {records:,} replicas would be others.")
