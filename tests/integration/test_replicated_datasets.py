"""Buckets and tables of every kind, made and adopted, in three environments and an instance of them, replicated.

What the emulator cannot prove: that AWS keeps a table's binary keys in the order and the form of its own, and that the
rights of each route's role suffice for adopted stores, since it has no IAM.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import local_cloud
from local_cloud import LocalCloud
from pipeline_common.contracts import ReplicationOutputs, StorageOutputs, StoredDataset
from pipeline_ops.deployment import Deployment
from pipeline_ops.instances_command import deployed_instances, destruction_order
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.routes.backfill import Backfill
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.enqueuer import Enqueuer, follow
from pipeline_ops.routes.route import SourceRoutes, open_sides
from pipeline_ops.routes.selection import select
from pipeline_ops.routes.verification import Verification, repair, still_drifting, verify
from pipeline_ops.state import folder_backend
from replication_core.comparing.findings import Verdict
from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind, RecordKey
from tests.integration.repositories import ROOT, copied_repository
from tests.made_datasets import BLOBS, CUSTOMERS, FILES, ORDERS, numbered, table_definition
from tests.polling import eventually
from tests.unmasked import unmasked

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

UPLOADS = Dataset("uploads", Kind.BUCKET, OBJECTS.key)
LEDGER = Dataset("ledger", Kind.TABLE, (KeyAttribute("entry", KeyType.NUMBER),))
ADOPTED = (UPLOADS, LEDGER)
DATASETS = (OBJECTS, ITEMS, FILES, ORDERS, CUSTOMERS, BLOBS, *ADOPTED)
CHOSEN_BY_QA = (OBJECTS, CUSTOMERS, BLOBS)

PLAIN = ("prod", "dev", "qa")
INSTANCE = ("prod-pr1", "dev-pr1", "qa-pr1")
STORAGE = [StackId("storage", environment) for environment in (*PLAIN, *INSTANCE)]
OTHERS = [StackId("replication", "prod"), StackId("replication", "prod-pr1"), StackId("processing", "qa")]

ADDED = {"environment", "replicatedFrom", "replicationTimestamp"}
STREAM = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
WITHIN = 60.0

Contents = dict[str, dict[str, Any]]
"""By dataset, each record's text or attributes, by its key."""


def adopted_name(dataset: Dataset, environment: str) -> str:
    return f"{dataset.name}-of-{environment}-by-hand"


def declared(dataset: Dataset, environment: str) -> dict[str, Any]:
    """Return a dataset as a stack's configuration declares it."""
    told: dict[str, Any] = {"kind": dataset.kind.value}
    if dataset in ADOPTED and environment != "qa":
        told["existing"] = adopted_name(dataset, environment)
    if not dataset.is_bucket:
        for name, attribute in zip(("partitionKey", "sortKey"), dataset.key, strict=False):
            told[name] = {"name": attribute.name, "type": attribute.type.value}
    return told


def write(path: Path, based_on: Path, **settings: Any) -> None:
    document = yaml.safe_load(based_on.read_text())
    document["config"] |= {name.replace("_", ":"): value for name, value in settings.items()}
    path.write_text(yaml.safe_dump(document))


def configured(folder: Path) -> Path:
    """Return a repository with more datasets, with qa for staging, and with a production that can be destroyed."""
    repository = copied_repository(folder)
    projects = repository / "projects"
    for environment in PLAIN:
        based_on = projects / "storage" / f"Pulumi.{'dev' if environment == 'qa' else environment}.yaml"
        datasets = {each.name: declared(each, environment) for each in DATASETS}
        unprotected = {"storage_deletionProtection": False, "storage_forceDestroy": True}
        write(based_on.with_name(f"Pulumi.{environment}.yaml"), based_on, storage_datasets=datasets, **unprotected)
    write(projects / "processing" / "Pulumi.qa.yaml", projects / "processing" / "Pulumi.dev.yaml")
    chosen: dict[str, Any] = {each.name: {} for each in CHOSEN_BY_QA} | {"objects": {"include": ["1"]}}
    targets = unmasked([{"environment": "dev"}, {"environment": "qa", "datasets": chosen}])
    replication = projects / "replication" / "Pulumi.prod.yaml"
    write(replication, replication, replication_targets=targets)
    return repository


