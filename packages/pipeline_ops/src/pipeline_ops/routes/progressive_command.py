"""`deploy --progressive` as it is typed: the routes in their order, and a report of what was seen of each."""

import sys

from pipeline_common.infra.part import Part
from pipeline_ops.ages import duration
from pipeline_ops.configured_targets import configured_targets
from pipeline_ops.deployment import Deployment
from pipeline_ops.errors import FAILED
from pipeline_ops.projects import StackId
from pipeline_ops.report import summaries
from pipeline_ops.routes.judgement import Judgement
from pipeline_ops.routes.progressive import ProgressiveDeploy, Rollout
from pipeline_ops.terminal import TextTable, document, show, tell
from pipeline_ops.where import Where

__all__ = ["deploy_progressively", "report"]

_HEADINGS = ("route", "release", "version", "watched", "exercised", "errors", "throttles", "lag", "judged")


def deploy_progressively(deployment: Deployment, stack: StackId, part: Part, weight: int | None) -> Rollout:
    """Deploy the part's routes, or all of them and then the whole stack, in the configured order."""
    progressive = ProgressiveDeploy(
        deployment=deployment, stack=stack, weight=weight, ends_holds=part.ends_holds, say=deployment.on_progress
    )
    configured = configured_targets(deployment.projects.settings(stack))
    routes = part.routes or tuple(target.environment for target in configured)
    return progressive.run(routes, whole=part.is_whole)


def report(rollout: Rollout, where: Where, *, as_json: bool) -> None:
    """Say what was deployed and what was seen; exit with 1 where something spoke against the release."""
    if as_json:
        document(rollout.exported())
    else:
        tell(*summaries(rollout.results))
        if rollout.judgements:
            show(_table(rollout))
        tell(*(f"{each.target}: {fault}" for each in rollout.judgements for fault in each.faults))
    if not rollout.well:
        tell(*_afterwards(rollout, where), err=as_json)
        sys.exit(FAILED)


def _table(rollout: Rollout) -> TextTable:
    table = TextTable(*_HEADINGS, numbers=_HEADINGS[3:8], framed=False)
    for judgement in rollout.judgements:
        table.add(*_cells(judgement))
    return table


def _cells(judgement: Judgement) -> list[str]:
    seen, exercised = judgement.seen, judgement.exercised
    return [
        judgement.target,
        judgement.release,
        judgement.version,
        duration((judgement.ended - judgement.begun).total_seconds()),
        f"{len(exercised.keys):,} in {exercised.slowest_seconds:.1f} s" if exercised.keys else "nothing",
        f"{seen.errors:,.0f}",
        f"{seen.throttles:,.0f}",
        "unknown" if seen.lag_seconds is None else duration(seen.lag_seconds),
        "well" if judgement.well else "not well",
    ]


def _afterwards(rollout: Rollout, where: Where) -> list[str]:
    target = rollout.judgements[-1].target
    if rollout.back is None:
        return [
            f"The route to {target} has no former version to go back to by itself: `{where.command('pause', target)}`."
        ]
    return [
        f"The route to {target} is back at {rollout.back}, and held there; the routes after it were not touched.",
        f"`{where.command('verify', target, '--repair')}` mends what it may have replicated wrongly meanwhile.",
    ]
