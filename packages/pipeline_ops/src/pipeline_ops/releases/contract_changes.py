"""Changes of the outputs that a project's stacks promise, from one release's sources to another's. Pure."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["CONTRACTS_SOURCE", "ContractChange"]

CONTRACTS_SOURCE = "packages/pipeline_common/src/pipeline_common/contracts.py"
"""The module that the contracts are in, from the repository's folder."""


@dataclass(frozen=True, kw_only=True)
class ContractChange:
    """The outputs that differ, by their names; a nested one's has its class before it, as `RouteOutputs.queue_url`."""

    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    """Those too whose type is another."""

    @classmethod
    def between(cls, former: str, present: str, project: str) -> "ContractChange":
        """Compare what a project's contract promises in two texts of the module."""
        then, now = dict(_outputs(former, project)), dict(_outputs(present, project))
        return cls(
            new=tuple(name for name in now if name not in then),
            gone=tuple(name for name, kind in then.items() if now.get(name) != kind),
        )


def _outputs(source: str, project: str) -> Iterator[tuple[str, str]]:
    """Yield the outputs' names and types: of the project's contract, its bases, and what it nests."""
    classes = {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)}
    own = next((name for name, node in classes.items() if _exports(node, project)), None)
    found = [own] if own else []
    for name in found:  # which grows while it is walked
        node = classes[name]
        is_nested = name != own and name not in _names(classes[found[0]].bases)
        for field, kind in _fields(node).items():
            yield (f"{name}.{field}" if is_nested else field), ast.unparse(kind)
        mentioned = _names([*node.bases, *_fields(node).values()])
        found += [each for each in classes if each in mentioned and each not in found]


def _exports(node: ast.ClassDef, project: str) -> bool:
    return any(
        isinstance(each, ast.AnnAssign)
        and ast.unparse(each.target) == "PROJECT"
        and isinstance(each.value, ast.Constant)
        and each.value.value == project
        for each in node.body
    )


def _fields(node: ast.ClassDef) -> Mapping[str, ast.expr]:
    annotated = {ast.unparse(each.target): each.annotation for each in node.body if isinstance(each, ast.AnnAssign)}
    return {name: kind for name, kind in annotated.items() if "ClassVar" not in ast.unparse(kind)}


def _names(nodes: list[ast.expr]) -> set[str]:
    return {each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)}