@dataclass(frozen=True)
class Data:
    """One environment's records, as an outsider with the AWS API sees and changes them."""

    cloud: LocalCloud
    storage: StorageOutputs

    def put(self, key: RecordKey, value: str) -> None:
        stored = self.storage.datasets[key.dataset.name]
        if key.dataset.is_bucket:
            self.cloud.client("s3").put_object(Bucket=stored.name, Key=key.object_key, Body=value.encode())
        else:
            item: Any = {**key.attributes(), "value": {"S": value}}
            self.cloud.client("dynamodb").put_item(TableName=stored.name, Item=item)

    def remove(self, key: RecordKey) -> None:
        stored = self.storage.datasets[key.dataset.name]
        if key.dataset.is_bucket:
            self.cloud.client("s3").delete_object(Bucket=stored.name, Key=key.object_key)
        else:
            self.cloud.client("dynamodb").delete_item(TableName=stored.name, Key=key.attributes())

    def contents(self, datasets: Iterable[Dataset] = DATASETS) -> Contents:
        return {each.name: self._records(self.storage.datasets[each.name]) for each in datasets}

    def _records(self, stored: StoredDataset) -> dict[str, Any]:
        if not stored.dataset.is_bucket:
            items = self.cloud.client("dynamodb").scan(TableName=stored.name, ConsistentRead=True)["Items"]
            own = ({name: value for name, value in item.items() if name not in ADDED} for item in items)
            return {str(stored.dataset.of_item(item)): item for item in own}
        s3 = self.cloud.client("s3")
        listed = s3.list_objects_v2(Bucket=stored.name).get("Contents", [])
        keys = [stored.dataset.record(each["Key"]) for each in listed]
        return {str(key): s3.get_object(Bucket=stored.name, Key=key.object_key)["Body"].read() for key in keys}


@dataclass(frozen=True)
class System:
    """What is deployed, by the stacks' names."""

    cloud: LocalCloud
    deployment: Deployment
    data: Mapping[str, Data]
    replication: Mapping[str, ReplicationOutputs]

    def wanted(self, source: str, target: str) -> Contents:
        """Return what a target is to have of its source's records now."""
        if not target.startswith("qa"):
            return self.data[source].contents()
        contents: Contents = {each.name: {} for each in DATASETS} | self.data[source].contents(CHOSEN_BY_QA)
        of_objects = contents[OBJECTS.name]
        return {**contents, OBJECTS.name: {key: value for key, value in of_objects.items() if key.startswith("1")}}

    def wait_until_replicated(self, source: str, targets: Iterable[str]) -> None:
        for target in targets:
            eventually(
                lambda target=target: self.data[target].contents() == self.wanted(source, target),  # type: ignore[misc]
                what=f"all of {source} in {target}",
                within=WITHIN,
                every=0.5,
            )

    def backlog(self, source: str, target: str) -> Backlog:
        suffix = source.removeprefix("prod")
        storage = {name: data.storage for name, data in self.data.items()}
        routes = SourceRoutes.of(
            storage[source], self.replication[source], self.cloud.client, lambda name: storage[f"{name}{suffix}"]
        )
        return Backlog(replication=routes, route=routes.route(target), quiet_seconds=2.0)


def make_by_hand(cloud: LocalCloud, environment: str) -> None:
    """Make what an environment is to adopt; in production, with a record that nothing will tell of."""
    s3, dynamodb = cloud.client("s3"), cloud.client("dynamodb")
    bucket, table = (adopted_name(dataset, environment) for dataset in ADOPTED)
    s3.create_bucket(Bucket=bucket)
    dynamodb.create_table(TableName=table, **table_definition(LEDGER))
    if environment == "prod":
        s3.put_object(Bucket=bucket, Key="0", Body=b"before")
        dynamodb.put_item(TableName=table, Item={"entry": {"N": "0"}, "value": {"S": "before"}})
    notified: Any = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notified)
    dynamodb.update_table(TableName=table, StreamSpecification=STREAM)


def of_others(cloud: LocalCloud) -> dict[str, Any]:
    """Return all that was made by hand, by its name, with what can be seen of it but the records."""
    s3, dynamodb = cloud.client("s3"), cloud.client("dynamodb")
    found: dict[str, Any] = {}
    for environment in ("prod", "dev"):
        bucket, table = (adopted_name(dataset, environment) for dataset in ADOPTED)
        told = dynamodb.describe_table(TableName=table)["Table"]
        found[bucket] = s3.get_bucket_notification_configuration(Bucket=bucket)["EventBridgeConfiguration"]
        found[table] = {name: told[name] for name in ("CreationDateTime", "KeySchema", "StreamSpecification")}
    return found


