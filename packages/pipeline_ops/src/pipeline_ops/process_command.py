"""`process` as it is typed: an object processed by hand, and its result."""

import sys
from functools import partial

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.checkout import open_projects
from pipeline_ops.deployed_system import deployed_system
from pipeline_ops.errors import FAILED
from pipeline_ops.process import process as process_object
from pipeline_ops.terminal import document, tell
from pipeline_ops.where import Where

__all__ = ["process"]


def process(environment: str, key: str, where: Where, as_json: bool, wait: float) -> None:
    """Have the environment's processor process the object, and say what came of it; exit with 1 where it failed."""
    projects = open_projects(where)
    stack = projects.stack(ProcessingOutputs.PROJECT, environment)
    system = deployed_system(projects)
    system.check_account(stack)
    outputs = system.outputs.contract(ProcessingOutputs, stack.environment)
    run = process_object(outputs, system.client, key, on_progress=partial(tell, err=True), wait_seconds=wait)
    if as_json:
        document(dict(run.summary))
    else:
        tell(run.sentence())
    if not run.succeeded:
        sys.exit(FAILED)
