"""The part of a stack that an operator chooses to deploy."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_common.contracts import ReplicationOutputs
from pipeline_common.holds import Hold
from pipeline_common.infra.part import Part
from pipeline_ops.configured_targets import TARGETS, configured_targets
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.projects import Projects
from pipeline_ops.resource_names import resource_name
from pipeline_ops.state_document import outputs_of, resources_of

__all__ = ["chosen_part", "hold_notices", "new_route_notices", "not_in_part"]


def chosen_part(
    projects: Projects, project: str, environment: str, routes: str | None, *, ends_holds: bool = False
) -> Part:
    """Return the part that `--routes dev,staging` chooses; the whole where nothing was chosen.

    Raises OperatorError, as misuse, for a project without routes and for a target that there is not.
    """
    if routes is None:
        return Part(ends_holds=ends_holds)
    if project != ReplicationOutputs.PROJECT:
        raise OperatorError(
            f"--routes chooses routes of {ReplicationOutputs.PROJECT}, and {project} has none: leave it out.", MISUSED
        )
    settings = projects.settings(projects.stack(project, environment))
    known = [target.environment for target in configured_targets(settings)]
    named = [name.strip() for name in routes.split(",")]
    for name in named:
        if name not in known:
            raise OperatorError(
                f"--routes names {name!r}, and {environment} is not replicated to that: the targets are "
                f"{', '.join(known)} ({TARGETS}).",
                MISUSED,
            )
    return Part(routes=tuple(name for name in known if name in named), ends_holds=ends_holds)


def not_in_part(document: Mapping[str, Any], part: Part) -> list[str]:
    """Return, by the engine's names, what a state has that is not of the part: the engine is to leave it as it is.

    To name the part's own resources as the targets would not do: what depends on a target, and is not in the program,
    is then taken for removed (https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/resource/deploy/step_generator.go,
    `determineAllowedResourcesToDeleteFromTargets`), and so would be the notifier and the dashboard.
    """
    if part.is_whole:
        return []
    # A target's name has no hyphen, so that no route's name begins another's.
    own = re.compile(rf"route-({'|'.join(part.routes)})(-.*)?")
    return [each["urn"] for each in resources_of(document) if not own.fullmatch(resource_name(each["urn"]))]


def new_route_notices(document: Mapping[str, Any], part: Part, deploys: str) -> Iterator[str]:
    """Say of each route of the part that was not there before what the rest of the stack does not know yet."""
    targets = str(outputs_of(document).get("targets")).split(",")
    for target in part.routes:
        if target not in targets:
            yield (
                f"The route to {target} is new: the dashboard, and what brings changes to all routes alike, knows it "
                f"once the whole stack is deployed, `{deploys}`."
            )


def hold_notices(outputs: Mapping[str, Any], part: Part, deploys: str) -> Iterator[str]:
    """Say of each route that was deployed and is held that it goes on as it was; `outputs` are those of afterwards."""
    for target in part.routes or str(outputs.get("targets", "")).split(","):
        if hold := Hold.parse(outputs.get(f"{target}_held", {})):
            yield (
                f"The route to {target} is held, and stays at {hold}: a release newer than {hold.from_release} ends "
                f"that, or `{deploys} --end-holds`."
            )
