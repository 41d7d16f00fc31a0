"""A stack's state as a document: taken out by Pulumi, rid of what a cut-off run left in it, and put back.

Pulumi notes what it is at before it asks AWS for it. Of a change or a deletion it knows the id, and a refresh looks it
up. Of a creation it knows no id, keeps the note, and would have somebody answer questions in a terminal.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pulumi import automation

from pipeline_ops.resource_names import root_outputs

__all__ = [
    "Cut",
    "cut_off",
    "exported",
    "first_made",
    "imported",
    "is_real",
    "outcome",
    "outputs_of",
    "resources_of",
    "with_creations",
]

_CREATING = "creating"


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


def outputs_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a state's stack exports; one that says nothing exports nothing."""
    return root_outputs(resources_of(document))


def first_made(resources: Iterable[Mapping[str, Any]]) -> datetime | None:
    """Return when the first of the resources came into the state; None where none tells."""
    return min((datetime.fromisoformat(each["created"]) for each in resources if "created" in each), default=None)


def is_real(resource: Mapping[str, Any]) -> bool:
    """Tell whether a resource of a state is a provider's, and so in a cloud; components, stacks and such are not."""
    return bool(resource.get("custom")) and not str(resource["type"]).startswith("pulumi:")


def _run(pulumi: automation.Stack, *arguments: str) -> str:
    workspace = pulumi.workspace
    return workspace.pulumi_command.run([*arguments], workspace.work_dir, {}).stdout


Document = Mapping[str, Any]
"""What `pulumi stack export` writes: https://www.pulumi.com/docs/iac/cli/commands/pulumi_stack_export/."""
Identify = Callable[[str, Mapping[str, Any], str], str | None]
"""From a type, inputs and a region to an id."""


@dataclass(frozen=True)
class Cut:
    """One thing that a run was at when it was cut off; `operation` is the engine's word, such as `creating`."""

    urn: str
    kind: str
    operation: str
    resource: Mapping[str, Any]

    @property
    def is_creation(self) -> bool:
        """Whether the state does not know the resource."""
        return self.operation == _CREATING


def cut_off(document: Document) -> list[Cut]:
    """Return what the state says is still being done; by nobody, if no run goes on."""
    operations = (document.get("deployment") or {}).get("pending_operations") or ()
    return [
        Cut(each["resource"]["urn"], each["resource"]["type"], each["type"], each["resource"]) for each in operations
    ]


def with_creations(document: Document, identify: Identify) -> tuple[Document, list[Cut]]:
    """Return the state with each cut-off creation as a resource of its id, and those of which no id is known.

    Whether it is there a refresh of that state finds out, and forgets it where it isn't. One that was to replace a
    resource, which the state still has, becomes one to delete: the next deploy replaces anew.
    """
    deployment = document["deployment"]
    resources = resources_of(document)
    unknown = []
    for cut in filter(lambda each: each.is_creation and is_real(each.resource), cut_off(document)):
        identifier = _identified(cut.resource, resources, identify)
        if identifier is None:
            unknown.append(cut)
        elif not any(_identified(each, resources, identify) == identifier for each in _living(resources, cut.urn)):
            _add(resources, cut.resource, identifier)
    left = [each for each in deployment["pending_operations"] if each["type"] != _CREATING]
    return {**document, "deployment": {**deployment, "resources": resources, "pending_operations": left}}, unknown


def outcome(cut: Cut, name: str, after: Document, unknown: list[Cut]) -> str:
    """Return a sentence on what became of a thing, called `name`, by the state that the refresh left."""
    if cut in unknown:
        return f"{name} was being created when a run was cut off, and can't be looked up: it may be orphaned."
    known = [each for each in resources_of(after) if each["urn"] == cut.urn]
    if not known:
        return f"{name}, at which a run was cut off ({cut.operation}), is not there."
    if any(each.get("delete") for each in known):
        return f"{name} was being replaced when a run was cut off: the next deploy removes what is there twice."
    return f"{name}, at which a run was cut off ({cut.operation}), is there, and known as it is."


def _add(resources: list[Any], cut: Mapping[str, Any], identifier: str) -> None:
    made = {**cut, "id": identifier, "outputs": cut.get("inputs") or {}}
    if _living(resources, cut["urn"]):
        resources.append({**made, "delete": True, "protect": False})
        return
    # One that was deleted before its replacement is still noted, and what depends on it comes after that note.
    noted = (place for place, each in enumerate(resources) if each["urn"] == cut["urn"])
    place = next(noted, len(resources))
    resources[place : place + 1] = [made]


def _living(resources: list[Any], urn: str) -> list[Any]:
    return [each for each in resources if each["urn"] == urn and not each.get("pendingReplacement")]


def _identified(resource: Mapping[str, Any], resources: list[Any], identify: Identify) -> str | None:
    inputs = resource.get("inputs") or {}
    return identify(resource["type"], inputs, inputs.get("region") or _region(resource, resources))


def _region(resource: Mapping[str, Any], resources: list[Any]) -> str:
    reference = str(resource.get("provider", "")).rpartition("::")[0]
    regions = (each["inputs"].get("region") for each in resources if each["urn"] == reference)
    return str(next(regions, None) or "")
