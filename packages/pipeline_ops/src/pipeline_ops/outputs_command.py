"""`outputs` as it is typed: what stacks export, for a person or a program."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_ops.checkout import open_projects
from pipeline_ops.deployed_system import deployed_system
from pipeline_ops.projects import ALL
from pipeline_ops.terminal import document, tell
from pipeline_ops.where import Where

__all__ = ["outputs"]


def outputs(project: str, environment: str, where: Where, as_json: bool) -> None:
    """Print the stacks' outputs; those of one stack as one flat JSON object."""
    projects = open_projects(where)
    stacks = projects.select(project, environment)
    tell(*projects.left_out(project, environment), err=True)
    read = deployed_system(projects).outputs
    values = {str(stack): read.of(stack) for stack in stacks}
    if as_json:
        document(values if project == ALL else values[str(stacks[0])])
    else:
        tell(*list(_lines(values))[1:])


def _lines(outputs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for stack, values in outputs.items():
        width = max(map(len, values), default=0)
        yield from ("", stack)
        yield from (f"  {name:<{width}}  {value}" for name, value in sorted(values.items()))
