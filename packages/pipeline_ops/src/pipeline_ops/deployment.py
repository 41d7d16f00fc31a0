"""Deployment of the repository's stacks by the Pulumi engine, to AWS or into a local cloud."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from pulumi import automation

from local_cloud import LocalCloud
from local_cloud.aws_provider import AwsProvider
from local_cloud.environment import only_environment
from local_cloud.launcher import launcher_folder
from pipeline_common.contracts import CONTRACTS
from pipeline_common.holds import Hold
from pipeline_common.infra.part import WHOLE, Part
from pipeline_common.release import Version
from pipeline_ops.account import caller
from pipeline_ops.backend_files import is_locked
from pipeline_ops.clients import ClientMaker, aws_client
from pipeline_ops.engine import EngineCommand
from pipeline_ops.errors import OperatorError
from pipeline_ops.explain import (
    cut_off_before,
    damaged_state,
    ended_at_once,
    explain,
    interrupted,
    locked,
    unreadable_state,
)
from pipeline_ops.history import History, recorded_spec
from pipeline_ops.identifiers import identifier
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.journal import Journal
from pipeline_ops.live_aliases import route_function, with_hold
from pipeline_ops.parts import hold_notices, new_route_notices, not_in_part
from pipeline_ops.program import project_program
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.pulumi_cli import ensure
from pipeline_ops.pulumi_cli.obtain import version_of
from pipeline_ops.releases.versions import checkout_version
from pipeline_ops.resource_names import resource_name, short_type
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.state import Backend, folder_backend, prepared_aws_backend, secrets_environment
from pipeline_ops.state_document import (
    Cut,
    cut_off,
    exported,
    first_made,
    imported,
    is_real,
    outcome,
    outputs_of,
    resources_of,
    with_creations,
)
from pipeline_ops.state_files import back_up, damage
from pipeline_ops.where import AWS, Where

__all__ = ["Deployment", "Listener", "Result", "where_of"]

OnEvent = Callable[[automation.EngineEvent], None]
Listener = Callable[[StackId, str, automation.EngineEvent], None]


@dataclass(frozen=True)
class Result:
    """What a run did, or with `preview` would do: resources by the engine's name for what happened to them."""

    stack: StackId
    operation: str
    changes: Mapping[str, int]
    seconds: float
    outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notices: tuple[str, ...] = ()
    """What the operator has to know beside: a sentence each."""

    release: str = ""
    """The version of the project that a deploy or a preview is of."""

    routes: tuple[str, ...] = ()
    """The targets whose routes it is of; empty for the whole stack."""

    @property
    def unchanged(self) -> bool:
        """Whether every resource was already as it should be."""
        return not set(self.changes) - {"same", "read"}


