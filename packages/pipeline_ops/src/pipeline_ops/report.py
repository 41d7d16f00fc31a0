"""Reports of finished commands: sentences for people, one JSON document for programs."""

from collections.abc import Sequence
from typing import Any

from pipeline_ops.counts import counted
from pipeline_ops.deployment import Result

__all__ = ["results_document", "summaries", "summary"]

_WORDS = {
    "create": ("created", "to create"),
    "update": ("updated", "to update"),
    "replace": ("replaced", "to replace"),
    "delete": ("deleted", "to delete"),
    "same": ("unchanged", "unchanged"),
    "import": ("imported", "to import"),
    "discard": ("forgotten", "to forget"),
}
"""By the engine's name for it, what happened to resources, and what would with a preview."""

_DRIFTED = {"create": "unknown to the state", "update": "otherwise than deployed", "delete": "gone"}
"""The same of what is found otherwise than it was deployed."""

_CHANGED = {"refresh": "had drifted", "drift": "has drifted", "preview": "would change"}


def summary(result: Result) -> str:
    """Return one line: what happened to how many resources, or would with a preview."""
    took = f"({result.seconds:.1f} s)"
    of = ", ".join(filter(None, (result.release, *(f"route to {target}" for target in result.routes))))
    subject = f"{result.stack} ({of})" if of else str(result.stack)
    if result.unchanged:
        count = counted(sum(result.changes.values()), "resource")
        return f"{subject}: nothing {_CHANGED.get(result.operation, 'changed')}, {count} {took}"
    would = result.operation == "preview"
    words = {name: both[would] for name, both in _WORDS.items()}
    if result.operation == "drift":
        words |= _DRIFTED
    counts = [f"{count} {words[name]}" for name, count in sorted(result.changes.items()) if name in words]
    return f"{subject}: {', '.join(counts)} {took}"


def summaries(results: Sequence[Result]) -> list[str]:
    """Return a line for each result, and one for each of its notices."""
    return [
        line
        for result in results
        for line in (summary(result), *(f"{result.stack}: {notice}" for notice in result.notices))
    ]


def results_document(results: Sequence[Result]) -> dict[str, Any]:
    """Return `{"results": [...]}`, an element per stack in the order in which they were run."""
    return {
        "results": [
            {
                "stack": str(result.stack),
                "operation": result.operation,
                "release": result.release,
                "routes": list(result.routes),
                "unchanged": result.unchanged,
                "changes": dict(result.changes),
                "seconds": round(result.seconds, 1),
                "outputs": dict(result.outputs),
                "notices": list(result.notices),
            }
            for result in results
        ]
    }
