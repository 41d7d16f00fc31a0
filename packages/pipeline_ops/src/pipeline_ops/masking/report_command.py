"""`mask report` as it is typed."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path

from pipeline_ops.backend_files import UnreadHereError
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.activation import Activation, Activations
from pipeline_ops.masking.policies import read_policy
from pipeline_ops.masking.preview import Previewer
from pipeline_ops.masking.report import MaskingReport, last_verification, refusals, write_report_page
from pipeline_ops.masking.rule_counts import all_keys, count_rules, sampled_keys
from pipeline_ops.masking.safety import safety_of
from pipeline_ops.private_files import open_private
from pipeline_ops.routes.deployed_replication import DeployedReplication, deployed_replication
from pipeline_ops.routes.drift_report import writing
from pipeline_ops.routes.route import open_sides
from pipeline_ops.terminal import document, tell, waiting
from pipeline_ops.where import Where

__all__ = ["report"]

_PAGE = ".html"


def report(target: str, keys: float, everything: bool, file: Path | None, where: Where, as_json: bool) -> None:
    """Write what is told of a route's masking, as JSON and as a page beside it."""
    if file is not None and file.suffix == _PAGE:
        raise OperatorError(f"--report {file} is where the page goes: name the report otherwise.", MISUSED)
    deployed = deployed_replication(where)
    replication = deployed.replication
    route = replication.route(target)
    policy = read_policy(route, None)
    previewer = Previewer.of(replication, open_sides(replication, route), policy)
    with waiting(f"Looking at production for {target}") as say:
        chosen = all_keys(previewer) if everything else sampled_keys(previewer, int(keys), random.Random())  # noqa: S311
        counts = count_rules(previewer, chosen, say)
    now = datetime.now(UTC)
    told = MaskingReport(
        route=route,
        policy=policy,
        safety=safety_of(route, deployed.history, replication.where),
        counts=counts,
        counts_everything=everything,
        refusals=refusals(deployed.dead_letters, target),
        activation=_activation(deployed, target),
        verified=last_verification(deployed.folder("verify"), target),
        at=now,
    )
    path = file or deployed.folder("masking") / f"{target}-{now:%Y%m%dT%H%M%SZ}.json"
    page = path.with_suffix(_PAGE)
    with writing(path), open_private(path) as written:
        written.write(json.dumps(told.document(), indent=1))
    with writing(page):
        write_report_page(told, page)
    if as_json:
        document(told.document())
    else:
        tell(f"{target} is {told.safety}.", f"The report: {path}, and as a page {page}")


def _activation(deployed: DeployedReplication, target: str) -> Activation | None:
    try:
        return Activations(deployed.history.backend, deployed.history.stack).find(target)
    except UnreadHereError:
        return None
