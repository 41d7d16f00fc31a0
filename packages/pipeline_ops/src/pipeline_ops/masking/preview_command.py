"""`mask preview` as it is typed."""

import sys
from dataclasses import asdict
from pathlib import Path

from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.masking.policies import read_policy
from pipeline_ops.masking.preview import Preview, Previewer
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.reconciliation import key_of
from pipeline_ops.routes.route import open_sides
from pipeline_ops.terminal import TextTable, document, show, tell
from pipeline_ops.where import Where

__all__ = ["preview"]


def preview(target: str, words: tuple[str, ...], policy: Path | None, where: Where, as_json: bool) -> None:
    """Show what a record's replica would be, by the deployed policy or by a file's; exit with 1 where it is refused."""
    replication = deployed_replication(where).replication
    route = replication.route(target)
    key = key_of(route.spec, words)
    routed = route.spec.dataset(key.dataset.name)
    if routed is None or not routed.wants(key):
        raise OperatorError(f"The route to {target} leaves it out (replication:targets).", MISUSED)
    previewer = Previewer.of(replication, open_sides(replication, route), read_policy(route, policy))
    found = previewer.preview(routed, key)
    if as_json:
        document({"target": target, "own_key": previewer.is_own_key, **asdict(found)})
    else:
        _show(found, target)
        if not previewer.is_own_key:
            tell(f"The route to {target} has no key yet: these pseudonyms are of one that is thrown away.")
    if found.refused:
        sys.exit(FAILED)


def _show(found: Preview, target: str) -> None:
    if found.values:
        table = TextTable("place", "rule", "line", "becomes", title=f"{found.dataset} in {target}", numbers=("line",))
        for each in found.values:
            table.add(each.place, each.rule or "none", f"{each.line or ''}", str(each))
        show(table)
    tell(*([f"Key: {found.key}"] if found.key else []), f"{found.verdict[:1].upper()}{found.verdict[1:]}.")
