"""Clients of the local cloud: always with its endpoint and its credentials, whatever the user's AWS settings are."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from local_cloud.aws_domains import is_aws
from local_cloud.credentials import Credentials

__all__ = ["ConfigurationError", "Session", "Settings"]

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
    def of(cls, configuration: Mapping[str, Any]) -> "Settings":
        """Read the provider's configuration.

        Raises ConfigurationError where a region, credentials or endpoints are missing, where an endpoint is AWS's own,
        and for tags that would be ignored.
        """
        for name in ("region", "accessKey", "secretKey", "endpoints"):
            if not configuration.get(name):
                raise ConfigurationError(f"the local stand-in for the aws provider needs `{name}`: it never asks AWS")
        return cls(
            region=configuration["region"],
            access_key=configuration["accessKey"],
            secret_key=configuration["secretKey"],
            endpoints=_endpoints(configuration["endpoints"]),
            default_tags=(configuration.get("defaultTags") or {}).get("tags") or {},
            allowed_account_ids=tuple(configuration.get("allowedAccountIds") or ()),
        )


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
    if not endpoints:
        raise ConfigurationError("the local stand-in for the aws provider needs `endpoints`: it never asks AWS")
    return endpoints


class Session:
    """Makes each client once, on first use. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the service's client for the region, the provider's own by default.

        Raises ConfigurationError where the provider has no endpoint for the service.
        """
        endpoint = self.settings.endpoints.get(service)
        if endpoint is None:
            raise ConfigurationError(f"the provider's `endpoints` have none for {service}")
        place = (service, region or self.settings.region)
        with self._lock:
            if place not in self._clients:
                # Loaded here because it takes longer than the rest of the provider's start.
                from local_cloud.clients import ClientFactory  # noqa: PLC0415

                factory = ClientFactory(endpoint, Credentials(self.settings.access_key, self.settings.secret_key))
                self._clients[place] = factory.client(*place, None)
            return self._clients[place]

    @cached_property
    def caller(self) -> Mapping[str, str]:
        """Who the local cloud says is asking: Account, Arn and UserId."""
        caller: Mapping[str, str] = self.client("sts").get_caller_identity()
        return caller

    def verify_account(self) -> None:
        """Raise ConfigurationError where the account is not among the allowed ones."""
        allowed = self.settings.allowed_account_ids
        if allowed and self.caller["Account"] not in allowed:
            raise ConfigurationError(
                f"the account is {self.caller['Account']}, and `allowedAccountIds` has only {', '.join(allowed)}"
            )
