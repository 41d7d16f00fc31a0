"""A stack's state as Pulumi keeps it in a folder or a bucket of S3, read without running Pulumi.

Where it is, and what it may be compressed by, is Pulumi's own:
https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/backend/diy/store.go (`StackBasePath`) and `state.go` (`stackPath`,
`getCheckpoint`).
"""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import boto3
from botocore.config import Config

from pipeline_ops.projects import StackId
from pipeline_ops.state import Backend

__all__ = ["UnreadHereError", "read_state"]

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


def read_state(backend: Backend, stack: StackId) -> bytes | None:
    """Return the JSON document of a stack's state; None where there is none.

    Raises UnreadHereError, OSError, and botocore's errors.
    """
    base = f".pulumi/stacks/{stack.project}/{stack.environment}"
    url = urlsplit(backend.url)
    if backend.folder is not None:
        content = _in_folder(backend.folder, base)
    elif url.scheme == "s3":
        content = _in_bucket(url, base)
    else:
        raise UnreadHereError
    if content is not None and content.startswith(_ZSTD):
        raise UnreadHereError
    return gzip.decompress(content) if content is not None and content.startswith(_GZIP) else content


def _in_folder(folder: Path, base: str) -> bytes | None:
    times = {path: path.stat().st_mtime_ns for suffix in _SUFFIXES if (path := folder / f"{base}{suffix}").is_file()}
    return _newest(times, Path.read_bytes)


def _in_bucket(url: SplitResult, base: str) -> bytes | None:
    s3 = _s3(dict(parse_qsl(url.query)))
    prefix = url.path.strip("/")
    start = f"{prefix}/{base}" if prefix else base
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=url.netloc, Prefix=f"{start}.json")
    listed = {found["Key"]: found["LastModified"] for page in pages for found in page.get("Contents", ())}
    times = {key: listed[key] for suffix in _SUFFIXES if (key := f"{start}{suffix}") in listed}
    return _newest(times, lambda key: s3.get_object(Bucket=url.netloc, Key=key)["Body"].read())


def _newest(times: Mapping[Any, Any], read: Callable[[Any], bytes]) -> bytes | None:
    """Read the variant that was written last, as Pulumi does: one in another compression may have been left behind."""
    return read(max(times, key=times.__getitem__)) if times else None


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
    return boto3.Session(profile_name=options.get("profile")).client(
        "s3",
        region_name=options.get("region"),
        endpoint_url=endpoint,
        use_ssl=not without_tls,
        config=Config(s3={"addressing_style": "path" if path_style else "auto"}),
    )
