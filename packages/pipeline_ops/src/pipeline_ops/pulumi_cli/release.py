"""Pulumi's official release: downloaded from where Pulumi publishes it, and checked against its checksum file."""

import hashlib
import platform
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from semver import Version

__all__ = ["ReleaseError", "download", "release_name"]

_BASE = "https://github.com/pulumi/pulumi/releases/download"
_CONNECT_SECONDS = 5.0
_CHUNK = 1 << 20
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class ReleaseError(Exception):
    """The release can't be had here; the message says why."""


def release_name(version: Version, system: str, machine: str) -> str:
    """Return the release archive's name for a system and machine as `platform` calls them.

    Raises ReleaseError where Pulumi publishes none.
    """
    architecture = _ARCHITECTURES.get(machine.lower())
    if system not in {"Linux", "Darwin"} or architecture is None:
        raise ReleaseError(f"there is no release for {system} on {machine}")
    return f"pulumi-v{version}-{system.lower()}-{architecture}.tar.gz"


def download(version: Version, folder: Path, on_progress: Callable[[str], None], base: str = _BASE) -> None:
    """Download the release, check it, and unpack the CLI and its language hosts into `folder`, which must not exist.

    Raises ReleaseError when it is not reachable within seconds, or is not what its checksum file says.
    """
    name = release_name(version, platform.system(), platform.machine())
    release = f"{base}/v{version}"
    try:
        with _open(f"{release}/pulumi-{version}-checksums.txt") as answer:
            wanted = _checksum(answer.read().decode(), name)
        on_progress(f"Downloading the Pulumi CLI {version} (once)")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as temporary:
            archive = Path(temporary) / name
            if _fetch(f"{release}/{name}", archive) != wanted:
                raise ReleaseError(f"{name} is not what its checksum file says")
            with tarfile.open(archive) as unpacked:
                unpacked.extractall(temporary, filter="data")
            (Path(temporary) / "pulumi").rename(folder)
    except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
        raise ReleaseError(f"the release can't be downloaded ({error})") from error


def _open(url: str) -> "urllib.request._UrlopenRet":
    return urllib.request.urlopen(url, timeout=_CONNECT_SECONDS)  # noqa: S310 (Pulumi's own address)


def _checksum(checksums: str, name: str) -> str:
    for line in checksums.splitlines():
        digest, _, file = line.partition(" ")
        if file.strip().lstrip("*") == name:
            return digest.lower()
    raise ReleaseError(f"the checksum file does not know {name}")


def _fetch(url: str, path: Path) -> str:
    digest = hashlib.sha256()
    with _open(url) as answer, path.open("wb") as file:
        while chunk := answer.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
