"""The stacks' outputs, read from Pulumi's state; only a state that nothing else can read needs the Pulumi CLI.

Why so: docs/adr/0012-contracts-from-the-state.md.
"""

import gzip
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_common.contracts import Contract, MissingOutputError
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.pulumi_cli import ensure
from pipeline_ops.state import Backend, secrets_environment
from pipeline_ops.state_files import damage

__all__ = ["StackOutputs", "UnreadHereError", "read_state"]

SECRET = "[secret]"  # noqa: S105 (what is shown in place of one, as by Pulumi itself)
_SIGNATURE, _OF_SECRETS = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""The key of what is no plain value in a state, and its value for secrets.

https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/sig/sig.go
"""

_ROOT = "pulumi:pulumi:Stack"
_NO_STACK = "no stack named"
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, BotoCoreError, ClientError)

_SUFFIXES = (".json", ".json.gz", ".json.zst")
_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""What Go reads as true: https://pkg.go.dev/strconv#ParseBool."""

_PATH_STYLE = ("use_path_style", "s3ForcePathStyle")
_WITHOUT_TLS = ("disable_https", "disableSSL")
_READ_HERE = {"region", "endpoint", "profile", *_PATH_STYLE, *_WITHOUT_TLS}
_OF_WRITES = {"awssdk", "ssetype", "kmskeyid", "request_checksum_calculation"}

C = TypeVar("C", bound=Contract)


class StackOutputs:
    """Reads outputs from a backend; every method raises OperatorError where the state can't be read."""

    def __init__(self, projects: Projects, backend: Backend, say: Callable[[str], None] = lambda _: None) -> None:
        self._projects = projects
        self._backend = backend
        self._say = say

    def of(self, stack: StackId) -> dict[str, Any]:
        """Return a stack's outputs, a secret as `[secret]`; raises OperatorError where it is not deployed."""
        outputs = self.find(stack)
        if outputs is None:
            raise OperatorError(f"{stack} is not deployed: `{self._projects.command('deploy', stack)}`.")
        return outputs

    def find(self, stack: StackId) -> dict[str, Any] | None:
        """Return a stack's outputs, a secret as `[secret]`; None where it is not deployed: it has no resources."""
        try:
            content = read_state(self._backend, stack)
            return None if content is None else _outputs(json.loads(content))
        except UnreadHereError:
            return self._told_by_pulumi(stack)
        except _UNREADABLE as error:
            raise OperatorError(
                damage(self._backend, self._projects)
                or f"The state of {stack} at {self._backend.shown} can't be read: {error}."
            ) from error

    def contract(self, contract: type[C], environment: str) -> C:
        """Return what a project's stack promises; raises OperatorError too where it was deployed before the promise."""
        stack = StackId(contract.PROJECT, environment)
        return self._parsed(contract, stack, self.of(stack))

    def find_contract(self, contract: type[C], environment: str) -> C | None:
        """Return what a project's stack promises; None where it is not deployed."""
        stack = StackId(contract.PROJECT, environment)
        outputs = self.find(stack)
        return None if outputs is None else self._parsed(contract, stack, outputs)

    def _parsed(self, contract: type[C], stack: StackId, outputs: Mapping[str, Any]) -> C:
        try:
            return contract.parse(outputs)
        except MissingOutputError as error:
            helps = self._projects.command("deploy", stack)
            raise OperatorError(f"{stack} was deployed by another release, without {error.name}: `{helps}`.") from error

    def _told_by_pulumi(self, stack: StackId) -> dict[str, Any] | None:
        settings = self._projects.settings(stack).values
        environment = os.environ | secrets_environment(self._backend, settings, os.environ)
        environment |= {"PULUMI_BACKEND_URL": self._backend.url, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        executable = ensure(self._say)
        self._say(f"Asking Pulumi for the outputs of {stack}")
        with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
            self._projects.copy_settings(stack, Path(folder))
            answer = subprocess.run(  # noqa: S603 (the CLI that `ensure` found)
                [executable, "--non-interactive", "stack", "output", "--json", "--stack", stack.environment],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        if answer.returncode == 0:
            return json.loads(answer.stdout or "{}") or None
        if _NO_STACK in answer.stderr:
            return None
        said = " ".join(answer.stderr.split()).removeprefix("error: ").replace(self._backend.url, self._backend.shown)
        raise OperatorError(f"Pulumi can't read the state of {stack} at {self._backend.shown}: {said}.")


def _outputs(state: Any) -> dict[str, Any] | None:
    """Return the outputs in a state's document; None where it has no resources."""
    resources = (state["checkpoint"].get("latest") or {}).get("resources")
    if not resources:
        return None
    roots = (each for each in resources if each["type"] == _ROOT and not each.get("parent"))
    outputs = next((each.get("outputs") for each in roots), None)
    return {name: _masked(value) for name, value in (outputs or {}).items()}


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get(_SIGNATURE) == _OF_SECRETS:
        return SECRET
    return {name: _masked(each) for name, each in value.items()}


class UnreadHereError(Exception):
    """The state is where, or as, Pulumi alone can read it."""


def read_state(backend: Backend, stack: StackId) -> bytes | None:
    """Return the JSON document of a stack's state, if there is one; raises UnreadHereError, OSError, botocore's."""
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
