"""The emulator's process: started on a free port of this machine, supervised, and ended with its owner."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from local_cloud import supervisor
from local_cloud.cache import cache_root
from local_cloud.credentials import Credentials
from local_cloud.endpoint import wait_until_healthy
from local_cloud.errors import LocalCloudError
from local_cloud.installation import ensure_emulator

__all__ = ["HOST", "PREFERRED_PORT", "EmulatorProcess", "emulator_environment", "start_emulator"]

HOST = "127.0.0.1"
PREFERRED_PORT = 4566
"""What LocalStack and MiniStack listen on by default, and so what tools try first."""

_START_SECONDS = 90.0
_STOP_SECONDS = 10.0
_ATTEMPTS = 3
_TAIL_LINES = 15


_PROGRAM = Path(__file__).with_name("guarded_emulator.py")
"""A file and no module here: the Python that runs it is the emulator's."""


class EmulatorProcess:
    """A running emulator that ends with this object's `stop`, or with the process that holds it, whatever ends that.

    It answers only what is signed with `credentials`, which are its own and made anew for each.
    """

    def __init__(self, python: Path, port: int) -> None:
        self.endpoint = f"http://{HOST}:{port}"
        self.credentials = Credentials.random()
        self._folder = Path(tempfile.mkdtemp(prefix="local-cloud-"))
        # Without a name, because the folder goes with the emulator, and its last words are wanted after that.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        # The supervisor gets a session of its own: the terminal's Ctrl-C is for the owner, who may still have to
        # destroy what is deployed before the cloud goes away.
        self._process = subprocess.Popen(  # noqa: S603 (no shell, and nothing of a user's in it)
            [sys.executable, "-I", supervisor.__file__, str(self._folder), str(python), "-I", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env=emulator_environment(port, self._folder, self.credentials),
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        """Tell whether the emulator's supervisor, which ends with it, still runs."""
        return self._process.poll() is None

    def log_tail(self) -> str:
        """Return the emulator's last lines; not after `stop`."""
        self._log.seek(0)
        return "\n".join(self._log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:])

    def stop(self) -> None:
        """End the emulator and all its workers, and remove its files. Again is fine."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def emulator_environment(port: int, folder: Path, credentials: Credentials) -> dict[str, str]:
    """Return the emulator's whole environment: nothing of the user's AWS, proxies, home or Python reaches it.

    Its Lambda workers inherit it, so a function deployed here finds no real credentials either, and signs with the
    secret of the emulator's own.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "NO_PROXY": f"{HOST},localhost",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "LOG_LEVEL": "WARNING",
        "LAMBDA_EXECUTOR": "local",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def start_emulator(on_progress: Callable[[str], None]) -> EmulatorProcess:
    """Install the emulator where needed, start it on port 4566 or any free one, and wait until it is healthy.

    Raises LocalCloudError with the emulator's last lines when it does not become healthy in time.
    """
    python = ensure_emulator(on_progress)
    locks = cache_root() / "emulator"
    # One start at a time per user: between finding a port free and listening on it another start may take it.
    with FileLock(locks / "start.lock"):
        tail = ""
        for _ in range(_ATTEMPTS):
            port = free_port(PREFERRED_PORT)
            on_progress(f"Starting the emulator on port {port}")
            process = EmulatorProcess(python, port)
            try:
                healthy = wait_until_healthy(process.endpoint, _START_SECONDS, process.is_alive)
            except BaseException:
                process.stop()
                raise
            if healthy:
                return process
            tail = process.log_tail()
            process.stop()
    raise LocalCloudError(f"The emulator did not start on {HOST}:\n{tail}")


def free_port(preferred: int) -> int:
    """Return the preferred port when nothing listens on it, else any free one."""
    for port in (preferred, 0):
        # Without SO_REUSEADDR a port of a listener on any address is refused, which is what is asked here; with it,
        # a port whose last connections are still closing would be free too.
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            return int(listener.getsockname()[1])
    raise LocalCloudError(f"No port of {HOST} is free")
