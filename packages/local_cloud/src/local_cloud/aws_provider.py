"""The `aws` provider that Pulumi uses on a local cloud: the stand-in of this package, or the official plugin."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from local_cloud.errors import LocalCloudError

if TYPE_CHECKING:
    from local_cloud.cloud import LocalCloud  # which brings boto3 with it

__all__ = ["PROVIDERS", "AwsProvider", "OfficialPlugin", "aws_provider"]

PROVIDERS = ("stand-in", "official")
"""The names of the choices; the first is the default."""

_FILE = "pulumi-resource-aws"


@dataclass(frozen=True)
class AwsProvider:
    """An `aws` provider that a run on a local cloud can use: the stand-in, which the engine finds on PATH."""

    def environment(self, cloud: "LocalCloud", home: Path) -> dict[str, str]:
        """Return the whole environment in which Pulumi finds this provider alone; `home` is the run's own."""
        return cloud.environment() | {"PULUMI_HOME": str(home)}

    def stack_config(self, cloud: "LocalCloud") -> dict[str, Any]:
        """Return the `aws:*` configuration that points a stack's provider at the cloud."""
        return cloud.stack_config()

    def __str__(self) -> str:
        return "the local stand-in"


@dataclass(frozen=True)
class OfficialPlugin(AwsProvider):
    """The official provider, installed in a folder of the user's; of that user's Pulumi it is all that a run sees."""

    version: str
    folder: Path

    @classmethod
    def installed(cls, environ: Mapping[str, str]) -> Self:
        """Find the plugin of the SDK's version in the user's Pulumi; raises LocalCloudError where there is none."""
        wanted = version("pulumi-aws")
        home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        folder = home / "plugins" / f"resource-aws-v{wanted}"
        # What Pulumi was stopped in the middle of installing has such a file beside it.
        if not os.access(folder / _FILE, os.X_OK) or folder.with_name(f"{folder.name}.partial").exists():
            raise LocalCloudError(
                f"The official aws provider {wanted} is not in {folder}: "
                f"`pulumi plugin install resource aws v{wanted}`, or leave --provider out."
            )
        return cls(wanted, folder)

    def environment(self, cloud: "LocalCloud", home: Path) -> dict[str, str]:
        """Return the cloud's environment without the stand-in; the plugin's files are linked into the home."""
        # Links to its files, in a folder of their own: Pulumi passes over a plugin's folder that is itself a link.
        linked = home / "plugins" / self.folder.name
        linked.mkdir(parents=True)
        for file in self.folder.iterdir():
            (linked / file.name).symlink_to(file.resolve())
        return cloud.bare_environment() | {"PULUMI_HOME": str(home), "PULUMI_IGNORE_AMBIENT_PLUGINS": "true"}

    def stack_config(self, cloud: "LocalCloud") -> dict[str, Any]:
        """Return the cloud's configuration, with which the provider asks for its account.

        Else it takes it for one that is not allowed, and can't read a bucket's tags, which it does by S3 Control:
        https://github.com/hashicorp/terraform-provider-aws/issues/45520.
        """
        config = cloud.stack_config()
        # S3 Control's clients put the account before the host, which can be done to a name and not to an address.
        by_name = cloud.endpoint.replace("//127.0.0.1", "//localhost")
        return config | {
            "aws:endpoints": {**config["aws:endpoints"], "s3control": by_name},
            "aws:skipCredentialsValidation": False,
            "aws:skipRequestingAccountId": False,
        }

    def __str__(self) -> str:
        return f"the official one, {self.version}, of {self.folder}"


def aws_provider(name: str | None, environ: Mapping[str, str]) -> AwsProvider:
    """Return the provider of one of the names in `PROVIDERS`; raises LocalCloudError where it is not installed."""
    return OfficialPlugin.installed(environ) if name == "official" else AwsProvider()
