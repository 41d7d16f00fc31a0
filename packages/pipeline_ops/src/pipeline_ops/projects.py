"""The projects of this repository, their stacks, and what each stack needs deployed before it."""

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline_common.environments import NAME, Environment
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.stack_settings import StackSettings, read_settings
from pipeline_ops.where import AWS, Where

__all__ = ["ALL", "DEPENDENCIES", "OF_ACCOUNTS", "Projects", "StackId", "find_repository"]

ALL = "all"
"""The word in place of a project's name by which a command acts on every project's stack of an environment."""

_SETTING = "pipeline:environmentSuffix"
_VARIABLE = "ENVIRONMENT_SUFFIX"
_FALLBACK_REGION = "us-east-1"

# A key at the margin, with the indented lines that its value may go on in.
_REAL_KEY = re.compile(rb"^(?:secretsprovider|encryptedkey)[ \t]*:[^\n]*(?:\n[ \t]+[^\n]*)*\n?", re.MULTILINE)


@dataclass(frozen=True, order=True)
class StackId:
    """A project's stack of one environment, written `storage/dev`, or of an instance of it, `storage/dev-pr5400`."""

    project: str
    environment: str
    """The environment, or the instance, as its stacks are named."""

    @property
    def name(self) -> str:
        """The environment's name, without the suffix of an instance."""
        return self.environment.partition("-")[0]

    @property
    def suffix(self) -> str:
        """The suffix of an instance; empty for an environment itself."""
        return self.environment.partition("-")[2]

    @property
    def settings_file(self) -> str:
        """The name of the committed settings: those of the environment."""
        return f"Pulumi.{self.name}.yaml"

    def beside(self, environment: str) -> str:
        """Return what the stacks of another environment are named in the same instance."""
        return f"{environment}-{self.suffix}" if self.suffix else environment

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
    "delivery": {},
}
"""The projects that each project's stacks read from, and of which environments.

Projects are deployed in this order: each after those that it reads from.
"""

OF_ACCOUNTS = frozenset({"delivery"})
"""The projects whose stacks are named after accounts: neither in ALL nor in a local system, and without instances."""