@dataclass(frozen=True)
class _Done:
    changes: Mapping[Any, int] | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class Deployment:
    """Runs the engine on stacks; a context manager, because it holds temporary folders and isolates the environment.

    With a `cloud` everything goes there: the environment of this whole process is the cloud's inside the block, with
    no AWS_* or PULUMI_* variable of the user's in it, and Pulumi has the `provider`, a home and, unless `backend` is
    given, a state of its own that last as long as the block. Without one, stacks go to AWS with the user's settings.

    No committed file is written. Stacks may be run at the same time from several threads, each of them once.
    Every method raises OperatorError when it can't do what it is asked to.
    """

    def __init__(
        self,
        repository: Path,
        cloud: LocalCloud | None = None,
        *,
        provider: AwsProvider | None = None,
        backend: Backend | None = None,
        where: Where | None = None,
        on_event: Listener = lambda *_: None,
        on_progress: Callable[[str], None] = lambda _: None,
        interrupts: Interrupts | None = None,
    ) -> None:
        self.projects = Projects(repository, where or where_of(cloud))
        self.cloud = cloud
        self.interrupts = interrupts or Interrupts()
        self._provider = provider or AwsProvider()
        self._given_backend = backend
        self._on_event = on_event
        self.on_progress = on_progress
        self._resources = ExitStack()
        self._looked_at: set[StackId] = set()
        self._looking: dict[StackId, threading.Lock] = {}

    def __enter__(self) -> Self:
        self._executable = ensure(self.on_progress)
        self._version = version_of(self._executable)
        with ExitStack() as stack:
            self._home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pipeline-")))
            self._user_environment = dict(os.environ)
            if self.cloud is None:
                self.backend = self._given_backend or prepared_aws_backend(self.projects.repository, os.environ)
                self._environment = self._user_environment
            else:
                self.backend = self._given_backend or folder_backend(self._home / "state")
                self._environment = self._provider.environment(self.cloud, self._home / "home")
                stack.enter_context(only_environment(self._environment))
                self.on_progress(f"The aws provider is {self._provider}.")
            if self.backend.notice:
                self.on_progress(self.backend.notice)
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def up(self, project: str, environment: str, part: Part = WHOLE) -> Result:
        """Make the stack, or a part of it, what its program and configuration say; what is so is left as it is."""
        stack = self._ready(project, environment, part)
        version = checkout_version(self.projects.repository, stack.project)
        with self.history(stack).recording(self.caller, str(version), part.routes):
            result = self._run(stack, "deploy", partial(self._up, part=part, version=version))
        return replace(result, release=str(version), routes=part.routes)

    def preview(self, project: str, environment: str, part: Part = WHOLE) -> Result:
        """Say what `up` would change, and change nothing but the record of what is there."""
        stack = self._ready(project, environment, part)
        version = checkout_version(self.projects.repository, stack.project)
        result = self._run(stack, "preview", partial(self._preview, part=part, version=version))
        return replace(result, release=str(version), routes=part.routes)

    def refresh(self, project: str, environment: str) -> Result:
        """Make the state what is really there, so that the next `up` repairs what was changed by other hands.

        What a run that was cut off was at is looked up: the state then knows what of it is there, forgets what isn't,
        and a notice says what can't be looked up.
        """
        stack = self.projects.known(project, environment)
        self.require_deployed(stack)
        return self._run(stack, "refresh", self._refresh)

    def drift(self, project: str, environment: str) -> Result:
        """Say what is otherwise than the state has it, and change neither.

        What the program and the configuration say has no part in it, so that a change which waits for its deploy is
        no drift.
        """
        stack = self.projects.known(project, environment)
        self.require_deployed(stack)
        return self._run(stack, "drift", self._drift)

    def destroy(self, project: str, environment: str) -> Result:
        """Remove all that the stack has made, what a cut-off run made too; refused while a deployed stack needs it."""
        stack = self.projects.known(project, environment)
        for other in (*self.projects.needed_by(stack, self.deployed()), stack):
            self._look_at(other)
        for other in self.projects.needed_by(stack, self.deployed()):
            raise OperatorError(f"{other} still reads from {stack}: `{self.projects.command('destroy', other)}` first.")
        return self._run(stack, "destroy", self._destroy)

    def hold(self, project: str, environment: str, target: str, hold: Hold) -> None:
        """Have the state say that a route's alias is of the held version, so that nothing moves it from there."""
        stack = self.projects.known(project, environment)
        # Pulumi locks a state that it imports, and not one that it exports: of a run that ends in between, what it did
        # last would be lost.
        if is_locked(self.backend, stack):
            raise OperatorError(locked(self.projects, stack))
        with self._selected(stack, "rollback") as pulumi:
            back_up(self.backend, stack)
            spec = recorded_spec(self.history(stack).of_function(route_function(target)), target, hold.version)
            imported(pulumi, with_hold(exported(pulumi), target, hold, spec))

    def history(self, stack: StackId) -> History:
        """Return the history of a stack's deploys."""
        return History(self.backend, stack, self.on_progress)

    @cached_property
    def caller(self) -> str:
        """Who asks, as AWS names the credentials in use."""
        return caller(self.clients, self.projects.region)

    def made_at(self, stack: StackId) -> datetime | None:
        """Return when the stack was first deployed; None where its state does not say."""
        with self._selected(stack, "outputs") as pulumi:
            return first_made(resources_of(exported(pulumi)))

    def unlock(self, project: str, environment: str) -> None:
        """Remove another run's lock from the stack; only for a run that no longer runs, and never done unasked."""
        with self._selected(self.projects.known(project, environment), "unlock") as pulumi:
            pulumi.cancel()

    def deployed(self) -> frozenset[StackId]:
        """Return the stacks that have resources."""
        with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
            command = self._command(self._environment)
            workspace = automation.LocalWorkspace(work_dir=folder, pulumi_command=command)
            try:
                summaries = workspace.list_stacks(include_all=True)
            except automation.CommandError as error:
                damaged = damage(self.backend, self.projects)
                if damaged:
                    raise OperatorError(damaged) from error
                raise unreadable_state(self.projects, self.backend, command.failure) from error
        return frozenset(
            StackId(*name)
            for summary in summaries
            if summary.resource_count != 0 and len(name := summary.name.split("/")[-2:]) == _PROJECT_AND_STACK
        )

    def require_deployed(self, stack: StackId) -> None:
        """Raise OperatorError, with the command that deploys it, when the stack has no resources."""
        if stack not in self.deployed():
            raise OperatorError(f"{stack} is not deployed: `{self.projects.command('deploy', stack)}`.")

    def require_needed(self, stack: StackId, part: Part = WHOLE, besides: Collection[StackId] = ()) -> None:
        """Raise OperatorError when a stack that this one, or its part, reads from is not deployed, or lacks an output.

        Nothing is asked of those `besides`, which are deployed before it.

        The engine stops a program that refers to a missing stack before the program could say which command helps; and
        a program that misses an output stops when parts of it may be made already.
        """
        read = [one for one in self.projects.needs(stack) if part.is_whole or one.name in {stack.name, *part.routes}]
        needed = [one for one in read if one not in besides]
        if not needed:
            return
        for other in needed:
            if other.name not in self.projects.environments(other.project):
                raise OperatorError(
                    f"{stack} reads from {other}, and there is no projects/{other.project}/{other.settings_file}: "
                    f"write it, or name another environment in projects/{stack.project}/{stack.settings_file}."
                )
            self._look_at(other)
        deployed = self.deployed()
        for other in needed:
            if other not in deployed:
                helps = self.projects.command("deploy", other)
                raise OperatorError(f"{stack} reads from {other}, which is not deployed: `{helps}`.")
        outputs = StackOutputs(self.projects, self.backend, self.on_progress)
        for other in needed:
            if missing := CONTRACTS[other.project].missing(outputs.of(other)):
                helps = self.projects.command("deploy", other)
                raise OperatorError(
                    f"{stack} reads {missing!r} of {other}, which was deployed by another release without it: "
                    f"`{helps}` first. Nothing was changed."
                )

    def _look_at(self, stack: StackId) -> None:
        """Make a record that may outlive what it tells of say what is there, once in this block.

        One of which nothing is left is removed: such a stack is not deployed.
        """
        if not self.backend.may_outlive:
            return
        # Stacks that are deployed at the same time may read from the same one, which the engine runs once at a time.
        with self._looking.setdefault(stack, threading.Lock()):
            if stack in self._looked_at:
                return
            if stack in self.deployed():
                for notice in self._run(stack, "refresh", self._refresh_or_forget).notices:
                    self.on_progress(f"{stack}: {notice}")
            self._looked_at.add(stack)

    def _refresh_or_forget(self, stack: StackId, pulumi: automation.Stack, on_event: OnEvent) -> _Done:
        done = self._refresh(stack, pulumi, on_event)
        if not any(map(is_real, resources_of(exported(pulumi)))):
            pulumi.destroy(on_event=on_event)
        return done

    def _ready(self, project: str, environment: str, part: Part) -> StackId:
        stack = self.projects.known(project, environment)
        self.require_needed(stack, part)
        self._look_at(stack)
        return stack

    def _up(
        self, stack: StackId, pulumi: automation.Stack, on_event: OnEvent, *, part: Part, version: Version
    ) -> _Done:
        document = exported(pulumi)
        cut = cut_off(document)
        if cut:
            # The engine would go on, and make a second time what it does not know to be there.
            raise cut_off_before(self.projects, stack, [_name(each) for each in cut])
        self._set_program(stack, pulumi, document, part, version)
        result = pulumi.up(on_event=on_event, exclude=not_in_part(document, part))
        outputs, deploys = _masked(result.outputs), self.projects.command("deploy", stack)
        notices = (*new_route_notices(document, part, deploys), *hold_notices(outputs, part, deploys))
        return _Done(result.summary.resource_changes, outputs, notices)

    def _preview(
        self, stack: StackId, pulumi: automation.Stack, on_event: OnEvent, *, part: Part, version: Version
    ) -> _Done:
        document = exported(pulumi)
        self._set_program(stack, pulumi, document, part, version)
        return _Done(pulumi.preview(on_event=on_event, exclude=not_in_part(document, part)).change_summary)

    def _set_program(
        self, stack: StackId, pulumi: automation.Stack, document: Mapping[str, Any], part: Part, version: Version
    ) -> None:
        if not part.is_whole and not resources_of(document):
            helps = self.projects.command("deploy", stack)
            raise OperatorError(f"{stack} is not deployed, and the whole comes before a part of it: `{helps}`.")
        pulumi.workspace.program = project_program(
            self.projects.folder(stack.project),
            engine_works_in=Path(pulumi.workspace.work_dir),
            part=replace(part, exported=outputs_of(document)),
            config=self._own_config(stack, document),
            local=self.cloud is not None,
            version=version,
        )

    def _drift(self, _stack: StackId, pulumi: automation.Stack, on_event: OnEvent) -> _Done:
        return _Done(pulumi.preview_refresh(on_event=on_event).change_summary)

    def _refresh(self, _stack: StackId, pulumi: automation.Stack, on_event: OnEvent) -> _Done:
        cut, unknown = self._record_creations(pulumi)
        result = pulumi.refresh(on_event=on_event)
        after = exported(pulumi) if cut else {}
        return _Done(
            result.summary.resource_changes,
            notices=tuple(outcome(each, _name(each), after, unknown) for each in cut if is_real(each.resource)),
        )

    def _destroy(self, stack: StackId, pulumi: automation.Stack, on_event: OnEvent) -> _Done:
        refreshed = self._refresh(stack, pulumi, on_event) if cut_off(exported(pulumi)) else _Done()
        return _Done(pulumi.destroy(on_event=on_event).summary.resource_changes, notices=refreshed.notices)

    def _record_creations(self, pulumi: automation.Stack) -> tuple[list[Cut], list[Cut]]:
        """Have the state name what was being created; return all that was cut off, and what has no id to look it up."""
        document = exported(pulumi)
        cut = cut_off(document)
        if not any(each.is_creation for each in cut):
            return cut, []
        try:
            recorded, unknown = with_creations(document, partial(identifier, clients=self.clients))
        except (BotoCoreError, ClientError) as error:
            raise OperatorError(f"What a cut-off run was creating can't be looked up: {error}") from error
        imported(pulumi, recorded)
        return cut, unknown

    def _run(
        self, stack: StackId, operation: str, act: Callable[[StackId, automation.Stack, OnEvent], _Done]
    ) -> Result:
        journal = Journal()
        started = time.monotonic()

        def on_event(event: automation.EngineEvent) -> None:
            journal.record(event)
            if not self._is_expected(event):
                self._on_event(stack, operation, event)

        with self._selected(stack, operation, journal) as pulumi:
            if operation not in _CHANGE_NOTHING:
                back_up(self.backend, stack)
            done = act(stack, pulumi, on_event)
        seconds = time.monotonic() - started
        return Result(stack, operation, _by_name(done.changes), seconds, done.outputs, done.notices)

    @contextmanager
    def _selected(self, stack: StackId, operation: str, journal: Journal | None = None) -> Iterator[automation.Stack]:
        if self.interrupts.count:
            raise interrupted(self.projects, stack, operation)
        settings = self.projects.settings(stack).values
        with tempfile.TemporaryDirectory(prefix="pipeline-") as name, self.interrupts.passed_on():
            folder = Path(name)
            command = self._command(self._environment | self._secrets(settings))
            self.projects.copy_settings(stack, folder, local=self.cloud is not None)
            try:
                workspace = automation.LocalWorkspace(work_dir=str(folder), pulumi_command=command)
                pulumi = automation.Stack.create_or_select(stack.environment, workspace)
                yield pulumi
            except automation.CommandError as error:
                raise self._explained(stack, operation, journal or Journal(), command.failure, folder) from error

    @property
    def clients(self) -> ClientMaker:
        """What makes clients of the cloud that the stacks are in."""
        return self.cloud.client if self.cloud else aws_client

    def _own_config(self, stack: StackId, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a program is told over its committed configuration."""
        config = self._provider.stack_config(self.cloud) if self.cloud else {}
        if not stack.suffix:
            return dict(config)
        # Kept by the state since the first deploy, so that a later one tells the same.
        made = first_made(resources_of(document)) or datetime.now(UTC)
        return {**config, "tags:createdAt": f"{made:%Y-%m-%d}"}

    def _explained(
        self, stack: StackId, operation: str, journal: Journal, failure: automation.CommandResult | None, copy: Path
    ) -> OperatorError:
        killed_by = -failure.code if failure is not None and failure.code < 0 else None
        if killed_by or self.interrupts.count > 1:
            return ended_at_once(self.projects, stack, operation, journal.creating(), killed_by)
        if self.interrupts.count:
            return interrupted(self.projects, stack, operation)
        damaged = damage(self.backend, self.projects, stack)
        if damaged:
            return damaged_state(stack, operation, damaged, journal)
        return explain(self.projects, stack, operation, journal.errors(), failure, copy)

    def _is_expected(self, event: automation.EngineEvent) -> bool:
        # Pulumi warns of a provider that it found on PATH. In a local cloud that is the only one there may be.
        diagnostic = event.diagnostic_event
        return self.cloud is not None and diagnostic is not None and str(launcher_folder()) in diagnostic.message

    def _secrets(self, settings: Mapping[str, Any]) -> dict[str, str]:
        if self.cloud is not None and "encryptionsalt" not in settings:
            return {"PULUMI_CONFIG_PASSPHRASE": ""}
        return secrets_environment(self.backend, settings, self._user_environment)

    def _command(self, environment: Mapping[str, str]) -> EngineCommand:
        own = {"PULUMI_BACKEND_URL": self.backend.url, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        return EngineCommand(self._executable, self._version, {**environment, **own}, self.interrupts)


_PROJECT_AND_STACK = 2
_CHANGE_NOTHING = {"preview", "drift"}


def where_of(cloud: LocalCloud | None) -> Where:
    """Return how a command goes to the cloud."""
    if cloud is None:
        return AWS
    return Where(local=True, fleeting=True) if cloud.owned else Where(endpoint=cloud.endpoint)


def _by_name(changes: Mapping[Any, int] | None) -> dict[str, int]:
    return {str(getattr(name, "value", name)): count for name, count in (changes or {}).items() if count}


def _name(cut: Cut) -> str:
    return f"{short_type(cut.kind)} {resource_name(cut.urn)}"


def _masked(outputs: Mapping[str, automation.OutputValue]) -> dict[str, Any]:
    return {name: "[secret]" if output.secret else output.value for name, output in outputs.items()}
