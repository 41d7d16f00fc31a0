"""boto3 clients that can only reach one endpoint, whatever the user's AWS settings say."""

import os
import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.configprovider import (
    BOTOCORE_DEFAUT_SESSION_VARIABLES,
    DEFAULT_PROXIES_CONFIG_VARS,
    DEFAULT_S3_CONFIG_VARS,
)
from botocore.session import Session

from local_cloud.credentials import Credentials

__all__ = ["ClientFactory"]

_CONFIG = Config(
    # An empty dictionary, unlike none, keeps botocore from asking the environment for a proxy.
    proxies={},
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=5,
    read_timeout=60,
    s3={"addressing_style": "path"},
    inject_host_prefix=False,
    max_pool_connections=50,
)


class ClientFactory:
    """Makes clients for one endpoint with explicit credentials; profiles, AWS_* and ~/.aws are never read."""

    def __init__(self, endpoint: str, credentials: Credentials) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._session = boto3.Session(botocore_session=_isolated_session())
        # A session's client factory is not thread-safe; its clients are.
        self._lock = threading.Lock()

    def client(self, service: str, region: str, config: Config | None) -> Any:
        """Return a client of the service for the region; `config` is laid over the settings that isolate it."""
        with self._lock:
            return self._session.client(
                service,  # type: ignore[call-overload] # the stubs know each service by its own literal
                region_name=region,
                endpoint_url=self._endpoint,
                aws_access_key_id=self._credentials.access_key_id,
                aws_secret_access_key=self._credentials.secret_access_key,
                config=_CONFIG if config is None else _CONFIG.merge(config),
            )


def _isolated_session() -> Session:
    session = Session()
    # The session's own `set_config_variable` takes None for "ask the environment"; its store takes it for the value.
    store = session.get_component("config_store")
    for variables in (BOTOCORE_DEFAUT_SESSION_VARIABLES, DEFAULT_S3_CONFIG_VARS, DEFAULT_PROXIES_CONFIG_VARS):
        for name, (_, _, default, _) in variables.items():
            store.set_config_variable(name, default)
    store.set_config_variable("config_file", os.devnull)
    store.set_config_variable("credentials_file", os.devnull)
    return session
