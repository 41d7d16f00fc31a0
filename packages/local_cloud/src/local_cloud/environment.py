"""The environment in which Pulumi and its programs run against the local cloud, and nothing else."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from local_cloud.credentials import Credentials

__all__ = ["isolated_environment", "only_environment"]

_FOREIGN_PREFIXES = ("AWS_", "PULUMI_")


def isolated_environment(
    environ: Mapping[str, str], *, endpoint: str, region: str, credentials: Credentials
) -> dict[str, str]:
    """Return `environ` without anything of AWS or Pulumi in it, pointed at the endpoint.

    Whatever client is made in it without an endpoint of its own still reaches the emulator only, and Pulumi never
    downloads a provider: one that isn't on PATH is an error.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
    host = urlsplit(endpoint).hostname or ""
    listed = (environ.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    given = (place.strip() for value in listed for place in value.split(",") if place.strip())
    # gRPC to the engine and HTTP to the emulator would otherwise go to a proxy of the user's.
    direct = ",".join(dict.fromkeys(("127.0.0.1", "localhost", host, *given)))
    return kept | {
        "NO_PROXY": direct,
        "no_proxy": direct,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


@contextmanager
def only_environment(environment: Mapping[str, str]) -> Iterator[None]:
    """Make `environment` this process's whole environment inside the block, and put the old one back after it.

    Pulumi's Automation API lays its variables over this process's, so one of the user's can only be hidden by removal.
    """
    before = dict(os.environ)
    changed = {name for name in before.keys() | environment.keys() if before.get(name) != environment.get(name)}
    _set({name: environment.get(name) for name in changed})
    try:
        yield
    finally:
        # Only what was changed here is put back: what others set in the meantime is theirs.
        _set({name: before.get(name) for name in changed})


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
