"""`mask discover` as it is typed."""

import random
from pathlib import Path
from typing import Any

from pipeline_ops.counts import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.discovery import Discovered
from pipeline_ops.masking.discovery import discover as look
from pipeline_ops.masking.draft import Proposal, draft, proposals
from pipeline_ops.private_files import open_private
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.drift_report import writing
from pipeline_ops.routes.route import explained, open_sides
from pipeline_ops.terminal import TextTable, document, show, tell, waiting
from pipeline_ops.where import Where
from replication_core.route_spec import RoutedDataset

__all__ = ["discover"]


def discover(dataset: str, keys: float, write: Path | None, where: Where, as_json: bool) -> None:
    """Say what a sample of a dataset of production has, and write a draft of a policy for it."""
    replication = deployed_replication(where).replication
    stored = replication.source.datasets.get(dataset)
    if stored is None:
        there = ", ".join(replication.source.datasets)
        raise OperatorError(f"{replication.source.environment} has no dataset {dataset}: it has {there}.", MISUSED)
    sides = open_sides(replication, next(iter(replication.routes.values())))
    routed = RoutedDataset(dataset=stored.dataset, source=stored.name, target=stored.name)
    with waiting(f"Looking at {dataset}") as say, explained(f"{dataset} can't be looked at"):
        found = look(sides, routed, int(keys), random.Random(), say)  # noqa: S311 - a sample, no secret
    if write is not None:
        with writing(write), open_private(write) as file:
            file.write(draft(found))
    if as_json:
        document(_document(found))
        return
    _show(found)
    tell(f"The draft is in {write}." if write else "--write FILE writes a draft of a policy that refuses all else.")


def _show(found: Discovered) -> None:
    name = found.routed.dataset.name
    table = TextTable("path", "types", "in", "different", "found in it", "proposed", title=_title(found))
    for place, each in _told(found):
        hits = each.seen.told_hits()
        cells = [each.types, f"{each.rate:.0%}", f"{each.seen.different.estimate:,}", hits, each.rule]
        table.add(f"{place}{each.path}", *cells)
    show(table)
    if found.odd_names:
        tell(f"{counted(found.odd_names, 'attribute')} of {name} have names that look like data, and are not told.")


def _title(found: Discovered) -> str:
    return f"{found.routed.dataset.name}: {counted(found.records, found.routed.dataset.kind.record)} looked at"


def _told(found: Discovered) -> list[tuple[str, Proposal]]:
    key = found.routed.dataset.attribute_names if not found.routed.dataset.is_bucket else ()
    told = [("", each) for each in proposals(found.items, found.records, key)]
    for shape, files in found.files.items():
        told += [(f"{shape.match} ", each) for each in proposals(files.seen, files.records)]
    return told


def _document(found: Discovered) -> dict[str, Any]:
    paths = [
        {
            "match": place.rstrip(),
            "path": each.path,
            "types": dict(each.seen.types),
            "rate": round(each.rate, 4),
            "different": each.seen.different.estimate,
            "hits": dict(each.seen.hits),
            "proposed": each.rule,
        }
        for place, each in _told(found)
    ]
    files = [
        {"match": shape.match, "objects": each.objects, "records": each.records, "formats": dict(each.formats)}
        for shape, each in found.files.items()
    ]
    name = found.routed.dataset.name
    return {"dataset": name, "records": found.records, "odd_names": found.odd_names, "paths": paths, "files": files}
