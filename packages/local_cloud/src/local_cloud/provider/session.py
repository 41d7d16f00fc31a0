"""Clients of the local cloud: always with its endpoint and its credentials, whatever the user's AWS settings are."""

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from local_cloud.credentials import Credentials
from local_cloud.provider.configuration import ConfigurationError, Settings

__all__ = ["Session"]


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
