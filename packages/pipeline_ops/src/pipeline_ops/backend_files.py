"""The files of a backend in a folder or a bucket of S3, and a stack's state as Pulumi keeps it there.

Where that is, and what it may be compressed by, is Pulumi's own:
https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/backend/diy/store.go (`StackBasePath`) and `state.go` (`stackPath`,
`getCheckpoint`), `lock.go` (`stackLockDir`).
"""

import glob
import gzip
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from pipeline_ops.private_files import make_missing_folders, open_private
from pipeline_ops.projects import StackId
from pipeline_ops.state import Backend

__all__ = ["BackendFiles", "UnreadHereError", "files_of", "is_locked", "read_state"]

_SUFFIXES = (".json", ".json.gz", ".json.zst")
_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""What Go reads as true: https://pkg.go.dev/strconv#ParseBool."""

_PATH_STYLE = ("use_path_style", "s3ForcePathStyle")
_WITHOUT_TLS = ("disable_https", "disableSSL")
_READ_HERE = {"region", "endpoint", "profile", *_PATH_STYLE, *_WITHOUT_TLS}
_OF_WRITES = {"awssdk", "ssetype", "kmskeyid", "request_checksum_calculation"}


class UnreadHereError(Exception):
    """The state is where, or as, Pulumi alone can read it."""


class BackendFiles(Protocol):
    """The files of a backend, by their names from its root; each method raises OSError or botocore's errors."""

    def listed(self, start: str) -> Mapping[str, Any]:
        """Return when each file was written whose name begins so."""

    def read(self, name: str) -> bytes:
        """Return what is in a file."""

    def write(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""


def files_of(backend: Backend) -> BackendFiles:
    """Return a backend's files; raises UnreadHereError where only Pulumi can reach them."""
    url = urlsplit(backend.url)
    if backend.folder is not None:
        return _Folder(backend.folder)
    if url.scheme == "s3":
        options = dict(parse_qsl(url.query))
        return _Bucket(_s3(options), url.netloc, f"{url.path.strip('/')}/".lstrip("/"), options)
    raise UnreadHereError


def read_state(backend: Backend, stack: StackId) -> bytes | None:
    """Return the JSON document of a stack's state; None where there is none.

    Raises UnreadHereError, OSError, and botocore's errors.
    """
    files = files_of(backend)
    base = f".pulumi/stacks/{stack.project}/{stack.environment}"
    listed = files.listed(f"{base}.json")
    times = {name: listed[name] for suffix in _SUFFIXES if (name := f"{base}{suffix}") in listed}
    # The one that was written last, as Pulumi does: one in another compression may have been left behind.
    content = files.read(max(times, key=times.__getitem__)) if times else None
    if content is not None and content.startswith(_ZSTD):
        raise UnreadHereError
    return gzip.decompress(content) if content is not None and content.startswith(_GZIP) else content


def is_locked(backend: Backend, stack: StackId) -> bool:
    """Tell whether a run on the stack goes on, or was killed; not where that can't be told but by Pulumi."""
    with suppress(UnreadHereError, OSError, BotoCoreError, ClientError):
        return bool(files_of(backend).listed(f".pulumi/locks/organization/{stack.project}/{stack.environment}/"))
    return False


@dataclass(frozen=True)
class _Folder:
    folder: Path

    def listed(self, start: str) -> Mapping[str, Any]:
        place, _, name = start.rpartition("/")
        found = (self.folder / place).glob(f"{glob.escape(name)}*")
        # What a `write` that was killed has left begins with a dot.
        files = (path for path in found if path.is_file() and not path.name.startswith("."))
        return {str(path.relative_to(self.folder)): path.stat().st_mtime_ns for path in files}

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        make_missing_folders(path.parent)
        fresh = path.with_name(f".{path.name}.new")
        with open_private(fresh) as file:
            file.write(text)
        fresh.replace(path)


@dataclass(frozen=True)
class _Bucket:
    s3: Any
    name: str
    prefix: str
    options: Mapping[str, str]

    def listed(self, start: str) -> Mapping[str, Any]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix + start)
        found = (each for page in pages for each in page.get("Contents", ()))
        return {each["Key"].removeprefix(self.prefix): each["LastModified"] for each in found}

    def read(self, name: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=self.name, Key=self.prefix + name)["Body"].read()
        return content

    def write(self, name: str, text: str) -> None:
        encryption = {"ServerSideEncryption": "ssetype", "SSEKMSKeyId": "kmskeyid"}
        given = {theirs: self.options[option] for theirs, option in encryption.items() if option in self.options}
        self.s3.put_object(Bucket=self.name, Key=self.prefix + name, Body=text.encode(), **given)


def _s3(options: Mapping[str, str]) -> Any:
    """Return a client as the URL's parameters have it; raises UnreadHereError for one that is not known here.

    https://github.com/google/go-cloud/blob/v0.46.0/blob/s3blob/s3blob.go (`URLOpener`) and aws/aws.go
    (`V2ConfigFromURLParams`); the former names by `translateLegacyS3Params` of Pulumi's backend.go.
    """
    if set(options) - _READ_HERE - _OF_WRITES:
        raise UnreadHereError
    without_tls = any(options.get(name) in _TRUE for name in _WITHOUT_TLS)
    endpoint = options.get("endpoint")
    if endpoint is not None and "://" not in endpoint:
        endpoint = f"{'http' if without_tls else 'https'}://{endpoint}"
    path_style = any(options.get(name) in _TRUE for name in _PATH_STYLE)
    return Session(profile=options.get("profile")).create_client(
        "s3",
        region_name=options.get("region"),
        endpoint_url=endpoint,
        use_ssl=not without_tls,
        config=Config(s3={"addressing_style": "path" if path_style else "auto"}),
    )
