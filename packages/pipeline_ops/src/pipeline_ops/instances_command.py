"""`instances` as it is typed: the instances of environments that are deployed, and the end of the old ones."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from pipeline_ops.account import check_account
from pipeline_ops.ages import age_of, written
from pipeline_ops.checkout import open_projects
from pipeline_ops.confirmation import confirm, require_terminal
from pipeline_ops.deployment import Deployment
from pipeline_ops.destination import open_deployment
from pipeline_ops.errors import FAILED, OperatorError
from pipeline_ops.projects import DEPENDENCIES, StackId
from pipeline_ops.report import summary
from pipeline_ops.terminal import ask, at_terminal, document, tell
from pipeline_ops.where import Where

__all__ = ["Instance", "deployed_instances", "destruction_order", "instances"]


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance that is deployed."""

    environment: str
    """As its stacks are named."""

    made_at: datetime | None
    """When its first stack was first deployed; None where no state tells."""

    stacks: tuple[StackId, ...]

    def age(self, now: datetime) -> timedelta | None:
        """Return how old it is; None where no state tells."""
        return now - self.made_at if self.made_at else None

    def line(self, now: datetime) -> str:
        """Return it for a person."""
        age = self.age(now)
        return f"{self.environment}  {written(age) if age else '?'}  {' '.join(map(str, self.stacks))}"

    def exported(self, now: datetime) -> dict[str, object]:
        """Return it as a JSON document."""
        age = self.age(now)
        return {
            "environment": self.environment,
            "made_at": self.made_at and self.made_at.isoformat(),
            "age_seconds": age and int(age.total_seconds()),
            "stacks": list(map(str, self.stacks)),
        }


def instances(prune: str | None, yes: bool, where: Where, as_json: bool) -> None:
    """List the instances, or destroy those that are old; exit with 1 where one can't be destroyed."""
    oldest = None if prune is None else age_of(prune, "--prune")
    projects = open_projects(where)
    if oldest is not None and not yes:
        require_terminal("instances", interactive=at_terminal())
    now = datetime.now(UTC)
    with open_deployment(projects) as deployment:
        found = [one for one in deployed_instances(deployment) if where.suffix in {None, one.stacks[0].suffix}]
    chosen = [one for one in found if oldest is None or ((age := one.age(now)) is not None and age >= oldest)]
    if not as_json:
        tell(*([one.line(now) for one in chosen] or ["There is no such instance."]))
    failed: dict[str, str] = {}
    if oldest is not None and chosen:
        stacks = destruction_order(stack for one in chosen for stack in one.stacks)
        if not where.is_local:
            for stack in stacks:
                check_account(stack, projects.settings(stack))
        if not yes:
            confirm("prune", f"This is to destroy {' and '.join(one.environment for one in chosen)}.", ask=ask)
        with open_deployment(projects, changes=True) as deployment:
            failed = _destroyed(deployment, stacks)
    if as_json:
        document({"instances": [one.exported(now) for one in chosen], "failed": failed})
    if failed:
        sys.exit(FAILED)


def deployed_instances(deployment: Deployment) -> list[Instance]:
    """Return the instances that have stacks, the oldest first; one whose age is unknown comes last."""
    stacks = sorted(
        (stack for stack in deployment.deployed() if stack.suffix), key=lambda stack: (stack.environment, stack.project)
    )
    found = []
    for name, own in groupby(stacks, lambda stack: stack.environment):
        made = {stack: _made_at(deployment, stack) for stack in own}
        first = min(filter(None, made.values()), default=None)
        found.append(Instance(environment=name, made_at=first, stacks=tuple(made)))
    return sorted(found, key=lambda one: (one.made_at or datetime.max.replace(tzinfo=UTC), one.environment))


def destruction_order(stacks: Iterable[StackId]) -> list[StackId]:
    """Return the stacks, each before those that it reads from."""
    projects = list(DEPENDENCIES)
    return sorted(stacks, key=lambda stack: (-projects.index(stack.project), stack.environment))


def _made_at(deployment: Deployment, stack: StackId) -> datetime | None:
    try:
        return deployment.made_at(deployment.projects.known(stack.project, stack.environment))
    except OperatorError as error:  # of an environment that is in the repository no more, for example
        tell(f"{stack}: {error}", err=True)
        return None


def _destroyed(deployment: Deployment, stacks: Sequence[StackId]) -> dict[str, str]:
    """Destroy the stacks, and return why some of them could not be; the others are gone all the same."""
    failed: dict[str, str] = {}
    for stack in stacks:
        try:
            tell(summary(deployment.destroy(stack.project, stack.environment)), err=True)
        except OperatorError as error:
            if deployment.interrupts.count:
                raise
            failed[str(stack)] = str(error)
            tell(f"{stack}: {error}", err=True)
    return failed
