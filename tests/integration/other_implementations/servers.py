"""S3 and DynamoDB as others have written them: got once per user, and run on this machine alone."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_cloud import ANYBODY, Credentials, supervisor
from local_cloud.cache import cache_root, make_once
from local_cloud.emulator import HOST, free_port
from pipeline_ops.go_program import GoProgram
from tests.polling import eventually

__all__ = ["MissingError", "Server", "dynalite", "versitygw"]

HERE = Path(__file__).parent
NPM_SECONDS = 300
START_SECONDS = 60


class MissingError(Exception):
    """It can't be had here; the message says why."""


@dataclass(frozen=True)
class Server:
    """One that is up: its address, and a key that it takes."""

    endpoint: str
    credentials: Credentials


@contextmanager
def versitygw(folder: Path) -> Iterator[Server]:
    """Run Versity's S3 gateway over folders of files, with versions, until the block ends.

    Raises BuildError or MissingError where it can't be had.
    """
    _see_attributes(folder)
    program = _versitygw()
    credentials = Credentials.random()
    objects, versions = folder / "objects", folder / "versions"
    objects.mkdir()
    versions.mkdir()
    port = free_port(0)
    address = ("--port", f"{HOST}:{port}")
    command = [str(program), *address, "--quiet", "posix", "--versioning-dir", str(versions), str(objects)]
    key = {"ROOT_ACCESS_KEY": credentials.access_key_id, "ROOT_SECRET_KEY": credentials.secret_access_key}
    with _running(command, folder, port, key):
        yield Server(f"http://{HOST}:{port}", credentials)


@contextmanager
def dynalite(folder: Path) -> Iterator[Server]:
    """Run dynalite, in memory, until the block ends; raises MissingError where it can't be had."""
    program = _dynalite()
    port = free_port(0)
    with _running([*program, "--host", HOST, "--port", str(port), "--createTableMs", "0"], folder, port, {}):
        yield Server(f"http://{HOST}:{port}", ANYBODY)


def _see_attributes(folder: Path) -> None:
    # The gateway can keep an object's metadata beside the files instead, but then an earlier object's come back.
    if not hasattr(os, "setxattr"):
        return
    try:
        os.setxattr(folder, "user.test", b"")
    except OSError as error:
        raise MissingError(f"the file system of {folder} keeps no attributes, which versitygw needs") from error


def _versitygw() -> Path:
    gateway = GoProgram(
        name="versitygw",
        title="versitygw",
        package="github.com/versity/versitygw/cmd/versitygw",
        module=HERE / "versitygw",
        takes="minutes on two cores",
    )
    folder = cache_root() / "versitygw" / _digest(HERE / "versitygw" / "go.sum")
    make_once(folder, (folder / "versitygw").exists, lambda: gateway.build(folder, print))
    return folder / "versitygw"


def _dynalite() -> Sequence[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise MissingError("node or npm is not on PATH")
    folder = cache_root() / "dynalite" / _digest(HERE / "dynalite" / "package-lock.json")
    program = folder / "node_modules" / "dynalite" / "cli.js"
    make_once(folder, program.exists, lambda: _install(npm, folder))
    return node, str(program)


def _install(npm: str, folder: Path) -> None:
    fresh = folder.with_name(f".installing-{folder.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(HERE / "dynalite", fresh)
    try:
        # By the lock's hashes alone; no package runs anything while it is installed.
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=fresh, check=True, capture_output=True, text=True, timeout=NPM_SECONDS)
        fresh.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise MissingError(f"npm could not install dynalite: {said.strip()[-500:]}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:20]


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int, variables: Mapping[str, str]) -> Iterator[None]:
    """Run a server until the block ends, or this process does, whatever ends that."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, str(work), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=work,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(work), **variables},
            start_new_session=True,
        )
    try:
        eventually(
            lambda: process.poll() is not None or _listens(port), what=f"{command[0]} listens", within=START_SECONDS
        )
        assert process.poll() is None, log.read_text(errors="replace")
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(START_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0
