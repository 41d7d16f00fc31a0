"""A MiniStack that somebody else keeps up, for the tests: it can be held still, and started anew with nothing in it."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from local_cloud.credentials import ANYBODY
from local_cloud.emulator import HOST, emulator_environment, free_port
from local_cloud.endpoint import is_healthy
from local_cloud.installation import ensure_emulator
from tests.polling import eventually

START_SECONDS = 90


class AnotherCloud:
    """A context manager: up inside the block, always at the same endpoint."""

    def __init__(self) -> None:
        self._python = ensure_emulator(print)
        self._port = free_port(0)
        self._folder = tempfile.TemporaryDirectory(prefix="another-cloud-")
        self.endpoint = f"http://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    def start_anew(self) -> None:
        """End it, and start it with nothing in it."""
        self._end()
        self._start()

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Have it answer nothing inside the block; what it is asked meanwhile it does after it."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def _start(self) -> None:
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        self._process = subprocess.Popen(
            [self._python, "-m", "ministack"],
            cwd=folder,
            env=emulator_environment(self._port, folder, ANYBODY),
            start_new_session=True,
        )
        eventually(lambda: is_healthy(self.endpoint), what="another cloud is healthy", within=START_SECONDS)

    def _end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
