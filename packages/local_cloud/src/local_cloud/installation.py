"""The emulator's own virtual environment: made once per lock file and Python, and kept in the user's cache."""

import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, STDOUT

from uv import find_uv_bin

from local_cloud.cache import cache_root, make_once
from local_cloud.errors import LocalCloudError

__all__ = ["emulator_lock", "ensure_emulator"]

_PACKAGED_LOCK = Path(__file__).with_name("emulator.txt")
_CHECKOUT_LOCK = Path(__file__).parents[4] / "requirements" / "emulator.txt"
_INSTALL_SECONDS = 600
_TAIL_LINES = 15


def emulator_lock() -> Path:
    """Return the hashed requirement file: the one in the wheel, else the checkout's."""
    for lock in (_PACKAGED_LOCK, _CHECKOUT_LOCK):
        if lock.is_file():
            return lock
    raise LocalCloudError(f"The emulator's requirement file is missing: {_CHECKOUT_LOCK}")


def ensure_emulator(on_progress: Callable[[str], None], lock: Path | None = None) -> Path:
    """Return the Python that has the emulator installed, installing it when the cache hasn't this lock's.

    Every package is checked against its hash. Concurrent callers wait for the first, and an interrupted installation
    leaves nothing that looks finished. Raises LocalCloudError with the installer's last lines.
    """
    lock = lock or emulator_lock()
    home = cache_root() / "emulator" / _key(lock)
    python = home / "bin" / "python"

    def install() -> None:
        on_progress("Installing the emulator into an environment of its own (once, about 20 seconds)")
        _install(lock, home)

    # A link to a Python that was uninstalled since does not exist, and the environment is made again.
    make_once(home, python.exists, install)
    return python


def _key(lock: Path) -> str:
    # The interpreter belongs to the key: wheels are built for one Python on one machine.
    digest = hashlib.sha256(lock.read_bytes())
    digest.update(f"{sys.implementation.cache_tag} {platform.system()} {platform.machine()}".encode())
    return digest.hexdigest()[:20]


def _install(lock: Path, home: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=home.parent) as folder:
        fresh = Path(folder) / "venv"
        python = str(fresh / "bin" / "python")
        try:
            _uv("venv", "--python", _base_python(), str(fresh))
            _uv("pip", "install", "--python", python, "--require-hashes", "--requirement", str(lock))
        except (OSError, subprocess.SubprocessError) as error:
            said = error.stdout if isinstance(error, subprocess.CalledProcessError) else str(error)
            tail = "\n".join(said.strip().splitlines()[-_TAIL_LINES:])
            raise LocalCloudError(f"The emulator could not be installed from {lock.name}:\n{tail}") from error
        # Nothing in it is started by its scripts, whose first lines name the folder it was made in.
        fresh.rename(home)


def _base_python() -> str:
    # The interpreter behind the virtual environment that this may run in: an environment made from another one's
    # link would break with it.
    base = Path(getattr(sys, "_base_executable", "") or sys.executable)
    if base.exists():
        return str(base)
    return str(Path(sysconfig.get_config_var("BINDIR")) / f"python{sysconfig.get_python_version()}")


def _uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    asked = [find_uv_bin(), "--quiet", *arguments]
    subprocess.run(asked, env=environment, stdout=PIPE, stderr=STDOUT, text=True, timeout=_INSTALL_SECONDS, check=True)  # noqa: S603 (no shell)
