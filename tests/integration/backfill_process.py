"""A backfill in a process of its own, to be killed: `python -m tests.integration.backfill_process <what, as JSON>`."""

import json
import sys
from pathlib import Path

import local_cloud
from local_cloud import Credentials
from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_ops.routes.backfill import Backfill
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.enqueuer import Enqueuer
from pipeline_ops.routes.route import SourceRoutes, open_sides
from pipeline_ops.routes.selection import select


def main(told: str) -> None:
    """Backfill dev at the rate that is told, keeping the checkpoint in the folder that is told."""
    what = json.loads(told)
    with local_cloud.start(what["endpoint"], credentials=Credentials(*what["key"])) as cloud:
        storages = {"prod": StorageOutputs.parse(what["storage"])}
        replication = SourceRoutes.of(
            storages["prod"],
            ReplicationOutputs.parse(what["replication"]),
            cloud.client,
            storages.__getitem__,
        )
        route = replication.route("dev")
        backlog = Backlog(replication=replication, route=route, quiet_seconds=1)
        selection = select(route.spec, prefix=what["prefix"], items=True)
        work = Backfill.open(open_sides(replication, route), selection, None, Path(what["folder"]))
        for _ in work.enqueue(Enqueuer(backlog=backlog, reason=work.reason, rate=what["rate"])):
            pass


if __name__ == "__main__":
    main(sys.argv[1])
