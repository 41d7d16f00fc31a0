"""The provider's own configuration: what of it the stand-in implements, and what it refuses to run with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from local_cloud.aws_domains import is_aws
from local_cloud.provider import rules
from local_cloud.provider.schema import Block, Flag, ListOf, MapOf, Properties, Property, Refusal, Text
from local_cloud.provider.wire import has_unknown

__all__ = ["ConfigurationError", "Settings", "read"]

_PROPERTIES: Mapping[str, Property] = {
    "region": Text(),
    "accessKey": Text(),
    "secretKey": Text(),
    "endpoints": ListOf(MapOf(Text())),
    "defaultTags": Block({"tags": MapOf(Text(), rules=(rules.tags,))}),
    "allowedAccountIds": ListOf(Text()),
    # The stand-in does what these ask for whether or not they are set.
    "s3UsePathStyle": Flag(),
    "skipCredentialsValidation": Flag(),
    "skipMetadataApiCheck": Flag(),
    "skipRegionValidation": Flag(),
    "skipRequestingAccountId": Flag(),
}

# What the engine adds to every provider's configuration for itself.
_ENGINES_OWN = ("version", "pluginDownloadURL", "pluginChecksums", "__internal", "__defaults")

# How the provider's `endpoints` may call a service, and how botocore does.
_SERVICES = {"cloudwatchlogs": "logs", "eventbridge": "events", "cloudwatchevents": "events"}


class ConfigurationError(ValueError):
    """The provider cannot be configured like this."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the provider is configured."""

    region: str
    access_key: str
    secret_key: str = field(repr=False)
    endpoints: Mapping[str, str]
    """The address by service, as botocore calls it."""
    default_tags: Mapping[str, str]
    allowed_account_ids: tuple[str, ...]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read the settings.

        Raises ConfigurationError for what is refused or not known yet, where a region, credentials or endpoints are
        missing, and where an endpoint is AWS's own.
        """
        configuration, refusals = read(values)
        if refusals:
            raise ConfigurationError("; ".join(each.reason for each in refusals))
        if has_unknown(configuration):
            raise ConfigurationError("the provider's configuration must be known before the deployment")
        endpoints = _endpoints(configuration.get("endpoints", []))
        given = configuration | {"endpoints": endpoints}
        for name in ("region", "accessKey", "secretKey", "endpoints"):
            if not given.get(name):
                raise ConfigurationError(f"the local stand-in for the aws provider needs `{name}`: it never asks AWS")
        return cls(
            region=given["region"],
            access_key=given["accessKey"],
            secret_key=given["secretKey"],
            endpoints=endpoints,
            default_tags=(given.get("defaultTags") or {}).get("tags") or {},
            allowed_account_ids=tuple(given.get("allowedAccountIds") or ()),
        )


def read(values: Mapping[str, Any]) -> tuple[Properties, list[Refusal]]:
    """Return the configuration with its JSON strings parsed, and what is refused in it.

    The engine passes to a provider each value that is no string as JSON.
    """
    refusals: list[Refusal] = []
    given = {name: _parsed(name, value) for name, value in values.items() if name not in _ENGINES_OWN}
    return Block(_PROPERTIES).settle(given, "", refusals), refusals


def _parsed(name: str, value: Any) -> Any:
    if not isinstance(value, str) or isinstance(_PROPERTIES.get(name, Text()), Text):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _endpoints(blocks: list[Mapping[str, str]]) -> dict[str, str]:
    endpoints = {
        _SERVICES.get(service, service): address for block in blocks for service, address in block.items() if address
    }
    for service, address in endpoints.items():
        host = urlsplit(address).hostname or ""
        if not host:
            raise ConfigurationError(f"the endpoint of {service}, {address!r}, is no http address")
        if is_aws(host):
            raise ConfigurationError(
                f"the endpoint of {service}, {address}, is AWS: the local stand-in refuses to be used there"
            )
    return endpoints