class Projects:
    """The projects in `projects/`, with a stack per `Pulumi.<environment>.yaml`; `where` is of suggested commands."""

    def __init__(self, repository: Path, where: Where = AWS) -> None:
        self.repository = repository
        self.where = where

    def command(self, name: str, stack: StackId) -> str:
        """Return the shell command that applies an operator's command to a stack."""
        return self.where.within(stack.suffix).command(name, stack.project, stack.name)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The projects in dependency order."""
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
        for stack in reversed(self.every_stack()):
            # What is wrong with a stack's settings is said by the commands on that stack, and stops no other.
            with suppress(OperatorError):
                if region := self.settings(stack).text("aws:region"):
                    return region
        return _FALLBACK_REGION

    def folder(self, project: str) -> Path:
        """Return the project's folder."""
        return self.repository / "projects" / project

    def environments(self, project: str) -> tuple[str, ...]:
        """Return the environments that the project has a stack for: those that it has settings of."""
        files = self.folder(project).glob("Pulumi.*.yaml")
        return tuple(sorted(name for file in files if re.fullmatch(NAME, name := file.stem.removeprefix("Pulumi."))))

    def stack(self, project: str, environment: str) -> StackId:
        """Return the stack of the environment, or of the instance that is asked for; refuse what is not there."""
        named = self.known(project, environment)
        if project in OF_ACCOUNTS:
            if self.where.suffix:
                raise OperatorError(f"{project} is of an account, and has no instances: leave --suffix out.", MISUSED)
            return named
        if named.suffix:
            raise OperatorError(
                f"{environment} is an instance of {named.name}: name {named.name}, and --suffix {named.suffix}.",
                MISUSED,
            )
        return StackId(project, self._instance(environment))

    def known(self, project: str, stack_name: str) -> StackId:
        """Return the stack of that very name. Raises OperatorError as `stack` does."""
        stack = StackId(project, stack_name)
        if project not in self.names:
            raise OperatorError(f"There is no project {project!r}: it is one of {', '.join(self.names)}.", MISUSED)
        environments = self._deployable(project)
        if stack.name not in environments:
            raise OperatorError(
                f"{project} has no {stack.environment} stack: it is deployed to {', '.join(environments)}.", MISUSED
            )
        return stack

    def only_stack(self, project: str) -> StackId:
        """Return the stack of a project that has one alone. Raises OperatorError where it has none, or several."""
        environments = self._deployable(project)
        if len(environments) > 1:
            raise OperatorError(
                f"{project} has a stack for {' and '.join(environments)}, and is made for one: remove the others' "
                f"settings from projects/{project}."
            )
        return self.stack(project, environments[0])

    def select(self, project: str, environment: str) -> tuple[StackId, ...]:
        """Return the one stack, or with ALL every project's stack of the environment, in dependency order."""
        if project != ALL:
            return (self.stack(project, environment),)
        stacks = tuple(
            self.stack(name, environment) for name in self._deployed_by_all if environment in self.environments(name)
        )
        if not stacks:
            raise OperatorError(
                f"No project has a {environment} stack: there is no projects/<project>/Pulumi.{environment}.yaml.",
                MISUSED,
            )
        return stacks

    def left_out(self, project: str, environment: str) -> tuple[str, ...]:
        """Return a sentence for each project that ALL goes past, since it has no stack of the environment."""
        names = self._deployed_by_all if project == ALL else ()
        return tuple(
            f"{name} is left out: it has no Pulumi.{environment}.yaml."
            for name in names
            if environment not in self.environments(name)
        )

    def every_stack(self) -> tuple[StackId, ...]:
        """Return every environment's stacks, each after those that it needs."""
        return tuple(
            self.stack(name, environment) for name in self._deployed_by_all for environment in self.environments(name)
        )

    def settings(self, stack: StackId) -> StackSettings:
        """Return what the stack's committed `Pulumi.<environment>.yaml` holds."""
        path = self._settings_file(stack)
        return read_settings(path, str(path.relative_to(self.repository)))

    def copy_settings(self, stack: StackId, folder: Path, *, local: bool = False) -> None:
        """Write the project's and the stack's committed settings into `folder`, byte for byte, for Pulumi to work on.

        An instance's are its environment's, under the name that Pulumi looks for. A local cloud gets the very same, so
        that what is refused there is refused on AWS, but for what names a KMS key of the real world for secrets.
        """
        source = self.folder(stack.project)
        shutil.copyfile(source / "Pulumi.yaml", folder / "Pulumi.yaml")
        committed = (source / stack.settings_file).read_bytes()
        (folder / f"Pulumi.{stack.environment}.yaml").write_bytes(_REAL_KEY.sub(b"", committed) if local else committed)

    def needs(self, stack: StackId) -> tuple[StackId, ...]:
        """Return the stacks that have to be deployed before this one."""
        return tuple(
            StackId(project, stack.beside(environment))
            for project, environments in DEPENDENCIES[stack.project].items()
            for environment in environments(stack.name, lambda: self.settings(stack))
        )

    def needed_by(self, stack: StackId, among: Collection[StackId]) -> tuple[StackId, ...]:
        """Return the stacks, of those given, that read from this one; no other's settings are read."""
        readers = [
            other
            for other in sorted(among)
            if stack.project in DEPENDENCIES.get(other.project, ()) and self._settings_file(other).is_file()
        ]
        return tuple(other for other in readers if stack in self.needs(other))

    @property
    def _deployed_by_all(self) -> Iterable[str]:
        return (name for name in self.names if name not in OF_ACCOUNTS)

    def _deployable(self, project: str) -> tuple[str, ...]:
        environments = self.environments(project)
        if not environments:
            raise OperatorError(
                f"{project} has no stack: there is no projects/{project}/Pulumi.<environment>.yaml.", MISUSED
            )
        return environments

    def _settings_file(self, stack: StackId) -> Path:
        return self.folder(stack.project) / stack.settings_file

    def _instance(self, environment: str) -> str:
        """Return what the stacks of the environment are named: with `--suffix`, else its own, else the variable's."""
        suffix = self.where.suffix
        if suffix is None:
            suffix = self._configured_suffix(environment) or os.environ.get(_VARIABLE, "")
        try:
            return str(Environment(environment, suffix))
        except ValueError as error:
            raise OperatorError(f"{error} It is from {_SETTING} or {_VARIABLE}.", MISUSED) from error

    def _configured_suffix(self, environment: str) -> str:
        found: dict[str, str] = {}
        for project in self._deployed_by_all:
            # What is wrong with a stack's settings is said by the commands on that stack, and stops no other.
            with suppress(OperatorError):
                settings = self.settings(StackId(project, environment))
                if _SETTING in settings.config:
                    found[str(settings.config[_SETTING])] = settings.name
        if len(found) > 1:
            raise OperatorError(f"{_SETTING} differs in {' and '.join(found.values())}: name the same suffix in each.")
        return next(iter(found), "")


def find_repository(start: Path) -> Path:
    """Return the repository that a folder is in: the nearest one upwards with `projects/`. Raises OperatorError."""
    for folder in (start, *start.parents):
        if any(folder.glob("projects/*/Pulumi.yaml")):
            return folder
    raise OperatorError(f"{start} is not in a checkout of the pipeline: no folder above it has projects/.", MISUSED)
