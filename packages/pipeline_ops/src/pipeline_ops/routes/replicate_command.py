"""`replicate` as it is typed: one record reconciled at once."""

import sys

from pipeline_ops.errors import FAILED
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.reconciliation import key_of, reconcile_now
from pipeline_ops.terminal import document, tell, waiting
from pipeline_ops.where import Where

__all__ = ["replicate"]


def replicate(target: str, words: tuple[str, ...], where: Where, as_json: bool) -> None:
    """Reconcile one record now, and say what was done and why; exit with 1 where that failed."""
    replication = deployed_replication(where).replication
    route = replication.route(target)
    named = key_of(route.spec, words)
    with waiting(f"Waiting for the route's function to reconcile {named}"):
        answer = reconcile_now(replication, route, named)
    if as_json:
        document(vars(answer))
    else:
        tell(answer.sentence())
    if answer.failed:
        sys.exit(FAILED)
