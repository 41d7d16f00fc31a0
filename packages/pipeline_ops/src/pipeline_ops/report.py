"""Reports of finished commands: sentences for people, one JSON document for programs."""

from collections.abc import Sequence
from typing import Any

from pipeline_ops.counts import counted
from pipeline_ops.deployment import Result

__all__ = ["results_document", "summaries", "summary"]

_DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "same": "unchanged",
    "import": "imported",
    "discard": "forgotten",
}
_WOULD = {
    "create": "to create",
    "update": "to update",
    "replace": "to replace",
    "delete": "to delete",
    "same": "unchanged",
    "import": "to import",
    "discard": "to forget",
}


def summary(result: Result) -> str:
    """Return one line: what happened to how many resources, or would with a preview."""
    took = f"({result.seconds:.1f} s)"
    if result.unchanged:
        count = sum(result.changes.values())
        return f"{result.stack}: nothing {_changes_word(result)}, {counted(count, 'resource')} {took}"
    words = _WOULD if result.operation == "preview" else _DONE
    counts = ", ".join(f"{count} {words[name]}" for name, count in sorted(result.changes.items()) if name in words)
    return f"{result.stack}: {counts} {took}"


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
                "unchanged": result.unchanged,
                "changes": dict(result.changes),
                "seconds": round(result.seconds, 1),
                "outputs": dict(result.outputs),
                "notices": list(result.notices),
            }
            for result in results
        ]
    }


def _changes_word(result: Result) -> str:
    if result.operation == "refresh":
        return "had drifted"
    return "would change" if result.operation == "preview" else "changed"
