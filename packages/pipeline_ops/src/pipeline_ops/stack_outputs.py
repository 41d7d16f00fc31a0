"""The stacks' outputs, read from Pulumi's state; only a state that nothing else can read needs the Pulumi CLI.

Why so: docs/adr/0012-contracts-from-the-state.md.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_common.contracts import Contract, MissingOutputError
from pipeline_ops.backend_files import UnreadHereError, read_state
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.pulumi_cli import ensure
from pipeline_ops.resource_names import root_outputs
from pipeline_ops.state import Backend, secrets_environment
from pipeline_ops.state_files import damage

__all__ = ["StackOutputs"]

SECRET = "[secret]"  # noqa: S105 (what is shown in place of one, as by Pulumi itself)
_SIGNATURE, _OF_SECRETS = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""The key of what is no plain value in a state, and its value for secrets.

https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/sig/sig.go
"""

_NO_STACK = "no stack named"
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, BotoCoreError, ClientError)

C = TypeVar("C", bound=Contract)


class StackOutputs:
    """Reads outputs from a backend; every method raises OperatorError where the state can't be read."""

    def __init__(self, projects: Projects, backend: Backend, say: Callable[[str], None] = lambda _: None) -> None:
        self.backend = backend
        self._projects = projects
        self._say = say

    def of(self, stack: StackId) -> dict[str, Any]:
        """Return a stack's outputs, a secret as `[secret]`; raises OperatorError where it is not deployed."""
        outputs = self.find(stack)
        if outputs is None:
            raise OperatorError(f"{stack} is not deployed: `{self._projects.command('deploy', stack)}`.")
        return outputs

    def find(self, stack: StackId) -> dict[str, Any] | None:
        """Return a stack's outputs, a secret as `[secret]`; None where it is not deployed: it has no resources."""
        try:
            content = read_state(self.backend, stack)
            return None if content is None else _outputs(json.loads(content))
        except UnreadHereError:
            return self._told_by_pulumi(stack)
        except _UNREADABLE as error:
            raise OperatorError(
                damage(self.backend, self._projects)
                or f"The state of {stack} at {self.backend.shown} can't be read: {error}."
            ) from error

    def contract(self, contract: type[C], environment: str) -> C:
        """Return what a project's stack promises; raises OperatorError too where it was deployed before the promise."""
        stack = StackId(contract.PROJECT, environment)
        return self._parsed(contract, stack, self.of(stack))

    def find_contract(self, contract: type[C], environment: str) -> C | None:
        """Return what a project's stack promises; None where it is not deployed."""
        stack = StackId(contract.PROJECT, environment)
        outputs = self.find(stack)
        return None if outputs is None else self._parsed(contract, stack, outputs)

    def _parsed(self, contract: type[C], stack: StackId, outputs: Mapping[str, Any]) -> C:
        try:
            return contract.parse(outputs)
        except MissingOutputError as error:
            helps = self._projects.command("deploy", stack)
            raise OperatorError(f"{stack} was deployed by another release, without {error.name}: `{helps}`.") from error

    def _told_by_pulumi(self, stack: StackId) -> dict[str, Any] | None:
        settings = self._projects.settings(stack).values
        environment = os.environ | secrets_environment(self.backend, settings, os.environ)
        environment |= {"PULUMI_BACKEND_URL": self.backend.url, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        executable = ensure(self._say)
        self._say(f"Asking Pulumi for the outputs of {stack}")
        with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
            self._projects.copy_settings(stack, Path(folder))
            answer = subprocess.run(  # noqa: S603 (the CLI that `ensure` found)
                [executable, "--non-interactive", "stack", "output", "--json", "--stack", stack.environment],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        if answer.returncode == 0:
            return json.loads(answer.stdout or "{}") or None
        if _NO_STACK in answer.stderr:
            return None
        said = " ".join(answer.stderr.split()).removeprefix("error: ").replace(self.backend.url, self.backend.shown)
        raise OperatorError(f"Pulumi can't read the state of {stack} at {self.backend.shown}: {said}.")


def _outputs(state: Any) -> dict[str, Any] | None:
    """Return the outputs in a state's document; None where it has no resources."""
    resources = (state["checkpoint"].get("latest") or {}).get("resources")
    if not resources:
        return None
    return {name: _masked(value) for name, value in root_outputs(resources).items()}


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get(_SIGNATURE) == _OF_SECRETS:
        return SECRET
    return {name: _masked(each) for name, each in value.items()}
