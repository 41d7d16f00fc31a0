"""Small stacks of the provider's resources, run by the real engine, and what the engine says it did with each."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import automation

from local_cloud import LocalCloud
from local_cloud.environment import only_environment
from pipeline_ops.engine import EngineCommand
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.pulumi_cli.obtain import PULUMI_VERSION

__all__ = ["Operations", "Program", "ProviderStack", "Recorded", "local_provider", "recorded", "temporary_stack"]

Program = Callable[[pulumi.ResourceOptions], None]
"""Registers resources with the options given, which hold the provider."""


Recorded = dict[str, dict[str, Any]]
"""A resource's inputs by its logical name."""


@dataclass
class Operations:
    """What one run did: the last operation on each resource by its logical name, and everything that was said."""

    by_name: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def record(self, event: automation.EngineEvent) -> None:
        for step in (event.resource_pre_event, event.res_outputs_event):
            if step is not None and step.metadata.type.startswith("aws:"):
                self._record(step.metadata.urn.rsplit("::", 1)[1], step.metadata.op.value)
        if event.diagnostic_event is not None:
            self.messages.append(event.diagnostic_event.message)

    @property
    def said(self) -> str:
        return "\n".join(self.messages)

    def changed(self) -> dict[str, str]:
        """The operations that are not `same`."""
        return {name: operation for name, operation in self.by_name.items() if operation not in {"same", "refresh"}}

    def _record(self, name: str, operation: str) -> None:
        # A replacement is told in several steps; the first says what it is.
        if "replac" in self.by_name.get(name, ""):
            return
        self.by_name[name] = operation


class ProviderStack:
    """A stack whose program can be exchanged between runs."""

    def __init__(self, stack: automation.Stack, cloud: LocalCloud) -> None:
        self._stack = stack
        self.cloud = cloud

    def up(self, program: Program, **provider: Any) -> Operations:
        return self._run(self._stack.up, self._programmed(program, provider))

    def preview(self, program: Program, **provider: Any) -> Operations:
        return self._run(self._stack.preview, self._programmed(program, provider))

    def refresh(self) -> Operations:
        return self._run(self._stack.refresh, None)

    def destroy(self) -> Operations:
        return self._run(self._stack.destroy, None)

    def export(self) -> automation.Deployment:
        return self._stack.export_stack()

    def restore(self, state: automation.Deployment) -> None:
        self._stack.import_stack(state)

    def _programmed(self, program: Program, provider: dict[str, Any]) -> Callable[[], None]:
        return lambda: program(pulumi.ResourceOptions(provider=local_provider(self.cloud, **provider)))

    def _run(self, act: Callable[..., Any], program: Callable[[], None] | None) -> Operations:
        operations = Operations()
        arguments = {} if program is None else {"program": program}
        result = act(on_event=operations.record, **arguments)
        operations.outputs = {name: output.value for name, output in (getattr(result, "outputs", None) or {}).items()}
        return operations


def recorded(state: automation.Deployment) -> Recorded:
    """The inputs that the state has of each resource, as they are compared: JSON documents parsed."""
    resources = [each for each in (state.deployment or {})["resources"] if each["type"].startswith("aws:")]
    return {each["urn"].rsplit("::", 1)[1]: _compared(each["inputs"]) for each in resources}


def _compared(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: _sorted(_parsed(value)) for name, value in inputs.items()}


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except ValueError:
        return value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def local_provider(cloud: LocalCloud, **changes: Any) -> aws.Provider:
    """The provider, pointed at the local cloud."""
    config = {name.removeprefix("aws:"): value for name, value in cloud.stack_config().items()}
    endpoints = {f"{name}_" if name == "lambda" else name: url for name, url in config["endpoints"].items()}
    arguments: dict[str, Any] = {
        "region": cloud.region,
        "access_key": config["accessKey"],
        "secret_key": config["secretKey"],
        "endpoints": [aws.ProviderEndpointArgs(**endpoints)],
        "allowed_account_ids": config["allowedAccountIds"],
        "s3_use_path_style": True,
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "skip_metadata_api_check": True,
    }
    return aws.Provider("aws", **{**arguments, **changes})


@contextmanager
def temporary_stack(cloud: LocalCloud, executable: Path, folder: Path, name: str) -> Iterator[ProviderStack]:
    """A stack with state of its own; what it still has at the end is destroyed."""
    work = folder / "work"
    work.mkdir()
    (folder / "state").mkdir()
    environment = cloud.environment() | {"PULUMI_HOME": str(folder / "home"), "PULUMI_CONFIG_PASSPHRASE": ""}
    project = automation.ProjectSettings(
        name="provider", runtime="python", backend=automation.ProjectBackend(f"file://{folder / 'state'}")
    )
    with only_environment(environment):
        workspace = automation.LocalWorkspace(
            work_dir=str(work),
            project_settings=project,
            pulumi_command=EngineCommand(executable, PULUMI_VERSION, environment, Interrupts()),
        )
        stack = automation.Stack.create_or_select(name, workspace)
        try:
            yield ProviderStack(stack, cloud)
        finally:
            stack.destroy()