@pytest.fixture(scope="module")
def system(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Three environments and an instance of each, in a cloud of this module's own."""
    repository = configured(tmp_path_factory.mktemp("repository"))
    with ExitStack() as stack:
        cloud = stack.enter_context(local_cloud.start(region=Projects(ROOT).region))
        for environment in ("prod", "dev"):
            make_by_hand(cloud, environment)
        backend = folder_backend(tmp_path_factory.mktemp("state"))
        deployment = stack.enter_context(Deployment(repository, cloud, backend=backend))
        outputs: dict[StackId, Mapping[str, Any]] = {}
        for group in (STORAGE, OTHERS):
            with ThreadPoolExecutor(len(group)) as threads:
                results = threads.map(lambda each: deployment.up(each.project, each.environment), group)
                outputs |= {each: result.outputs for each, result in zip(group, results, strict=True)}
        data = {each.environment: Data(cloud, StorageOutputs.parse(outputs[each])) for each in STORAGE}
        replication = {each.environment: ReplicationOutputs.parse(outputs[each]) for each in OTHERS[:2]}
        yield System(cloud, deployment, data, replication)


def verified(system: System, report: Path, source: str = "prod", target: str = "dev") -> Verification:
    backlog = system.backlog(source, target)
    sides = open_sides(backlog.replication, backlog.route)
    everything = select(sides.route, prefix=None, items=False)
    return verify(sides, backlog, everything, report, quick=False, within=WITHIN, say=lambda _: None)


def test_an_adopted_dataset_has_the_name_that_it_had_and_an_instance_has_one_of_its_own(system: System) -> None:
    for environment, data in system.data.items():
        names = {each.name: data.storage.datasets[each.name].name for each in ADOPTED}
        expected = {each.name: adopted_name(each, environment) for each in ADOPTED}
        assert (names == expected) is (environment in {"prod", "dev"})


def test_what_was_there_before_is_missing_until_a_backfill(system: System, tmp_path: Path) -> None:
    found = verified(system, tmp_path / "before.jsonl")
    assert {verdict: count for verdict, count in found.tally.counts.items() if count} == {Verdict.MISSING: 2}
    backlog = system.backlog("prod", "dev")
    sides = open_sides(backlog.replication, backlog.route)
    work = Backfill.open(sides, select(sides.route, prefix=None, items=False), None, tmp_path)
    counts = list(work.enqueue(Enqueuer(backlog=backlog, reason=work.reason, rate=500)))
    assert counts[-1] == len(ADOPTED)
    follow(backlog, counts[-1], lambda _: None)
    system.wait_until_replicated("prod", ["dev"])
    assert verified(system, tmp_path / "after.jsonl").tally.drift() == 0


def test_every_dataset_is_replicated_to_each_target_within_its_instance(system: System) -> None:
    for source in ("prod", "prod-pr1"):
        for dataset in DATASETS:
            for number in (1, 2, 12):
                system.data[source].put(numbered(dataset, number), f"{source} {number}")
    for source, targets in (("prod", PLAIN[1:]), ("prod-pr1", INSTANCE[1:])):
        system.wait_until_replicated(source, targets)
    for source, targets in (("prod", PLAIN[1:]), ("prod-pr1", INSTANCE[1:])):
        for dataset in DATASETS:
            system.data[source].put(numbered(dataset, 2), "changed")
            system.data[source].remove(numbered(dataset, 12))
        system.wait_until_replicated(source, targets)
        assert all(system.data[targets[0]].contents().values())
    assert system.data["qa"].contents(CHOSEN_BY_QA)[OBJECTS.name].keys() == {"1"}


def test_drift_of_every_dataset_is_found_and_repaired(system: System, tmp_path: Path) -> None:
    assert verified(system, tmp_path / "level.jsonl").tally.drift() == 0
    dev = system.data["dev"]
    for dataset in DATASETS:
        dev.remove(numbered(dataset, 1))
        dev.put(numbered(dataset, 2), "by hand")
    report = tmp_path / "drift.jsonl"
    found = verified(system, report)
    counts = {verdict: count for verdict, count in found.tally.counts.items() if count}
    assert counts == {Verdict.MISSING: len(DATASETS), Verdict.DIFFERENT: len(DATASETS)}
    backlog = system.backlog("prod", "dev")
    sides = open_sides(backlog.replication, backlog.route)
    assert repair(Enqueuer(backlog=backlog, reason="repair", rate=500), report, lambda _: None) == 2 * len(DATASETS)
    still: functools.partial[int] = functools.partial(still_drifting, sides, found)
    eventually(lambda: still() == 0, what="what had drifted repaired", within=WITHIN, every=0.5)
    system.wait_until_replicated("prod", ["dev"])


def test_all_that_was_deployed_is_destroyed_and_what_others_made_stays(system: System) -> None:
    cloud = system.cloud
    before = of_others(cloud)
    records = {name: system.data[name].contents(ADOPTED) for name in ("prod", "dev")}
    for instance in (True, False):
        for stack in destruction_order(each for each in (*STORAGE, *OTHERS) if ("-" in each.environment) is instance):
            system.deployment.destroy(stack.project, stack.environment)
        if instance:
            assert deployed_instances(system.deployment) == []
            assert system.deployment.preview("storage", "prod").unchanged
            system.data["prod"].put(numbered(ORDERS, 3), "after the instance")
            system.wait_until_replicated("prod", ["dev"])
    assert of_others(cloud) == before
    assert {name: system.data[name].contents(ADOPTED) for name in records} == records
    names = [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    names += cloud.client("dynamodb").list_tables()["TableNames"]
    assert sorted(names) == sorted(before)
    left = {
        "queues": cloud.client("sqs").list_queues().get("QueueUrls", []),
        "topics": cloud.client("sns").list_topics()["Topics"],
        "functions": cloud.client("lambda").list_functions()["Functions"],
        "mappings": cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "rules": cloud.client("events").list_rules()["Rules"],
        "roles": cloud.client("iam").list_roles()["Roles"],
        "alarms": cloud.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "logs": cloud.client("logs").describe_log_groups()["logGroups"],
    }
    assert not any(left.values()), left
