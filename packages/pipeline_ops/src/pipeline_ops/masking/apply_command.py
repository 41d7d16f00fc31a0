"""`mask apply` as it is typed."""

import sys
from collections.abc import Mapping

from pipeline_common.contracts import ReplicationOutputs
from pipeline_common.infra.part import Part
from pipeline_ops.account import caller, check_account
from pipeline_ops.checkout import open_projects
from pipeline_ops.confirmation import confirm, must_be_confirmed, require_terminal
from pipeline_ops.counts import counted
from pipeline_ops.deployed_system import deployed_system
from pipeline_ops.destination import open_deployment
from pipeline_ops.errors import FAILED
from pipeline_ops.masking.activation import Activation, Activations
from pipeline_ops.masking.apply import Application
from pipeline_ops.masking.policies import configured_policy
from pipeline_ops.masking.policy_check import require_usable_policies
from pipeline_ops.masking.recovery_points import RecoveryPoint
from pipeline_ops.parts import chosen_part
from pipeline_ops.routes.deployed_replication import replication_in
from pipeline_ops.terminal import TextTable, ask, at_terminal, document, show, tell, waiting
from pipeline_ops.where import Where

__all__ = ["apply"]


def apply(target: str, where: Where, as_json: bool, yes: bool, deep: bool) -> None:
    """Apply the configured policy to a target, and say what was done and what holds its former data still.

    Exits with 1 where that leaves no replica of another policy, but some that are not what their sources ask for.
    """
    projects = open_projects(where)
    stack = projects.only_stack(ReplicationOutputs.PROJECT)
    part = chosen_part(projects, stack.project, stack.environment, target)
    wanted = configured_policy(projects, stack, target).digest
    require_usable_policies(projects, part)
    asks = not yes and must_be_confirmed("deploy", stack, projects)
    if asks:
        require_terminal(target, interactive=at_terminal())
    if not where.is_local:
        check_account(stack, projects.settings(stack))
    system = deployed_system(projects)
    deployed = replication_in(system)
    deployed.replication.route(target)

    def deploy() -> None:
        with open_deployment(projects, changes=True) as deployment:
            deployment.up(stack.project, stack.environment, Part(routes=part.routes))

    with waiting(f"Applying the policy to {target}") as say:
        application = Application(
            target=target,
            deployed=lambda: replication_in(deployed_system(projects)),
            deploy=deploy,
            wanted=wanted,
            activations=Activations(deployed.history.backend, stack),
            by=caller(deployed.replication.client, deployed.replication.region),
            say=say,
            deep=deep,
        )
        left = application.left()
    if asks:
        confirm(target, _question(target, left), ask=ask)
    with waiting(f"Applying the policy to {target}") as say:
        application.say = say
        done = application.run()
    if as_json:
        document(done.document())
    else:
        show(_table(done))
        tell(*_sentences(done, target, deployed.replication.where))
    if done.drift:
        sys.exit(FAILED)


def _question(target: str, left: Activation | None) -> str:
    if left:
        last = list(left.done)[-1] if left.done else "nothing"
        return f"The activation of {left.begun[:16]} in {target} goes on after {last}."
    return (
        f"This is to pause and deploy the route to {target}, to replicate every record anew, and to delete for good "
        "all versions, delete markers, uploads and items of its replicas there that the policy has not made."
    )


def _table(done: Activation) -> TextTable:
    table = TextTable("dataset", "deleted", "left", title=f"{done.target}: the policy {done.policy} is applied")
    for name, told in done.cleared.items():
        table.add(name, _counts(told["deleted"]), _counts(told["left"]))
    return table


def _counts(told: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in told.items() if count) or "none"


def _sentences(done: Activation, target: str, where: Where) -> list[str]:
    found = ", ".join(f"{count:,} {verdict}" for verdict, count in done.found.items()) or "nothing"
    lines = [f"No replica in {target} is of another policy, or of none. Found besides: {found}."]
    if done.drift:
        repair = where.command("verify", target, "--repair")
        lines.append(f"{counted(done.drift, 'key')} of these have not the replica that they should: `{repair}`.")
    if done.kept:
        lines.append(f"{counted(len(done.kept), 'place')} may hold former data still:")
        lines += [f"  {RecoveryPoint.parse(each)}" for each in done.kept]
    return [*lines, f"`{where.command('status', target)}` says that it is masked."]
