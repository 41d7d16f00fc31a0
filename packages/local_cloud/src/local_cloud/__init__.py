"""An AWS on this machine: the emulator process and a Pulumi resource provider over it.

The names are loaded on first use: the engine starts the provider, which needs none of them, twice for each operation.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_cloud.cloud import LocalCloud, start
    from local_cloud.credentials import ANYBODY, Credentials
    from local_cloud.endpoint import normalize
    from local_cloud.errors import LocalCloudError

__all__ = ["ANYBODY", "Credentials", "LocalCloud", "LocalCloudError", "normalize", "start"]

_MODULES = {
    "ANYBODY": "credentials",
    "Credentials": "credentials",
    "LocalCloud": "cloud",
    "LocalCloudError": "errors",
    "normalize": "endpoint",
    "start": "cloud",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
