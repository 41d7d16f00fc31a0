"""The protobuf messages of the engine's protocol, without the Pulumi SDK around them.

They are part of the SDK, and importing any part of it imports all of it: more than half of the provider's start, which
every operation of the engine waits for, twice. So where the SDK isn't loaded already, its packages are entered into
`sys.modules` as empty ones, and of their contents only these modules are loaded. A process that needs the SDK itself
must import it first.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

__all__ = [
    "ResourceProviderServicer",
    "add_ResourceProviderServicer_to_server",
    "engine",
    "engine_grpc",
    "plugin",
    "provider",
    "status",
]

_PACKAGE = "pulumi.runtime.proto"


def _enter_empty_packages() -> None:
    spec = find_spec("pulumi")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("the Pulumi SDK is not installed")
    folder = Path(spec.submodule_search_locations[0])
    for name, part in (("pulumi", "."), ("pulumi.runtime", "runtime"), (_PACKAGE, "runtime/proto")):
        package = ModuleType(name)
        package.__path__ = [str(folder / part)]
        sys.modules[name] = package


if "pulumi" not in sys.modules:
    _enter_empty_packages()


from pulumi.runtime.proto import engine_pb2 as engine  # noqa: E402 - these must not come first
from pulumi.runtime.proto import engine_pb2_grpc as engine_grpc  # noqa: E402
from pulumi.runtime.proto import plugin_pb2 as plugin  # noqa: E402
from pulumi.runtime.proto import provider_pb2 as provider  # noqa: E402
from pulumi.runtime.proto import status_pb2 as status  # noqa: E402
from pulumi.runtime.proto.provider_pb2_grpc import (  # noqa: E402
    ResourceProviderServicer,
    add_ResourceProviderServicer_to_server,
)
