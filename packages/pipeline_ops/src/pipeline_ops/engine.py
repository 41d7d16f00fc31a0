"""The Pulumi CLI as the Automation API runs it: in exactly the environment it is given, and safe from Ctrl-C."""

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import Version

from pipeline_ops.interrupts import Interrupts

__all__ = ["EngineCommand"]


class EngineCommand(PulumiCommand):
    """Runs the CLI; what went wrong last stays in `failure`.

    Unlike the SDK's own, it does not add this process's environment, which may be signed in to AWS, and it starts the
    CLI in a process group of its own, so that an interrupt reaches it once, by way of `interrupts`.
    """

    def __init__(
        self, executable: Path, version: Version | None, environment: Mapping[str, str], interrupts: Interrupts
    ) -> None:
        self.command = str(executable)
        self.version = version
        self.failure: CommandResult | None = None
        self._environment = environment
        self._interrupts = interrupts

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """Run one command to its end, and give its lines to the callbacks then; raises the SDK's CommandError."""
        # Files and not pipes: should this process be killed, the engine goes on until its state is saved and its lock
        # released, instead of dying of a pipe that nobody reads.
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(  # noqa: S603 (the CLI that `ensure` found, with the SDK's arguments)
                [self.command, "--non-interactive", *args],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env={**self._environment, **additional_env, "PULUMI_AUTOMATION_API": "true"},
                process_group=0,
            )
            with process, self._interrupts.engine(process):
                code = process.wait()
            result = CommandResult(stdout=_written(stdout, on_output), stderr=_written(stderr, on_error), code=code)
        if code != 0:
            self.failure = result
            raise create_command_error(result)
        return result


def _written(file: IO[bytes], on_line: Callable[[str], Any] | None) -> str:
    file.seek(0)
    lines = [line.rstrip() for line in file.read().decode(errors="replace").splitlines()]
    if on_line is not None:
        for line in lines:
            on_line(line)
    return "\n".join(lines)
