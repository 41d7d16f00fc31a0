"""A stack's state as a document, taken out of its backend and put back by Pulumi."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pulumi import automation

__all__ = ["exported", "first_made", "imported", "is_real", "resources_of"]


def exported(pulumi: automation.Stack) -> dict[str, Any]:
    """Return the stack's state, with its secrets encrypted as they are; the SDK's own export writes them out."""
    document: dict[str, Any] = json.loads(_run(pulumi, "stack", "export", "--stack", pulumi.name))
    return document


def imported(pulumi: automation.Stack, document: Mapping[str, Any]) -> None:
    """Make the document the stack's state; Pulumi refuses one that is not sound."""
    file = Path(pulumi.workspace.work_dir) / "state.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    try:
        _run(pulumi, "stack", "import", "--file", str(file), "--stack", pulumi.name)
    finally:
        file.unlink()


def resources_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the resources of a state; one that says nothing has none."""
    return list((document.get("deployment") or {}).get("resources") or ())


def first_made(resources: Iterable[Mapping[str, Any]]) -> datetime | None:
    """Return when the first of the resources came into the state; None where none tells."""
    return min((datetime.fromisoformat(each["created"]) for each in resources if "created" in each), default=None)


def is_real(resource: Mapping[str, Any]) -> bool:
    """Tell whether a resource of a state is a provider's, and so in a cloud; components, stacks and such are not."""
    return bool(resource.get("custom")) and not str(resource["type"]).startswith("pulumi:")


def _run(pulumi: automation.Stack, *arguments: str) -> str:
    workspace = pulumi.workspace
    return workspace.pulumi_command.run([*arguments], workspace.work_dir, {}).stdout
