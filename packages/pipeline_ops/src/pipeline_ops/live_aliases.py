"""The live aliases of functions in a stack's state: which version each is of."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline_common.holds import Hold
from pipeline_ops.errors import OperatorError
from pipeline_ops.resource_names import resource_name, root_outputs

__all__ = ["archive_digests", "live_versions", "route_function", "route_specs", "with_hold"]

_SPEC = "_spec"
_FUNCTION = "aws:lambda/function:Function"
_ALIAS = "aws:lambda/alias:Alias"
_LIVE = "-live"


def route_function(target: str) -> str:
    """Return what a route's function is called in its stack."""
    return f"route-{target}-replicator"


def live_versions(resources: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the version that each function's live alias is of, by what the function is called in its stack."""
    return {name: str((alias.get("outputs") or {}).get("functionVersion", "")) for name, alias in _aliases(resources)}


def archive_digests(resources: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the SHA-256 of each function's newest archive, by what the function is called in its stack."""
    functions = [each for each in resources if each["type"] == _FUNCTION]
    return {resource_name(each["urn"]): str((each.get("outputs") or {}).get("codeSha256", "")) for each in functions}


def route_specs(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the specifications that the stack exports, by the routes' targets."""
    exported = root_outputs(resources)
    return {name.removesuffix(_SPEC): spec for name, spec in exported.items() if name.endswith(_SPEC)}


def with_hold(
    document: Mapping[str, Any], target: str, hold: Hold, spec: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a state in which a route's alias is of the held version, and stays there.

    The operator's commands go by the version's `spec` then; where it is not known, by the present one. Raises
    OperatorError where the state has no such alias.
    """
    held = copy.deepcopy(dict(document))
    resources = (held.get("deployment") or {}).get("resources") or []
    alias = dict(_aliases(resources)).get(route_function(target))
    if alias is None:
        raise OperatorError(f"The state has no live alias of the route to {target}.")
    for properties in (alias["inputs"], alias["outputs"]):
        properties["functionVersion"] = hold.version
        properties.pop("routingConfig", None)
    for each in resources:
        # The stack and the component in it, which tell the same.
        if f"{target}_alias_arn" in (each.get("outputs") or {}):
            each["outputs"] |= {f"{target}_version": hold.version, f"{target}_held": hold.document()}
            each["outputs"] |= {f"{target}{_SPEC}": spec} if spec else {}
    return held


def _aliases(resources: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for each in resources:
        if each["type"] == _ALIAS and not each.get("delete") and (name := resource_name(each["urn"])).endswith(_LIVE):
            yield name.removesuffix(_LIVE), each
