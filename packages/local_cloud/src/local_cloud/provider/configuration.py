"""The provider's own configuration: what of it the stand-in implements, and what it refuses to run with."""

import json
from collections.abc import Mapping
from typing import Any

from local_cloud.provider import rules
from local_cloud.provider.schema import Block, Flag, ListOf, MapOf, Properties, Property, Refusal, Text, settle
from local_cloud.provider.session import ConfigurationError, Settings
from local_cloud.provider.wire import has_unknown

__all__ = ["read", "settings"]

_FLAG = Property(kind=Flag())
_TEXT = Property(kind=Text())

_PROPERTIES: Mapping[str, Property] = {
    "region": _TEXT,
    "accessKey": _TEXT,
    "secretKey": _TEXT,
    "endpoints": Property(kind=ListOf(MapOf(Text()))),
    "defaultTags": Property(kind=Block({"tags": Property(kind=MapOf(Text()), rules=(rules.tags,))})),
    "allowedAccountIds": Property(kind=ListOf(Text())),
    # The stand-in does what these ask for whether or not they are set.
    "s3UsePathStyle": _FLAG,
    "skipCredentialsValidation": _FLAG,
    "skipMetadataApiCheck": _FLAG,
    "skipRegionValidation": _FLAG,
    "skipRequestingAccountId": _FLAG,
}

# What the engine adds to every provider's configuration for itself.
_ENGINES_OWN = ("version", "pluginDownloadURL", "pluginChecksums", "__internal", "__defaults")


def read(values: Mapping[str, Any]) -> tuple[Properties, list[Refusal]]:
    """Return the configuration with its JSON strings parsed, and what is refused in it.

    The engine passes to a provider each value that is no string as JSON.
    """
    refusals: list[Refusal] = []
    given = {name: _parsed(name, value) for name, value in values.items() if name not in _ENGINES_OWN}
    return settle(_PROPERTIES, given, refusals), refusals


def settings(values: Mapping[str, Any]) -> Settings:
    """Return the settings; raises ConfigurationError where they are not known yet, and as Settings.of does."""
    if has_unknown(values):
        raise ConfigurationError("the provider's configuration must be known before the deployment")
    return Settings.of(values)


def _parsed(name: str, value: Any) -> Any:
    declared = _PROPERTIES.get(name)
    if not isinstance(value, str) or declared is None or isinstance(declared.kind, Text):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
