"""A policy applied to a target that was replicated unmasked: nothing of before is left, and a killed run goes on.

By the real engine, into an emulator of this module's own. The emulator tells no initiator of an upload, has no AWS
Backup, and enforces no rights: which ones it takes to apply a policy docs/masking.md says, and nothing here tries.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import local_cloud
from local_cloud import LocalCloud
from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_common.infra.part import Part
from pipeline_ops.deployment import Deployment
from pipeline_ops.masking.activation import Activation, Activations, ActivationStep
from pipeline_ops.masking.apply import Application
from pipeline_ops.masking.policies import configured_policy
from pipeline_ops.masking.safety import Protection, safety_of
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.routes.backlog import depth_of
from pipeline_ops.routes.dead_letters import DeadLetterQueue
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.routes.route import SourceRoutes, open_sides
from pipeline_ops.routes.switch import set_enabled
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.where import AWS
from replication_core.datasets import OBJECTS
from tests.integration.repositories import unmasked_repository
from tests.polling import eventually

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

STACK = StackId("replication", "prod")
SECRET = "zebra-quartz-7391"
POLICY = """
version: 1
namespaces: {customer: {}}
datasets:
  items:
    key: {id: {pseudonym: customer}, timestamp: keep}
    attributes: {note: drop, kind: keep}
  objects:
    - match: incoming/{customer}/{file}.txt
      key: {customer: {pseudonym: customer}, file: keep}
      body: {format: json-lines, fields: {name: {pseudonym: customer}}}
      metadata: {"*": drop}
    - match: assets/**
      body: {opaque: {reason: no person}}
"""


class KilledError(Exception):
    """What ends a run where no step expects it."""


@dataclass(frozen=True)
class Killing(Activations):
    """Ends the run once a step is recorded, once for each step."""

    killed_after: list[ActivationStep] = field(default_factory=list)

    def keep(self, activation: Activation) -> Activation:
        kept = super().keep(activation)
        last = ActivationStep(list(activation.done)[-1]) if activation.done else None
        if last is not None and last not in self.killed_after and last is not ActivationStep.VERIFY:
            self.killed_after.append(last)
            raise KilledError(last)
        return kept


@dataclass
class KilledOnce:
    """Ends the run in the middle of a step, when it says what begins so, once for each."""

    saying: list[str]

    def __call__(self, said: str) -> None:
        for each in [begin for begin in self.saying if said.startswith(begin)]:
            self.saying.remove(each)
            raise KilledError(said)


@dataclass
class Target:
    """Dev, which production is replicated to."""

    cloud: LocalCloud
    deployment: Deployment
    settings: Path

    def configure(self, **target: Any) -> None:
        settings = yaml.safe_load(self.settings.read_text())
        settings["config"]["replication:targets"] = [{"environment": "dev", **target}]
        self.settings.write_text(yaml.safe_dump(settings))

    def deploy(self) -> None:
        self.deployment.up("replication", "prod", Part(routes=("dev",)))

    def storage(self, environment: str) -> StorageOutputs:
        return self._outputs.contract(StorageOutputs, environment)

    @property
    def _outputs(self) -> StackOutputs:
        return StackOutputs(self.deployment.projects, self.deployment.backend)

    def deployed(self) -> DeployedReplication:
        contract = self._outputs.contract(ReplicationOutputs, "prod")
        replication = SourceRoutes.of(self.storage("prod"), contract, self.cloud.client, self.storage)
        letters = DeadLetterQueue.of(replication.source, None, contract, self.cloud.client)
        return DeployedReplication(
            replication=replication,
            dead_letters=letters,
            history=self.deployment.history(STACK),
            repository=self.deployment.projects.repository,
            quiet_seconds=2,
        )

    def protection(self) -> Protection:
        deployed = self.deployed()
        return safety_of(deployed.replication.route("dev"), deployed.history, AWS).protection

    def waiting(self) -> int:
        replication = self.deployed().replication
        return depth_of(replication, replication.route("dev").outputs).total

    def versions(self) -> list[tuple[str, bool, Any]]:
        """Every version and delete marker: its key, whether it is a marker, and the version's head and body."""
        bucket, s3 = self.storage("dev").bucket_name, self.cloud.client("s3")
        told = s3.list_object_versions(Bucket=bucket)
        found: list[tuple[str, bool, Any]] = [(each["Key"], True, "") for each in told.get("DeleteMarkers", [])]
        for each in told.get("Versions", []):
            answer = s3.get_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
            found.append((each["Key"], False, f"{answer['Metadata']} {answer['Body'].read()!r}"))
        return found

    def has(self, text: str) -> bool:
        return text in repr(self.versions())

    def has_marker(self) -> bool:
        return any(is_marker for _, is_marker, _ in self.versions())

    def size(self) -> tuple[int, int]:
        return len({key for key, *_ in self.versions()}), len(self.items())

    def items(self) -> list[Any]:
        return list(self.cloud.client("dynamodb").scan(TableName=self.storage("dev").table_name)["Items"])

    def uploads(self) -> list[Any]:
        told = self.cloud.client("s3").list_multipart_uploads(Bucket=self.storage("dev").bucket_name)
        return [each["Key"] for each in told.get("Uploads", [])]


@pytest.fixture(scope="module")
def target(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    del engine  # without one these are skipped
    repository = unmasked_repository(tmp_path_factory.mktemp("repository"))
    settings = repository / "projects" / "replication" / "Pulumi.prod.yaml"
    replica = repository / "projects" / "storage" / "Pulumi.dev.yaml"
    replica.write_text(replica.read_text().replace("versioning: false", "versioning: true"))
    with (
        local_cloud.start(region=Projects(repository).region) as cloud,
        Deployment(repository, cloud) as deployment,
    ):
        target = Target(cloud, deployment, settings)
        target.configure(masking="none", reason="it is made up")
        for project, environment in (("storage", "dev"), ("storage", "prod"), ("replication", "prod")):
            deployment.up(project, environment)
        yield target


def replicate_unmasked(target: Target) -> None:
    """Have dev hold versions, delete markers, an upload, items and messages of what names a customer."""
    s3, dynamodb = target.cloud.client("s3"), target.cloud.client("dynamodb")
    source, replica = target.storage("prod"), target.storage("dev")
    key = f"incoming/{SECRET}/a.txt"
    for number in range(2):
        body = f'{{"name": "{SECRET}-{number}"}}\n'.encode()
        s3.put_object(Bucket=source.bucket_name, Key=key, Body=body, Metadata={"owner": SECRET})
        eventually(partial(target.has, f"{SECRET}-{number}"), what=f"version {number} in dev")
    for name in ("gone", "stays"):
        s3.put_object(Bucket=source.bucket_name, Key=f"incoming/{SECRET}/{name}.txt", Body=b'{"name": "x"}\n')
    s3.put_object(Bucket=source.bucket_name, Key="assets/logo", Body=b"logo")
    s3.put_object(Bucket=source.bucket_name, Key=f"elsewhere/{SECRET}", Body=b"of no rule")
    item: Any = {"id": {"S": SECRET}, "timestamp": {"N": "1"}, "note": {"S": SECRET}, "kind": {"S": "a"}}
    dynamodb.put_item(TableName=source.table_name, Item=item)
    dynamodb.put_item(TableName=source.table_name, Item={**item, "unknown": {"S": SECRET}, "timestamp": {"N": "2"}})
    eventually(lambda: target.size() == (5, 2), what="all of it")
    s3.delete_object(Bucket=source.bucket_name, Key=f"incoming/{SECRET}/gone.txt")
    eventually(target.has_marker, what="the delete marker")
    s3.create_multipart_upload(Bucket=replica.bucket_name, Key=key)
    s3.create_multipart_upload(Bucket=replica.bucket_name, Key="of/the/team")
    s3.put_object(Bucket=replica.bucket_name, Key="of/the/team", Body=b"its own")
    replication = target.deployed().replication
    set_enabled(replication, replication.route("dev"), enabled=False)
    s3.put_object(Bucket=source.bucket_name, Key=f"incoming/{SECRET}/queued.txt", Body=b'{"name": "y"}\n')
    eventually(lambda: target.waiting() > 0, what="a message of before")


def test_after_a_policy_is_applied_nothing_of_before_is_left_though_the_run_was_killed_after_every_step(
    target: Target,
) -> None:
    replicate_unmasked(target)
    folder = target.settings.parent / "policies"
    folder.mkdir(exist_ok=True)
    (folder / "test.yaml").write_text(POLICY)
    target.configure(masking="policies/test.yaml")
    assert target.protection() is Protection.UNMASKED
    activations = Killing(target.deployment.backend, STACK)
    application = Application(
        target="dev",
        deployed=target.deployed,
        deploy=target.deploy,
        wanted=configured_policy(target.deployment.projects, STACK, "dev").digest,
        activations=activations,
        by="a tester",
        say=KilledOnce(["Masking", "Clearing objects"]),
    )
    begun: set[str] = set()
    left: Activation | None = None
    while left is None or left.ended is None:
        with suppress(KilledError):
            application.run()
        left = activations.find("dev")
        assert left is not None
        begun.add(left.begun)
        if ActivationStep.DEPLOY in left.done and left.ended is None:
            assert target.protection() is Protection.UNSAFE
    assert activations.killed_after == list(ActivationStep)[:-1]
    assert len(begun) == 1
    assert target.protection() is Protection.MASKED

    assert SECRET not in repr(target.versions())
    assert SECRET not in repr(target.items())
    assert (target.uploads(), target.waiting()) == (["of/the/team"], 0)
    keys = {key for key, is_marker, _ in target.versions() if not is_marker}
    assert len(keys) == 5, keys
    assert {"assets/logo", "of/the/team"} < keys
    (item,) = target.items()
    assert item.keys() >= {"id", "timestamp", "kind", "replicatedPolicy"}
    assert "note" not in item
    told = left.cleared["objects"]
    assert told["left"] == {"the target's own": 2}
    assert not left.cleared["items"]["failures"]


SHORT_SECONDS = 12
"""A function's time: about 10 s of it are for work, in which a busy machine masks a part of 8 MiB at least."""

LINES = 1_500_000
"""Of a body that takes an idle machine longer than that."""


def test_a_body_that_outlasts_a_deployed_functions_time_is_finished_by_the_invocations_after_it(target: Target) -> None:
    replication = target.deployed().replication
    route = replication.route("dev")
    key, s3 = OBJECTS.record(f"incoming/{SECRET}/large.txt"), target.cloud.client("s3")
    mask = open_sides(replication, route).mask()
    assert mask is not None, "the policy is applied"
    rule, line = mask.object(key.object_key, OBJECTS), b'{"name": "x"}\n'
    shorten(target.cloud, route.outputs.alias_arn, SHORT_SECONDS)
    begin = datetime.now(UTC)
    s3.put_object(Bucket=target.storage("prod").bucket_name, Key=key.object_key, Body=line * LINES)

    def bodies() -> list[bytes]:
        replica = {"Bucket": target.storage("dev").bucket_name, "Key": rule.key}
        with suppress(s3.exceptions.NoSuchKey):
            return [s3.get_object(**replica)["Body"].read()]
        return []

    (made,) = eventually(bodies, what="the large replica", within=400)
    masked = b"".join(block.data for block in rule.body().blocks([line]))
    assert made == masked * LINES
    done = [figures["ReplicatedChanges"] for figures in logged(target.cloud, route.outputs.log_group_name, begin)]
    assert done[-1] == [1]
    assert set(map(tuple, done[:-1])) == {(0,)}, "each but the last left the rest to the next one"
    assert target.uploads() == ["of/the/team"]


def shorten(cloud: LocalCloud, alias_arn: str, seconds: int) -> None:
    """Give a deployed function's live version so much time."""
    client, (name, alias) = cloud.client("lambda"), alias_arn.split(":")[-2:]
    client.update_function_configuration(FunctionName=name, Timeout=seconds)
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name=alias, FunctionVersion=version)


def logged(cloud: LocalCloud, group: str, since: datetime) -> list[dict[str, Any]]:
    """Return the figures of each invocation that a function's log tells of, of which none has failed."""
    found = cloud.client("logs").filter_log_events(logGroupName=group, startTime=int(since.timestamp() * 1000))
    lines = [event["message"] for event in found["events"]]
    assert not [line for line in lines if "timed out" in line or "WARNING" in line]
    return [json.loads(line) for line in lines if line.startswith('{"_aws"')]
