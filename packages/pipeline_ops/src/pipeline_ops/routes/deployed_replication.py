"""The replication as it is deployed where a command goes, and the dead-letter queue of an environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline_common.contracts import ProcessingOutputs, ReplicationOutputs, StorageOutputs
from pipeline_ops.checkout import open_projects
from pipeline_ops.deployed_system import DeployedSystem, deployed_system
from pipeline_ops.history import History
from pipeline_ops.private_files import LOCAL_FOLDER, local_folder, private_folder
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.dead_letters import DeadLetterQueue
from pipeline_ops.routes.drift_report import writing
from pipeline_ops.routes.route import Route, SourceRoutes
from pipeline_ops.where import Where

__all__ = ["DeployedReplication", "deployed_dead_letters", "deployed_replication", "replication_in"]

_QUIET_SECONDS: Mapping[str, float] = {"native": 60.0, "cloudtrail": 900.0}
"""How long a queue has to be seen empty, by how changes are noticed: what was changed before it is in it by then.

S3 and the notifier take seconds, CloudTrail minutes: docs/architecture.md, "Capturing by CloudTrail".
"""

_QUIET_SECONDS_LOCALLY = 3.0
"""A local cloud counts a queue's messages exactly, and notices changes at once."""


@dataclass(frozen=True, kw_only=True)
class DeployedReplication:
    """A deployed replication, and what a command on it needs besides."""

    replication: SourceRoutes
    dead_letters: DeadLetterQueue
    history: History
    repository: Path

    quiet_seconds: float

    def folder(self, name: str) -> Path:
        """Return where a command keeps its reports or checkpoints; raises OperatorError where that can't be made."""
        folder = self.repository / LOCAL_FOLDER / name
        with writing(folder):
            local_folder(self.repository)
            return private_folder(folder)

    def backlog(self, route: Route) -> Backlog:
        """Return a route's backlog, which tells when the route has worked it off."""
        return Backlog(replication=self.replication, route=route, quiet_seconds=self.quiet_seconds)


def deployed_replication(where: Where) -> DeployedReplication:
    """Return the replication that is deployed there; raises OperatorError where none is."""
    return replication_in(deployed_system(open_projects(where)))


def replication_in(system: DeployedSystem) -> DeployedReplication:
    """Return the replication of a deployed system."""
    projects = system.projects
    # The one stack of the project: only production is replicated from.
    stack = projects.only_stack(ReplicationOutputs.PROJECT)
    system.check_account(stack)
    outputs = system.outputs.contract(ReplicationOutputs, stack.environment)
    storage_of = partial(system.outputs.contract, StorageOutputs)
    replication = SourceRoutes.of(
        storage_of(stack.environment),
        outputs,
        system.client,
        lambda target: storage_of(stack.beside(target)),
        projects.where.within(stack.suffix),
    )
    processing = system.outputs.find_contract(ProcessingOutputs, stack.environment)
    return DeployedReplication(
        replication=replication,
        dead_letters=DeadLetterQueue.of(replication.source, processing, outputs, replication.client),
        history=system.history(stack),
        repository=projects.repository,
        quiet_seconds=_QUIET_SECONDS_LOCALLY if projects.where.is_local else _QUIET_SECONDS[outputs.capture],
    )


def deployed_dead_letters(where: Where, environment: str | None) -> DeadLetterQueue:
    """Return an environment's dead-letter queue, that of the replication's source where none is named."""
    projects = open_projects(where)
    named = environment or projects.only_stack(ReplicationOutputs.PROJECT).name
    stack = projects.stack(StorageOutputs.PROJECT, named)
    system = deployed_system(projects)
    system.check_account(stack)
    return DeadLetterQueue.of(
        system.outputs.contract(StorageOutputs, stack.environment),
        system.outputs.find_contract(ProcessingOutputs, stack.environment),
        system.outputs.find_contract(ReplicationOutputs, stack.environment),
        system.client,
    )
