"""The checkout of the pipeline that a command is run in."""

from dataclasses import replace
from pathlib import Path

from pipeline_ops.playground import Playground
from pipeline_ops.projects import Projects, find_repository
from pipeline_ops.where import AWS, Where

__all__ = ["open_projects"]


def open_projects(where: Where = AWS) -> Projects:
    """Return the projects of the checkout that this process is in, whose commands go where this one goes.

    Raises OperatorError outside a checkout.
    """
    repository = find_repository(Path.cwd())
    if where.local and where.endpoint is None and Playground(repository).running() is None:
        where = replace(where, fleeting=True)
    return Projects(repository, where)
