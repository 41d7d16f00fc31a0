"""What every command on routes opens first: the deployed replication, and where its dead letters go back to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline_common.contracts import ProcessingOutputs, ReplicationOutputs, StorageOutputs
from pipeline_ops.account import check_account
from pipeline_ops.deployment import Deployment
from pipeline_ops.local import LOCAL_FOLDER, local_folder
from pipeline_ops.opening import clients_of, open_deployment, open_projects, read_contract
from pipeline_ops.private_files import private_folder
from pipeline_ops.progress import Progress
from pipeline_ops.projects import StackId
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.dead_letters import Routing
from pipeline_ops.routes.drift_report import writing
from pipeline_ops.routes.route import Replication, Route
from pipeline_ops.terminal import console
from pipeline_ops.where import Where

__all__ = ["Opened", "open_replication", "routing_of"]

_QUIET_SECONDS: Mapping[str, float] = {"native": 60.0, "cloudtrail": 900.0}
"""How long a queue has to be seen empty, by how changes are noticed: what was changed before it is in it by then.

S3 and the notifier take seconds, CloudTrail minutes: docs/architecture.md, "Capturing by CloudTrail".
"""

_QUIET_SECONDS_LOCALLY = 3.0
"""A local cloud counts a queue's messages exactly, and notices changes at once."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A deployed replication, and what a command on it needs besides."""

    replication: Replication
    routing: Routing
    repository: Path

    quiet_seconds: float

    def folder(self, name: str) -> Path:
        """Return where a command keeps its reports or checkpoints; raises OperatorError where that can't be made."""
        folder = self.repository / LOCAL_FOLDER / name
        with writing(folder):
            local_folder(self.repository)
            return private_folder(folder)

    def backlog(self, route: Route) -> Backlog:
        """Return what tells when a route has worked off what it has."""
        return Backlog(replication=self.replication, route=route, quiet_seconds=self.quiet_seconds)


@contextmanager
def open_replication(where: Where) -> Iterator[Opened]:
    """Give the replication for the block, deployed where it is asked for."""
    projects = open_projects(where)
    # The one stack of the project: only production is replicated from.
    stack = projects.only_stack(ReplicationOutputs.PROJECT)
    environment = stack.environment
    if not where.is_local:
        check_account(stack, projects.settings(stack))
    with Progress(console(stderr=True)) as progress, open_deployment(projects, progress) as deployment:

        def storage_of(name: str) -> StorageOutputs:
            return read_contract(deployment, StorageOutputs, StackId(StorageOutputs.PROJECT, name))

        outputs = read_contract(deployment, ReplicationOutputs, stack)
        replication = Replication.of(
            storage_of(environment), outputs, clients_of(deployment), storage_of, projects.where
        )
        routing = routing_of(replication, _processing(deployment, environment))
        progress.finish()
        yield Opened(
            replication=replication,
            routing=routing,
            repository=projects.repository,
            quiet_seconds=_QUIET_SECONDS_LOCALLY if where.is_local else _QUIET_SECONDS[outputs.capture],
        )


def _processing(deployment: Deployment, environment: str) -> ProcessingOutputs | None:
    stack = StackId(ProcessingOutputs.PROJECT, environment)
    return read_contract(deployment, ProcessingOutputs, stack) if stack in deployment.deployed() else None


def routing_of(replication: Replication, processing: ProcessingOutputs | None) -> Routing:
    """Return where dead letters go back to: the routes' queues, and that of the source's own processor."""
    queues: Mapping[str, tuple[str, str]] = {
        target: (route.outputs.queue_url, route.outputs.queue_arn) for target, route in replication.routes.items()
    }
    if processing is not None:
        queues = {**queues, processing.environment: (processing.queue_url, processing.queue_arn)}
    return Routing(
        urls={name: url for name, (url, _) in queues.items()},
        names={arn: name for name, (_, arn) in queues.items()},
        processor=None if processing is None else processing.environment,
    )
