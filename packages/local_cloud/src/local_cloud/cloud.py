"""The local cloud as the rest of the pipeline sees it: an endpoint, clients, and an environment for Pulumi."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from local_cloud import endpoint as endpoints
from local_cloud.clients import ClientFactory
from local_cloud.credentials import ANYBODY, Credentials
from local_cloud.emulator import EmulatorProcess, start_emulator
from local_cloud.environment import isolated_environment
from local_cloud.errors import LocalCloudError
from local_cloud.launcher import launcher_folder

__all__ = ["LocalCloud", "start"]

_PROVIDER_SERVICES = (
    *("cloudtrail", "cloudwatch", "dynamodb", "events", "iam", "kms", "lambda", "logs", "s3", "sns", "sqs", "sts"),
)
"""The services whose endpoints a stack's provider is given: those that the projects use."""


@dataclass(frozen=True)
class LocalCloud:
    """An emulator that is up.

    `owned` says whether it was started here: only then `stop` ends it. As a context manager it stops on exit. Clients,
    and Pulumi in its environment, can reach this endpoint only.
    """

    endpoint: str
    region: str
    credentials: Credentials
    account_id: str
    owned: bool
    _process: EmulatorProcess | None = field(default=None, repr=False, compare=False)

    def client(self, service: str, *, region: str | None = None, config: Config | None = None) -> Any:
        """Return a boto3 client of the service, in `region` or the cloud's own; `config` adds to its settings."""
        return self._clients.client(service, region or self.region, config)

    def environment(self) -> dict[str, str]:
        """Return the whole environment for Pulumi: this process's, less AWS_* and PULUMI_*, the stand-in first on PATH.

        Meant to replace the environment, not to be laid over it: see `local_cloud.environment.only_environment`.
        """
        environment = self.bare_environment()
        environment["PATH"] = os.pathsep.join((str(launcher_folder()), environment.get("PATH", os.defpath)))
        return environment

    def bare_environment(self) -> dict[str, str]:
        """Return the same environment with no provider in it."""
        return isolated_environment(
            os.environ, endpoint=self.endpoint, region=self.region, credentials=self.credentials
        )

    def stack_config(self) -> dict[str, Any]:
        """Return the `aws:*` configuration that points a stack here; the stack keeps its own region.

        The account is the emulator's, because the one that a committed configuration allows exists on AWS only.
        """
        return {
            "aws:accessKey": self.credentials.access_key_id,
            "aws:secretKey": self.credentials.secret_access_key,
            "aws:endpoints": dict.fromkeys(_PROVIDER_SERVICES, self.endpoint),
            "aws:s3UsePathStyle": True,
            "aws:skipCredentialsValidation": True,
            "aws:skipRequestingAccountId": True,
            "aws:skipMetadataApiCheck": True,
            "aws:allowedAccountIds": [self.account_id],
        }

    def stop(self) -> None:
        """End the emulator when it was started here, else do nothing. Again is fine."""
        if self._process is not None:
            self._process.stop()

    def is_alive(self) -> bool:
        """Tell whether the emulator still runs; one that was not started here is asked for its health."""
        return self._process.is_alive() if self._process is not None else endpoints.is_healthy(self.endpoint)

    @cached_property
    def _clients(self) -> ClientFactory:
        return ClientFactory(self.endpoint, self.credentials)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    endpoint: str | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    *,
    region: str = "us-east-1",
    credentials: Credentials = ANYBODY,
) -> LocalCloud:
    """Return a healthy local cloud: the one at `endpoint` where one is named, else an emulator started here.

    A named one (LocalStack, another MiniStack) is never stopped or emptied, and is asked with `credentials`. One that
    is started here listens on 127.0.0.1 only, on port 4566 or any free one, answers nobody without the key that it
    gets, and ends at the latest with this process. `region` is where clients look unless told otherwise. Raises
    LocalCloudError.
    """
    if endpoint is None:
        process = start_emulator(on_progress)
        try:
            return _connect(process.endpoint, region, process.credentials, process)
        except BaseException:
            process.stop()
            raise
    url = endpoints.normalize(endpoint)
    if not endpoints.is_healthy(url):
        raise LocalCloudError(f"No LocalStack or MiniStack answers at {url}: start it, or leave the endpoint out")
    return _connect(url, region, credentials, None)


def _connect(url: str, region: str, credentials: Credentials, process: EmulatorProcess | None) -> LocalCloud:
    sts = ClientFactory(url, credentials).client("sts", region, None)
    try:
        account_id = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError, ResponseParserError, KeyError) as error:
        raise LocalCloudError(f"{url} is healthy but does not say whose account it is: {error}") from error
    return LocalCloud(url, region, credentials, account_id, process is not None, process)
