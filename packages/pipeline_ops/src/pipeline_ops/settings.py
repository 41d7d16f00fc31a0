"""The temporary copy of a project's settings that Pulumi works on, so that no command rewrites a committed file."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline_ops.projects import Projects, StackId

__all__ = ["copy_settings", "local_settings"]

_DISABLED_PROVIDERS = "pulumi:disable-default-providers"


def copy_settings(
    projects: Projects, stack: StackId, folder: Path, local_config: Mapping[str, Any] | None = None
) -> None:
    """Write the project's and the stack's settings into `folder`.

    For AWS they are the committed ones, byte for byte. With `local_config` they are what `local_settings` returns.
    """
    source = projects.folder(stack.project)
    shutil.copyfile(source / "Pulumi.yaml", folder / "Pulumi.yaml")
    name = f"Pulumi.{stack.environment}.yaml"
    if local_config is None:
        shutil.copyfile(source / name, folder / name)
    else:
        settings = local_settings(projects.settings(stack).values, local_config)
        (folder / name).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def local_settings(committed: Mapping[str, Any], local_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stack's settings for the local cloud: its configuration, with `local_config` laid over it.

    No provider is made by default, so what lacks the explicit one is an error. What names a key of the real world,
    such as a KMS key for secrets, is left out; an encryption salt stays, because committed secrets need it.
    """
    committed_config = committed.get("config")
    config = dict(committed_config) if isinstance(committed_config, Mapping) else {}
    settings: dict[str, Any] = {"config": config | dict(local_config) | {_DISABLED_PROVIDERS: ["*"]}}
    if "encryptionsalt" in committed:
        settings["encryptionsalt"] = committed["encryptionsalt"]
    return settings
