"""A function's code as an archive that is the same on every machine and in every run.

What goes in is decided by three things under version control: the hashed lock of the dependencies, the package's
sources, and the Python that makes byte code of both. What an installer leaves behind that differs between machines
(records, scripts with their interpreter's path, byte code with times) is taken out, and so is what a function never
reads (other services' API descriptions, 27 of 37 MB).

The tree is put into the engine's working folder, and the archive names it by its path there: an absolute path would
differ between machines in the stack's state. By hand (`pulumi up`) that is the current folder; whoever runs a program
for an engine that works elsewhere says so with `engine_folder`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pulumi
from filelock import FileLock
from platformdirs import user_cache_path
from uv import find_uv_bin

from pipeline_common.infra.byte_code import RUNTIME_PYTHON, Python, compile_command, runtime_python
from pipeline_common.release import deployed_version

__all__ = [
    "ARCHITECTURE",
    "LOCK",
    "RUNTIME",
    "ArchiveError",
    "archived_packages",
    "build",
    "cache_root",
    "engine_folder",
    "function_archive",
    "with_document",
]

RUNTIME = f"python{RUNTIME_PYTHON.rpartition('.')[0]}"
"""The functions' runtime, for which the dependencies are chosen too."""

ARCHITECTURE = "arm64"
"""The functions' processor; dependencies are pure Python, so that the same archive runs on any."""

AWS_SERVICES = frozenset({"dynamodb", "kms", "lambda", "s3", "sns", "sqs", "sts"})
"""The services whose API descriptions the functions can load; sts is what credentials may come from."""

LOCK = Path("requirements", "lambda.txt")
"""The functions' dependencies, from the repository's folder."""

_BUILD_FOLDER = ".build"
_MOST_SECONDS = 600
_TAIL_LINES = 15
_MACHINE_DEPENDENT = frozenset(
    {".lock", "INSTALLER", "RECORD", "REQUESTED", "__pycache__", "bin", "direct_url.json", "uv_cache.json"}
)
_API_DESCRIPTIONS = Path("botocore", "data")
_AFTER_NAME = re.compile(r"[^A-Za-z0-9._-]")
_COMPILED = frozenset({".dll", ".dylib", ".pyd", ".so"})

_BYTE_CODE = "DATA_PIPELINE_BYTE_CODE"
"""The variable by whose value `none` somebody who can't have the runtime's Python deploys a release all the same."""

_folder: ContextVar[Path | None] = ContextVar("engine_folder", default=None)
_python: ContextVar[Python | None] = ContextVar("functions_python", default=None)


class ArchiveError(pulumi.RunError):
    """The archive can't be built; the message says why."""


@contextmanager
def engine_folder(folder: Path, python: Python | None = None) -> Iterator[None]:
    """Say in which folder the engine works that the program inside the block declares resources to.

    `python` is what runs the functions where that is not Lambda.
    """
    tokens = _folder.set(folder), _python.set(python)
    try:
        yield
    finally:
        _folder.reset(tokens[0])
        _python.reset(tokens[1])


def function_archive(package: str, *, repository: Path) -> pulumi.AssetArchive:
    """Return the archive of a package under `packages/` with its dependencies, put together of what is at its top.

    The first build for a lock installs from the package registry (a few seconds), every hash checked; later ones
    only copy from the user's cache. Where the Python that makes the byte code can't be had, there is none, which is
    told; a release's archive is the same wherever it is deployed, so this refuses it. Raises ArchiveError.
    """
    relative = f"{_BUILD_FOLDER}/{package}"
    folder = (_folder.get() or Path.cwd()) / relative
    build(package, repository=repository, into=folder, python=_python.get() or _lambda_python())
    parts = {path.name: f"./{relative}/{path.name}" for path in sorted(folder.iterdir())}
    return pulumi.AssetArchive(
        {
            name: (pulumi.FileArchive if (folder / name).is_dir() else pulumi.FileAsset)(path)
            for name, path in parts.items()
        }
    )


def with_document(code: pulumi.AssetArchive, name: str, document: pulumi.Input[Any]) -> pulumi.Output[pulumi.Archive]:
    """Return an archive with a JSON document beside the code, so that a function's version is one of both."""
    text = pulumi.Output.json_dumps(document, sort_keys=True, indent=1)
    return text.apply(lambda written: pulumi.AssetArchive({**code.assets, name: pulumi.StringAsset(written)}))


def _lambda_python() -> Python | None:
    if os.environ.get(_BYTE_CODE) != "none":
        if python := runtime_python():
            return python
        if deployed_version().is_release:
            raise ArchiveError(
                f"Python {RUNTIME_PYTHON} can't be had, and a release's functions have its byte code: get it by `uv "
                f"python install {RUNTIME_PYTHON}`, or deploy without by setting {_BYTE_CODE}=none."
            )
    pulumi.log.warn(f"The functions get no byte code of Python {RUNTIME_PYTHON}: each cold start takes longer.")
    return None


