"""`status` as it is typed: one look, or one after another, at each route."""

import sys
import time

from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.status import read_status
from pipeline_ops.routes.tables import status_view
from pipeline_ops.terminal import document, show, watched
from pipeline_ops.where import Where

__all__ = ["status"]

_WATCH_SECONDS = 5.0


def status(target: str | None, where: Where, as_json: bool, watch: bool) -> None:
    """Say what each route does just now; exit with 1 when somebody has to look at one."""
    if watch and as_json:
        raise OperatorError("--watch is for a person and --json for a program: choose one.", MISUSED)
    deployed = deployed_replication(where)
    found = read_status(deployed.replication, target, deployed.dead_letters)
    if watch:
        with watched(status_view(found)) as renew:
            try:
                while True:
                    time.sleep(_WATCH_SECONDS)
                    found = read_status(deployed.replication, target, deployed.dead_letters)
                    renew(status_view(found))
            except KeyboardInterrupt:
                pass
    if as_json:
        document(found.exported())
    elif not watch:
        show(status_view(found))
    if not found.healthy:
        sys.exit(FAILED)
