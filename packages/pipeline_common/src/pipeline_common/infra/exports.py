"""Exporting a stack's contract."""

from typing import Any, TypeVar, cast

import pulumi

from pipeline_common.contracts import Contract
from pipeline_common.release import deployed_version

__all__ = ["eventually", "export"]

Scalar = TypeVar("Scalar", str, int, bool, dict[str, Any])


def eventually(output: pulumi.Output[Scalar]) -> Scalar:
    """Type an output as the scalar that it becomes, so that a contract's constructor checks names and kinds.

    For contracts on their way to `export` alone: whoever reads the contract gets the scalar itself.
    """
    return cast("Scalar", output)


def export(contract: Contract) -> None:
    """Export a contract as the running stack's outputs, one per field, and the version that is deployed.

    Scalars may still be outputs.
    """
    for name, value in {**contract.exports(), "release": str(deployed_version())}.items():
        pulumi.export(name, value)
