"""A stack's life as it is typed: deploy, preview, refresh, destroy, and unlock."""

from collections.abc import Callable

from pipeline_common.contracts import ReplicationOutputs
from pipeline_ops.account import check_account
from pipeline_ops.checkout import open_projects
from pipeline_ops.confirmation import confirm, must_be_confirmed, require_terminal
from pipeline_ops.deployment import Result
from pipeline_ops.destination import open_deployment
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.policy_check import require_usable_policies
from pipeline_ops.parts import chosen_part
from pipeline_ops.releases.release_deployment import deploy_release
from pipeline_ops.report import results_document, summaries
from pipeline_ops.routes.progressive_command import deploy_progressively, report
from pipeline_ops.terminal import ask, at_terminal, document, tell
from pipeline_ops.where import Where

__all__ = ["deploy", "operate", "unlock"]

_BEGINNING = {"deploy", "preview"}
"""The commands that make sense in an empty cloud."""


def unlock(project: str, environment: str, where: Where, as_json: bool, yes: bool) -> None:
    """Remove the lock of a run that no longer runs."""
    projects = open_projects(where)
    stack = projects.stack(project, environment)
    if not yes:
        require_terminal(str(stack), interactive=at_terminal())
        confirm(str(stack), f"No other run on {stack} may be going on.", ask=ask)
    with open_deployment(projects) as deployment:
        deployment.unlock(stack.project, stack.environment)
    if as_json:
        document(results_document([]))
    else:
        tell(f"{stack}: unlocked")


def deploy(
    project: str,
    environment: str,
    where: Where,
    as_json: bool,
    *,
    yes: bool = False,
    routes: str | None = None,
    ends_holds: bool = False,
    progressive: bool = False,
    weight: int | None = None,
    release: str | None = None,
    config: str | None = None,
    unmasked: str | None = None,
) -> None:
    """Deploy the stacks, or a part of one, as this checkout has them, or as a `release` has it."""
    if release is not None:
        rollout = ["--routes", routes] if routes is not None else []
        rollout += ["--progressive"] if progressive else []
        rollout += ["--weight", str(weight)] if weight is not None else []
        deploy_release(
            *(release, project, environment, where, as_json),
            yes=yes,
            rollout=rollout,
            config_here=config is not None,
            unmasked=unmasked,
        )
        return
    if unmasked is not None:
        raise OperatorError(
            "--unmasked goes with --release: of this checkout, replication:targets says what is not masked, and why.",
            MISUSED,
        )
    if config is not None:
        raise OperatorError("--config goes with --release: a deploy is of this checkout's settings anyhow.", MISUSED)
    operate(
        *(project, environment, where, as_json),
        name="deploy",
        yes=yes,
        routes=routes,
        ends_holds=ends_holds,
        progressive=progressive,
        weight=weight,
    )


def operate(
    project: str,
    environment: str,
    where: Where,
    as_json: bool,
    *,
    name: str,
    yes: bool = False,
    routes: str | None = None,
    ends_holds: bool = False,
    progressive: bool = False,
    weight: int | None = None,
) -> None:
    """Deploy, preview, refresh or destroy the stacks, or a part of one, by its `name`, and say what came of it."""
    if where.provider and not where.is_local:
        raise OperatorError("--provider goes with --local or --endpoint: on AWS it is the official one.", MISUSED)
    projects = open_projects(where)
    stacks = projects.select(project, environment)
    part = chosen_part(projects, project, environment, routes, ends_holds=ends_holds)
    is_progressive = progressive or weight is not None
    if is_progressive and project != ReplicationOutputs.PROJECT:
        option = "--progressive" if progressive else "--weight"
        raise OperatorError(f"{option} is of {ReplicationOutputs.PROJECT} alone: name that, not {project}.", MISUSED)
    tell(*projects.left_out(project, environment), err=True)
    if name in _BEGINNING and any(stack.project == ReplicationOutputs.PROJECT for stack in stacks):
        require_usable_policies(projects, part)
    if name == "destroy":
        stacks = stacks[::-1]
    asks = not yes and must_be_confirmed(name, stacks[0], projects)
    if asks:
        require_terminal(f"{project}/{environment}", interactive=at_terminal())
    accounts = [] if where.is_local else [check_account(stack, projects.settings(stack)) for stack in stacks]
    if asks:
        account = " and ".join(sorted(set(accounts)))
        what = f"{stacks[0]}'s routes to {' and '.join(part.routes)}" if part.routes else " and ".join(map(str, stacks))
        question = f"This is to {name} {what} in AWS account {account}."
        confirm(f"{project}/{environment}", question, ask=ask)
    if is_progressive:
        with open_deployment(projects, may_begin=True, changes=True) as deployment:
            rollout = deploy_progressively(deployment, stacks[0], part, weight)
        report(rollout, projects.where, as_json=as_json)
        return
    with open_deployment(projects, may_begin=name in _BEGINNING, changes=name != "preview") as deployment:
        run: Callable[..., Result] = getattr(deployment, "up" if name == "deploy" else name)
        of_part = (part,) if name in _BEGINNING else ()
        for stack in stacks if name == "deploy" else ():
            deployment.require_needed(stack, part, besides=stacks)  # of each, before the first of them is changed
        results = [run(stack.project, stack.environment, *of_part) for stack in stacks]
    if as_json:
        document(results_document(results))
    else:
        tell(*summaries(results))
