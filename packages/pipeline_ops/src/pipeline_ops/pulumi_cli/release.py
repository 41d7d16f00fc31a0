"""Pulumi's official release: downloaded from where Pulumi publishes it, and checked by a digest that stands here."""

import hashlib
import http.client
import platform
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from semver import Version

__all__ = ["DIGESTS", "ReleaseError", "download", "release_name"]

_BASE = "https://github.com/pulumi/pulumi/releases/download"
_CONNECT_SECONDS = 5.0
_CHUNK = 1 << 20
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}

DIGESTS = {
    "pulumi-v3.259.0-darwin-arm64.tar.gz": "57c27f179e527e2cf9f62b841a448af72a020e44b2fb4ee0d9bd85556c00c864",
    "pulumi-v3.259.0-darwin-x64.tar.gz": "eaca4c3b8277bfa3ab061fa3b270d1c66358a0b2e613da8c5587a04b7226c534",
    "pulumi-v3.259.0-linux-arm64.tar.gz": "edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853",
    "pulumi-v3.259.0-linux-x64.tar.gz": "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
}
"""The SHA-256 digest of each archive that may be used, by its name.

They are Pulumi's own, from another place than the archives: the formula of the version at
https://github.com/pulumi/homebrew-tap/blob/master/Formula/pulumi.rb. Who serves another archive would have to change
this file too; and one of a version or platform that is not listed is not used.
"""


class ReleaseError(Exception):
    """The release can't be had here; the message says why."""


def release_name(version: Version, system: str, machine: str) -> str:
    """Return the release archive's name for a system and machine as `platform` calls them; raises ReleaseError."""
    architecture = _ARCHITECTURES.get(machine.lower())
    if system not in {"Linux", "Darwin"} or architecture is None:
        raise ReleaseError(f"there is no release for {system} on {machine}")
    return f"pulumi-v{version}-{system.lower()}-{architecture}.tar.gz"


def download(
    version: Version,
    folder: Path,
    on_progress: Callable[[str], None],
    base: str = _BASE,
    digests: Mapping[str, str] = DIGESTS,
) -> None:
    """Download the release, check it, and unpack the CLI and its language hosts into `folder`, which must not exist.

    Raises ReleaseError when it is not reachable within seconds, or is not what `digests` says.
    """
    name = release_name(version, platform.system(), platform.machine())
    if name not in digests:
        raise ReleaseError(f"this repository has no digest to check {name} by")
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as temporary:
            archive = Path(temporary) / name
            if _fetch(f"{base}/v{version}/{name}", archive, on_progress) != digests[name]:
                raise ReleaseError(f"{name} is not what its digest in this repository says")
            with tarfile.open(archive) as unpacked:
                unpacked.extractall(temporary, filter="data")
            (Path(temporary) / "pulumi").rename(folder)
    except (OSError, http.client.HTTPException, tarfile.TarError) as error:
        raise ReleaseError(f"the release can't be downloaded ({error})") from error


def _fetch(url: str, path: Path, on_progress: Callable[[str], None]) -> str:
    digest = hashlib.sha256()
    with (
        urllib.request.urlopen(url, timeout=_CONNECT_SECONDS) as answer,  # noqa: S310 (Pulumi's own address)
        path.open("wb") as file,
    ):
        on_progress(f"Downloading {path.name} (once)")
        while chunk := answer.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
