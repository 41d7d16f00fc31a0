"""Resources of a state by the engine's names, as people call them."""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["ROOT", "resource_name", "root_outputs", "short_type"]

ROOT = "pulumi:pulumi:Stack"
"""The type of the stack itself, whose outputs are what it exports."""


def root_outputs(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the stack of these resources exports; nothing where it is not among them."""
    roots = (each for each in resources if each["type"] == ROOT and not each.get("parent"))
    return next((dict(each.get("outputs") or {}) for each in roots), {})


def resource_name(urn: str) -> str:
    """Return a resource's logical name."""
    return urn.rpartition("::")[2]


def short_type(token: str) -> str:
    """Return a resource type as people say it: `s3.Bucket` for `aws:s3/bucket:Bucket`."""
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    return f"{(module.partition('/')[0] or package)}.{name}" if name else token
