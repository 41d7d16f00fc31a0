"""`verify --quick` as a program: what the operator's command does once it knows the route, and nothing besides.

Its client, one for both sides of a region, is made as the command's is. Nothing of the benchmarks is loaded.
"""

import gc

from pipeline_ops import COLLECT_EVERY

gc.set_threshold(COLLECT_EVERY)

# ruff: noqa: E402 - a command, too, loads what it needs after that
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline_ops.clients import aws_client
from pipeline_ops.routes.route import CONFIG
from pipeline_ops.routes.selection import select
from pipeline_ops.routes.verification import verify
from replication_core.comparing.sides import Sides
from replication_core.objects.lean_reads import read_lean
from replication_core.route_spec import RouteSpec


def main(route: str, keys: int) -> None:
    """Compare a route's two buckets, of so many keys and equal; raises RuntimeError where that is not what is found."""
    spec = RouteSpec.parse(json.loads(route))
    not_asked: Any = None
    s3 = aws_client("s3", region=spec.source_region, config=CONFIG)
    sides = Sides(
        route=spec,
        source_s3=read_lean(s3),
        target_s3=read_lean(s3),
        source_dynamodb=not_asked,
        target_dynamodb=not_asked,
    )
    objects = select(spec, prefix="", items=False)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        found = verify(sides, not_asked, objects, report, quick=True, within=0.0, say=lambda _: None)
    if (found.objects, found.tally.counts.total()) != (keys, 0):
        raise RuntimeError(f"{found.objects} objects were compared, and {found.tally.counts} found")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
