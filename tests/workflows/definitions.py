"""The workflows as they are committed: their jobs, and what each step runs or uses."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ACTION", "FILES", "Job", "jobs", "steps", "workflow"]

GITHUB = Path(__file__).parents[2] / ".github"
ACTION = GITHUB / "actions" / "workspace" / "action.yml"
FILES = sorted((GITHUB / "workflows").glob("*.yml"))

Job = Mapping[str, Any]


@functools.cache
def workflow(path: Path) -> Mapping[str, Any]:
    """Return a file's document; `on`, which YAML 1.1 reads as true, under its own name."""
    document = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}


def jobs() -> Iterator[tuple[str, str, Job]]:
    """Yield each job with its workflow's name and its own."""
    for path in FILES:
        for name, job in workflow(path)["jobs"].items():
            yield path.stem, name, job


def steps() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each step, the shared action's too, with where it stands."""
    for path, name, job in jobs():
        yield from ((f"{path}: {name}", step) for step in job["steps"])
    yield from (("workspace", step) for step in workflow(ACTION)["runs"]["steps"])
