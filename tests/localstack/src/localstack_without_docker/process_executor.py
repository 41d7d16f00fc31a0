"""Functions as processes of this machine, where LocalStack's own executor asks Docker for containers.

An environment is one process that handles one event after another, as on AWS. There is no limit of memory, no layer and
no other runtime than this Python: a function sees the boto3 that LocalStack is installed with.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from localstack_without_docker import function_process

__all__ = ["ProcessExecutor"]

_HOST = "127.0.0.1"
_STOP_SECONDS = 5.0


class ProcessExecutor(RuntimeExecutor):
    """One execution environment: a process, made anew after an event that it did not survive."""

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self._variables: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the environment)

    def start(self, env_vars: dict[str, str]) -> None:
        """Start the process; the function is imported there when the first event comes."""
        self._variables = {name: str(value) for name, value in env_vars.items()}
        self._process = self._started()

    def stop(self) -> None:
        """End the process."""
        self._end()
        self._log.close()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Have the process handle an event, for as long as the function's timeout allows."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._started()
        self._log.seek(0, os.SEEK_END)
        before = self._log.tell()
        answer = self._answer(self._process, payload)
        self._log.seek(before)
        return InvocationResult(
            request_id=payload["invoke-id"],
            payload=json.dumps(answer["payload"]).encode(),
            is_error=answer["is_error"],
            logs=self._log.read().decode(errors="replace"),
        )

    def get_address(self) -> str:
        """Return this machine's own address."""
        return _HOST

    def get_endpoint_from_executor(self) -> str:
        """Return where a function reaches LocalStack."""
        return _HOST

    def get_runtime_endpoint(self) -> str:
        """Return an address that no process of this executor calls: events travel by pipes."""
        return f"http://{_HOST}:{config.GATEWAY_LISTEN[0].port}"

    def get_logs(self) -> str:
        """Return all that the environment has written."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the function's code."""
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Leave the code: LocalStack removes it with the function."""

    def _started(self) -> "subprocess.Popen[bytes]":
        code = self.function_version.config.code.get_unzipped_code_location()
        # Nothing of LocalStack's own environment, which is the operator's, reaches a function but the PATH.
        variables = {"PATH": os.environ["PATH"], **self._variables, "LAMBDA_TASK_ROOT": str(code)}
        return subprocess.Popen(
            [sys.executable, "-u", str(Path(function_process.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=code,
            env=variables,
        )

    def _end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None

    def _answer(self, process: "subprocess.Popen[bytes]", payload: dict[str, str]) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        seconds = self.function_version.config.timeout
        try:
            process.stdin.write(json.dumps(payload).encode() + b"\n")
            process.stdin.flush()
            # A whole line comes at once: the process writes an answer only when the function is done.
            readable, _, _ = select.select([process.stdout], [], [], seconds)
            line = process.stdout.readline() if readable else None
        except OSError:
            line = b""
        if line:
            return dict(json.loads(line))
        self._end()
        kind, message = (
            ("Sandbox.Timedout", f"Task timed out after {seconds} seconds")
            if line is None
            else ("Runtime.ExitError", "Runtime exited")
        )
        told = {"errorType": kind, "errorMessage": f"RequestId: {payload['invoke-id']} Error: {message}"}
        return {"is_error": True, "payload": told}
