"""`rollback` as it is typed."""

from pipeline_common.contracts import ReplicationOutputs
from pipeline_common.holds import Hold
from pipeline_ops.account import caller
from pipeline_ops.checkout import open_projects
from pipeline_ops.confirmation import confirm, must_be_confirmed, require_terminal
from pipeline_ops.destination import open_deployment
from pipeline_ops.history import version_before
from pipeline_ops.live_aliases import route_function
from pipeline_ops.masking.way_back import masking_spec
from pipeline_ops.routes.deployed_replication import deployed_replication
from pipeline_ops.routes.rollback import read_versions, roll_back
from pipeline_ops.terminal import ask, at_terminal, document, tell
from pipeline_ops.where import Where

__all__ = ["rollback"]


def rollback(
    target: str, version: str | None, where: Where, as_json: bool, yes: bool, unmasked: str | None = None
) -> None:
    """Put a route back to a former version of its function, where it stays; `unmasked` says why without a policy."""
    projects = open_projects(where)
    stack = projects.only_stack(ReplicationOutputs.PROJECT)
    asks = not yes and must_be_confirmed("rollback", stack, projects)
    if asks:
        require_terminal(target, interactive=at_terminal())
    deployed = deployed_replication(where)
    replication = deployed.replication
    versions = read_versions(replication, replication.route(target))
    function = route_function(target)
    before = version_before(deployed.history.of_function(function), function, str(versions.live.number))
    to = versions.chosen(version, before)
    was = versions.newest
    route = replication.route(target)
    spec = masking_spec(replication, route, str(to.number), deployed.history, unmasked)
    if asks:
        confirm(target, f"This is to put the route to {target} back from {was} to {to}.", ask=ask)

    def hold_in_state(hold: Hold) -> None:
        with open_deployment(projects, changes=True) as deployment:
            deployment.hold(stack.project, stack.environment, target, hold)

    by = caller(replication.client, replication.region)
    hold = roll_back(
        replication,
        versions,
        to,
        by=by,
        hold_in_state=hold_in_state,
        history=deployed.history,
        spec=spec,
        why=unmasked or "",
    )
    if as_json:
        document({"target": target, "from": str(was.number), "held": hold.document()})
        return
    verify, deploy = replication.where.command("verify", target), f"{replication.deploy_command} --end-holds"
    tell(
        f"The route to {target} is at {to}, where it was at {was}. It stays there until a release newer than "
        f"{hold.from_release} is deployed, or `{deploy}`.",
        *([f"`{verify}` finds what {was} may have done wrong."] if was != to else []),
    )
