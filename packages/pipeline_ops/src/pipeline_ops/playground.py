"""The local cloud that stays up for developers: one per checkout, described in `.local/cloud.json` while it is up."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from local_cloud import Credentials
from local_cloud import endpoint as endpoints
from pipeline_ops.errors import OperatorError
from pipeline_ops.private_files import LOCAL_FOLDER, local_folder, open_private
from pipeline_ops.where import LOCAL_STOPS

if TYPE_CHECKING:
    from pipeline_ops.running_system import RunningSystem

__all__ = ["Playground", "Running"]

_START_SECONDS = 3600.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.2
_LOOK_SECONDS = 1.0
"""Seconds to wait: a process that only checks the lock holds it for an instant too."""


@dataclass(frozen=True)
class Running:
    """A playground that is up: its endpoint and key, where its state is, and the process that holds it."""

    endpoint: str
    credentials: Credentials
    state: str
    pid: int


class Playground:
    """The playground of one checkout, whose process holds a lock: one that crashed is told from one that is up."""

    def __init__(self, repository: Path) -> None:
        self._folder = repository / LOCAL_FOLDER
        self.description = self._folder / "cloud.json"
        self._log = self._folder / "cloud.log"
        self._repository = repository

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the process that holds the playground, for the block; raises OperatorError when another one does."""
        local_folder(self._repository)
        try:
            lock = self._lock().acquire(timeout=_LOOK_SECONDS)
        except Timeout:
            raise self._taken() from None
        with lock:
            self.description.unlink(missing_ok=True)  # one that crashed left it: its process may be another's by now
            try:
                yield
            finally:
                self.description.unlink(missing_ok=True)

    def describe(self, system: "RunningSystem") -> None:
        """Write `.local/cloud.json` all at once, for its owner's eyes, as by `mkstemp`: the cloud's key is in it."""
        content = json.dumps(_description(system), indent=2, sort_keys=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".cloud-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content + "\n")
        Path(name).replace(self.description)

    def running(self) -> Running | None:
        """Return the playground when it is up; raises OperatorError for a description that is none."""
        if not self._is_held():
            return None
        try:
            content = json.loads(self.description.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            content = None
        match content:
            case {
                "endpoint": str(endpoint),
                "credentials": {"aws_access_key_id": str(key), "aws_secret_access_key": str(secret)},
                "state": str(state),
                "pid": int(pid),
            } if pid > 0:
                return Running(endpoint, Credentials(key, secret), state, pid)
        raise OperatorError(
            f"{self.description} is not as the local cloud wrote it: end the process that holds it up, "
            "`python -m pipeline_ops local`, and start it again."
        )

    def running_at(self, endpoint: str | None) -> Running | None:
        """Return the playground when it is up and this is its endpoint, by either name of this machine, or None is."""
        running = self.running()
        if running is None or endpoint is None:
            return running
        is_it = endpoints.identity(endpoints.normalize(endpoint)) == endpoints.identity(running.endpoint)
        return running if is_it else None

    def detach(self, arguments: list[str], on_progress: Callable[[str], None]) -> Running:
        """Start a process that holds the playground, and return once it is up; it writes to `.local/cloud.log`."""
        local_folder(self._repository)
        try:
            # One at a time: a second one would write over the log of the first.
            starting = FileLock(self._folder / "starting.lock").acquire(timeout=0)
        except Timeout:
            raise self._taken() from None
        with starting:
            return self._start(arguments, on_progress)

    def _start(self, arguments: list[str], on_progress: Callable[[str], None]) -> Running:
        if self._is_held():
            raise self._taken()
        with open_private(self._log) as log:
            process = subprocess.Popen(  # noqa: S603 (this very program)
                [sys.executable, "-m", "pipeline_ops", "local", *arguments],
                cwd=self._repository,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            return self._wait_until_up(process, on_progress)
        except BaseException:
            _end(process)
            raise

    def stop(self) -> bool:
        """End the process that holds the playground, and wait for it; False when there is none."""
        running = self.running()
        if running is None:
            if self._is_held():
                raise OperatorError("The local cloud is still coming up: stop it once it is.")
            self.description.unlink(missing_ok=True)
            return False
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._is_held():
            if time.monotonic() > deadline:
                raise OperatorError(f"Process {running.pid} did not end within {_STOP_SECONDS:.0f} seconds.")
            time.sleep(_POLL_SECONDS)
        return True

    def _wait_until_up(self, process: subprocess.Popen[bytes], on_progress: Callable[[str], None]) -> Running:
        deadline = time.monotonic() + _START_SECONDS
        with self._log.open(encoding="utf-8", errors="replace") as log:
            while process.poll() is None and time.monotonic() < deadline:
                running = self.running()
                if running is not None and running.pid == process.pid:
                    return running
                for line in log:
                    on_progress(line.rstrip("\n"))
                time.sleep(_POLL_SECONDS)
            if self._is_held():
                raise self._taken()
            for line in log:
                on_progress(line.rstrip("\n"))
        raise OperatorError(f"The local cloud did not come up; what it said is in {self._log}.")

    def _taken(self) -> OperatorError:
        running = self.running()
        if running is None:
            return OperatorError(f"The local cloud is already coming up: `{LOCAL_STOPS}` ends it once it is up.")
        return OperatorError(f"The local cloud is already up at {running.endpoint}: `{LOCAL_STOPS}` ends it.")

    def _is_held(self) -> bool:
        if not self._folder.exists():
            return False
        try:
            with self._lock().acquire(timeout=0):
                return False
        except Timeout:
            return True

    def _lock(self) -> FileLock:
        # A new object each time: one that is held already would let its own process in again.
        return FileLock(self._folder / "cloud.lock")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _description(system: "RunningSystem") -> Mapping[str, Any]:
    cloud = system.cloud
    return {
        "endpoint": cloud.endpoint,
        "region": cloud.region,
        "credentials": {
            "aws_access_key_id": cloud.credentials.access_key_id,
            "aws_secret_access_key": cloud.credentials.secret_access_key,
        },
        "pid": os.getpid(),
        "state": system.deployment.backend.url,
        "stacks": {name: dict(outputs) for name, outputs in system.outputs.items()},
    }
