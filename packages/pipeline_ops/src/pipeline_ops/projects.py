"""The projects of this repository, their stacks, and what each stack needs deployed before it."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline_common.environments import NAME
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.stack_settings import StackSettings, read_settings
from pipeline_ops.where import AWS, Where

__all__ = ["ALL", "DEPENDENCIES", "Projects", "StackId", "find_repository"]

ALL = "all"
"""What a command is given instead of a project's name, to act on every project's stack of an environment."""

_FALLBACK_REGION = "us-east-1"


@dataclass(frozen=True, order=True)
class StackId:
    """A project's stack of one environment, written `storage/dev`."""

    project: str
    environment: str

    def __str__(self) -> str:
        return f"{self.project}/{self.environment}"


Environments = Callable[[str, Callable[[], StackSettings]], Iterable[str]]
"""The environments that a stack of an environment reads from; its settings are read only where they decide it."""


def _own(environment: str, _settings: Callable[[], StackSettings]) -> Iterable[str]:
    return (environment,)


def _source_and_targets(environment: str, settings: Callable[[], StackSettings]) -> Iterable[str]:
    # Whether the targets make sense is the program's to say; here they only have to be found.
    named = [target.get("environment") for target in settings().mappings("replication:targets", _TARGETS)]
    known = [name for name in named if isinstance(name, str) and re.fullmatch(NAME, name)]
    return dict.fromkeys((environment, *known))


_TARGETS = "[{environment: dev}]"

DEPENDENCIES: Mapping[str, Mapping[str, Environments]] = {
    "storage": {},
    "processing": {"storage": _own},
    "replication": {"storage": _source_and_targets},
}
"""The projects that each project's stacks read from, and of which environments.

Projects are deployed in this order: each after those that it reads from.
"""


class Projects:
    """The projects under a repository's `projects/`, each with a stack per `Pulumi.<environment>.yaml`.

    `where` is where the commands go that an error suggests.
    """

    def __init__(self, repository: Path, where: Where = AWS) -> None:
        self.repository = repository
        self.where = where

    def command(self, name: str, stack: StackId) -> str:
        """Return the shell command that applies an operator's command to a stack."""
        return self.where.command(name, stack.project, stack.environment)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The projects in dependency order.

        Raises OperatorError for a project whose dependencies are not declared.
        """
        found = {path.parent.name for path in self.repository.glob("projects/*/Pulumi.yaml")}
        undeclared = sorted(found - DEPENDENCIES.keys())
        if undeclared:
            raise OperatorError(
                f"Project {undeclared[0]} is not in pipeline_ops.projects.DEPENDENCIES: say there what it reads from."
            )
        return tuple(name for name in DEPENDENCIES if name in found)

    @property
    def region(self) -> str:
        """The region of the last stack that names one: where clients look for things unless told otherwise."""
        return next(filter(None, map(self._region, reversed(self.every_stack()))), _FALLBACK_REGION)

    def folder(self, project: str) -> Path:
        """Return the project's folder."""
        return self.repository / "projects" / project

    def environments(self, project: str) -> tuple[str, ...]:
        """Return the environments that the project has a stack for: those that it has settings of."""
        files = self.folder(project).glob("Pulumi.*.yaml")
        return tuple(sorted(name for file in files if re.fullmatch(NAME, name := file.stem.removeprefix("Pulumi."))))

    def stack(self, project: str, environment: str) -> StackId:
        """Return the stack. Raises OperatorError, naming those there are, when the repository has no such stack."""
        if project not in self.names:
            raise OperatorError(f"There is no project {project!r}: it is one of {', '.join(self.names)}.", MISUSED)
        environments = self.environments(project)
        if not environments:
            raise self._without_stacks(project)
        if environment not in environments:
            others = " and ".join(environments)
            raise OperatorError(
                f"{project} has no {environment} stack, it is deployed to {others} only: "
                f"`{self.command('deploy', StackId(project, environments[-1]))}`.",
                MISUSED,
            )
        return StackId(project, environment)

    def only_stack(self, project: str) -> StackId:
        """Return the stack of a project that has one alone. Raises OperatorError where it has none, or several."""
        environments = self.environments(project)
        if not environments:
            raise self._without_stacks(project)
        if len(environments) > 1:
            raise OperatorError(
                f"{project} has a stack for {' and '.join(environments)}, and is made for one: remove the others' "
                f"settings from projects/{project}."
            )
        return StackId(project, environments[0])

    def select(self, project: str, environment: str) -> tuple[StackId, ...]:
        """Return the one stack, or with ALL every project's stack of the environment, in dependency order.

        Raises OperatorError where there is none.
        """
        if project != ALL:
            return (self.stack(project, environment),)
        stacks = tuple(stack for stack in self.every_stack() if stack.environment == environment)
        if not stacks:
            raise OperatorError(
                f"No project has a {environment} stack: there is no projects/<project>/Pulumi.{environment}.yaml.",
                MISUSED,
            )
        return stacks

    def left_out(self, project: str, environment: str) -> tuple[str, ...]:
        """Return a sentence for each project that ALL goes past, since it has no stack of the environment."""
        names = self.names if project == ALL else ()
        return tuple(
            f"{name} is left out: it has no Pulumi.{environment}.yaml."
            for name in names
            if environment not in self.environments(name)
        )

    def every_stack(self) -> tuple[StackId, ...]:
        """Return every stack of the repository, each after those that it needs."""
        return tuple(StackId(name, environment) for name in self.names for environment in self.environments(name))

    def settings(self, stack: StackId) -> StackSettings:
        """Return what the stack's committed `Pulumi.<environment>.yaml` holds.

        Raises OperatorError when that can't be read.
        """
        path = self._settings_file(stack.project, stack.environment)
        return read_settings(path, str(path.relative_to(self.repository)))

    def needs(self, stack: StackId) -> tuple[StackId, ...]:
        """Return the stacks that have to be deployed before this one."""
        return tuple(
            StackId(project, environment)
            for project, environments in DEPENDENCIES[stack.project].items()
            for environment in environments(stack.environment, lambda: self.settings(stack))
        )

    def needed_by(self, stack: StackId, among: Collection[StackId]) -> tuple[StackId, ...]:
        """Return the stacks, of those given, that read from this one; no other's settings are read."""
        readers = [
            other for other in self.every_stack() if other in among and stack.project in DEPENDENCIES[other.project]
        ]
        return tuple(other for other in readers if stack in self.needs(other))

    def _region(self, stack: StackId) -> str | None:
        # What is wrong with a stack's settings is said by the commands on that stack, and stops no other.
        with suppress(OperatorError):
            return self.settings(stack).text("aws:region")
        return None

    def _without_stacks(self, project: str) -> OperatorError:
        return OperatorError(
            f"{project} has no stack: there is no projects/{project}/Pulumi.<environment>.yaml.", MISUSED
        )

    def _settings_file(self, project: str, environment: str) -> Path:
        return self.folder(project) / f"Pulumi.{environment}.yaml"


def find_repository(start: Path) -> Path:
    """Return the repository that a folder is in: the nearest one upwards with `projects/`. Raises OperatorError."""
    for folder in (start, *start.parents):
        if any(folder.glob("projects/*/Pulumi.yaml")):
            return folder
    raise OperatorError(f"{start} is not in a checkout of the pipeline: no folder above it has projects/.", MISUSED)