def build(package: str, *, repository: Path, into: Path, python: Python | None = None) -> None:
    """Make the archive's tree: the locked dependencies, and beside them the package and those of ours that it needs.

    All of them have byte code where a `python` is given that makes it. Replaces what is there. Raises ArchiveError for
    a package that does not exist, or when installing fails.
    """
    packages = repository / "packages"
    ours = archived_packages(package, packages)
    shutil.rmtree(into, ignore_errors=True)
    # What a release's notes have a digest of is without byte code: it is made of that, and not what a cache has.
    is_release = deployed_version().is_release
    shutil.copytree(_dependencies(repository / LOCK, None if is_release else python), into)
    for name in ours:
        sources = packages / name / "src" / name
        shutil.copytree(sources, into / name, ignore=shutil.ignore_patterns(*_MACHINE_DEPENDENT))
    if python:
        _compile(python, into, ["."] if is_release else ours)
    _settle_modes(into)


def archived_packages(package: str, packages: Path) -> list[str]:
    """Return the package and, as their pyproject.toml files say, the packages beside it that it needs.

    Raises ArchiveError for a package that does not exist.
    """
    found = [package]
    for name in found:  # which grows while it is walked
        project = packages / name / "pyproject.toml"
        if not project.is_file() or not (packages / name / "src" / name).is_dir():
            raise ArchiveError(f"There is no package {name!r} to build a function from in {packages}.")
        needed = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("dependencies", [])
        modules = (_AFTER_NAME.split(each, maxsplit=1)[0].replace("-", "_") for each in needed)
        found += [each for each in modules if (packages / each).is_dir() and each not in found]
    return found


def _dependencies(lock: Path, python: Python | None) -> Path:
    """Return the folder of the lock's dependencies in the user's cache, installed when it is not there."""
    rules = repr((RUNTIME, sorted(AWS_SERVICES), sorted(_MACHINE_DEPENDENT), python and python.version))
    key = hashlib.sha256(lock.read_bytes() + rules.encode()).hexdigest()[:20]
    home = cache_root() / "lambda" / key
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not home.exists():
            with tempfile.TemporaryDirectory(prefix=".installing-", dir=home.parent) as folder:
                fresh = Path(folder) / "site"
                _install(lock, fresh)
                _strip(fresh)
                if python:
                    _compile(python, fresh, ["."])
                fresh.rename(home)
    return home


def cache_root() -> Path:
    """Return the folder of what is made once for a user: `DATA_PIPELINE_CACHE`, or the system's own for that."""
    given = os.environ.get("DATA_PIPELINE_CACHE")
    return Path(given).absolute() if given else user_cache_path("data-pipeline", appauthor=False)


def _install(lock: Path, folder: Path) -> None:
    """Install the lock for the functions' runtime, whichever Python this is.

    Every hash is checked. Raises ArchiveError with uv's last lines.
    """
    target = ["--python-version", RUNTIME.removeprefix("python"), "--python-platform", "aarch64-manylinux2014"]
    checked = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    into = ["--target", str(folder), "--requirement", str(lock)]
    command = [find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable, *target, *checked, *into]
    _run(command, f"The functions' dependencies could not be installed from {LOCK}")


def _compile(python: Python, folder: Path, packages: Iterable[str]) -> None:
    _run(compile_command(python, folder, packages), f"Python {python.version} could not compile the functions' code")


def _run(command: Sequence[str], failed: str) -> None:
    """Run a command; raises ArchiveError with its last lines."""
    try:
        subprocess.run(  # noqa: S603 - no shell, and every word is ours
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_MOST_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = error.stdout if isinstance(error, subprocess.CalledProcessError) else str(error)
        tail = "\n".join(said.strip().splitlines()[-_TAIL_LINES:])
        raise ArchiveError(f"{failed}:\n{tail}") from error


def _strip(folder: Path) -> None:
    """Take out what differs between machines and what no function reads. Raises ArchiveError for compiled code."""
    _remove(path for path in folder.rglob("*") if path.name in _MACHINE_DEPENDENT)
    # Not only services have a folder's worth there: endpoints, partitions and retry rules are files beside them.
    _remove(path for path in (folder / _API_DESCRIPTIONS).glob("*/") if path.name not in AWS_SERVICES)
    compiled = sorted(path.name for path in folder.rglob("*") if path.suffix in _COMPILED)
    if compiled:
        raise ArchiveError(
            f"{LOCK} brings compiled code ({', '.join(compiled)}), which would run on {ARCHITECTURE} only: "
            "the functions' dependencies are pure Python."
        )


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):  # a list, since what is walked changes
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _settle_modes(folder: Path) -> None:
    # The function's user must be able to read everything, whatever the umask was here.
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
