"""The projects deploy, stay as they are, are seen to drift, and go, by the real engine with real state.

The emulator enforces no policy and no quota, and creates in milliseconds what takes AWS minutes: that a deployment is
permitted, and waits for what it must wait for, is only seen on AWS.
"""

import dataclasses
from pathlib import Path

import pytest

from local_cloud import LocalCloud
from pipeline_common.contracts import ProcessingOutputs, ReplicationOutputs, StorageOutputs
from pipeline_ops.deployment import Deployment
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import StackId
from pipeline_ops.running_system import RunningSystem
from pipeline_ops.stack_outputs import StackOutputs
from tests.integration.repositories import ROOT, copied_repository, disposable

pytestmark = pytest.mark.engine

ENVIRONMENTS = ("dev", "staging", "prod")
STACKS = [
    *(("storage", environment) for environment in ENVIRONMENTS),
    *(("processing", environment) for environment in ENVIRONMENTS),
    ("replication", "prod"),
]


def names(stack: tuple[str, str]) -> str:
    return "/".join(stack)


@pytest.mark.parametrize("stack", STACKS, ids=names)
def test_a_second_deploy_changes_nothing(system: RunningSystem, stack: tuple[str, str]) -> None:
    result = system.deployment.up(*stack)
    assert result.unchanged, result.changes


@pytest.mark.parametrize("stack", STACKS, ids=names)
def test_a_preview_of_what_is_deployed_would_change_nothing(system: RunningSystem, stack: tuple[str, str]) -> None:
    result = system.deployment.preview(*stack)
    assert result.unchanged, result.changes


@pytest.mark.parametrize("stack", STACKS, ids=names)
def test_what_was_just_deployed_has_not_drifted(system: RunningSystem, stack: tuple[str, str]) -> None:
    result = system.deployment.refresh(*stack)
    assert result.unchanged, result.changes


def test_every_stack_exports_its_whole_contract(system: RunningSystem) -> None:
    for environment in ENVIRONMENTS:
        storage = StorageOutputs.parse(system.outputs[f"storage/{environment}"])
        assert storage.environment == environment
        assert all(value for name, value in dataclasses.asdict(storage).items() if name != "suffix")
        processing = ProcessingOutputs.parse(system.outputs[f"processing/{environment}"])
        assert (processing.environment, processing.bucket_name) == (environment, storage.bucket_name)
        scheduled = dataclasses.asdict(processing).pop("schedule_rule_name")
        assert bool(scheduled) is (environment != "dev")
        assert len(processing.alarm_names.split(",")) == 5
    replication = ReplicationOutputs.parse(system.outputs["replication/prod"])
    assert sorted(replication.routes) == ["dev", "staging"]


def test_a_change_by_other_hands_is_found_and_repaired(system: RunningSystem) -> None:
    sqs = system.cloud.client("sqs")
    queue = ReplicationOutputs.parse(system.outputs["replication/prod"]).routes["dev"].queue_url
    before = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert system.deployment.drift("replication", "prod").unchanged
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "7"})
    assert system.deployment.drift("replication", "prod").changes.get("update") == 1
    found = system.deployment.refresh("replication", "prod")
    assert found.changes.get("update") == 1
    repaired = system.deployment.up("replication", "prod")
    assert repaired.changes.get("update") == 1
    after = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert after == before


def test_a_storage_that_is_replicated_is_not_destroyed(system: RunningSystem) -> None:
    with pytest.raises(OperatorError, match="processing/dev still reads from storage/dev"):
        system.deployment.destroy("storage", "dev")


def test_replication_belongs_to_production(system: RunningSystem) -> None:
    with pytest.raises(OperatorError, match="prod") as refused:
        system.deployment.up("replication", "dev")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.own_cloud
def test_a_target_whose_storage_is_not_deployed_is_refused_with_the_command_that_helps(
    empty_cloud: LocalCloud,
) -> None:
    with Deployment(ROOT, empty_cloud) as deployment:
        deployment.up("storage", "prod")
        deployment.up("storage", "dev")
        with pytest.raises(OperatorError, match="nox -s deploy -- storage staging"):
            deployment.up("replication", "prod")
        assert deployment.destroy("storage", "dev").changes
        assert (
            StackOutputs(deployment.projects, deployment.backend).of(StackId("storage", "prod"))["environment"]
            == "prod"
        )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("prod", "source"),
        ("production", "there is no projects/storage/Pulumi.production.yaml"),
        ("dev", "more than once"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused_with_the_reason(
    system: RunningSystem, tmp_path: Path, target: str, reason: str
) -> None:
    repository = copied_repository(tmp_path)
    settings = repository / "projects" / "replication" / "Pulumi.prod.yaml"
    settings.write_text(settings.read_text().replace("environment: staging", f"environment: {target}"))
    with (
        Deployment(repository, system.cloud, backend=system.deployment.backend) as deployment,
        pytest.raises(OperatorError, match=reason),
    ):
        deployment.preview("replication", "prod")


@pytest.mark.own_cloud
def test_destroying_everything_leaves_nothing_behind(empty_cloud: LocalCloud, tmp_path: Path) -> None:
    repository = disposable(copied_repository(tmp_path))
    before = inventory(empty_cloud)
    with Deployment(repository, empty_cloud) as deployment:
        for stack in STACKS:
            deployment.up(*stack)
        assert inventory(empty_cloud) != before
        for stack in reversed(STACKS):
            deployment.destroy(*stack)
        assert deployment.deployed() == frozenset()
    assert inventory(empty_cloud) == before


def inventory(cloud: LocalCloud) -> dict[str, list[str]]:
    """What is there, by service: names or ARNs."""
    return {
        "buckets": [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]],
        "tables": cloud.client("dynamodb").list_tables()["TableNames"],
        "queues": cloud.client("sqs").list_queues().get("QueueUrls", []),
        "topics": [topic["TopicArn"] for topic in cloud.client("sns").list_topics()["Topics"]],
        "functions": [f["FunctionName"] for f in cloud.client("lambda").list_functions()["Functions"]],
        "mappings": [m["UUID"] for m in cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]],
        "rules": [rule["Name"] for rule in cloud.client("events").list_rules()["Rules"]],
        "roles": [role["RoleName"] for role in cloud.client("iam").list_roles()["Roles"]],
        "log groups": [g["logGroupName"] for g in cloud.client("logs").describe_log_groups()["logGroups"]],
        "dashboards": [d["DashboardName"] for d in cloud.client("cloudwatch").list_dashboards()["DashboardEntries"]],
        "alarms": [a["AlarmName"] for a in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]],
    }


@pytest.mark.own_cloud
def test_production_is_protected_from_a_destroy(empty_cloud: LocalCloud) -> None:
    with Deployment(ROOT, empty_cloud) as deployment:
        outputs = deployment.up("storage", "prod").outputs
        with pytest.raises(OperatorError, match="protect"):
            deployment.destroy("storage", "prod")
        tables = empty_cloud.client("dynamodb").list_tables()["TableNames"]
        assert outputs["table_name"] in tables
